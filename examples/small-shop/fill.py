"""Write data/orders.csv: what the customers ordered within the last months. Times depend on the day, since old events are refused."""

import csv
import datetime as dt
import sys
from pathlib import Path

HERE = Path(__file__).parent
PRODUCTS = ("beans", "grinder", "cup")
DAYS_AGO = (2, 30, 200)  # before the start of this day


def main() -> None:
    midnight = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    orders = [
        (customer, midnight - dt.timedelta(days=days, minutes=customer))
        for customer in range(1, 25)
        for days in DAYS_AGO[: 1 + customer % 3]
    ]
    with (HERE / "data/orders.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["customer", "order", "ordered_at", "total", "product"])
        writer.writerows(
            [
                f"customer-{customer:02}",
                f"{1000 + number}",
                at.isoformat(),
                f"{4 + customer / 4:.2f}",
                PRODUCTS[number % 3],
            ]
            for number, (customer, at) in enumerate(orders, 1)
        )
    sys.stdout.write(f"{len(orders)} orders written.\n")


if __name__ == "__main__":
    main()
