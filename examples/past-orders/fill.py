"""Write data/orders.csv: the orders of twelve fictional customers, some of them more than a year ago. Times depend on the day."""

import csv
import datetime as dt
import sys
from pathlib import Path

HERE = Path(__file__).parent
PRODUCTS = ("poster", "print", "frame")
DAYS_AGO = (2, 30, 400)  # before the start of this day


def main() -> None:
    midnight = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    orders = [
        (customer, midnight - dt.timedelta(days=days, minutes=customer))
        for customer in range(1, 13)
        for days in DAYS_AGO[: 1 + customer % 3]
    ]
    (HERE / "data").mkdir(exist_ok=True)
    with (HERE / "data/orders.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["customer_id", "order_id", "ordered_at", "total", "product"])
        writer.writerows(
            [
                f"customer-{customer:02}",
                1000 + number,
                at.isoformat(),
                f"{9 + customer / 2:.2f}",
                PRODUCTS[number % 3],
            ]
            for number, (customer, at) in enumerate(orders, 1)
        )
    sys.stdout.write(f"{len(orders)} orders written.\n")


if __name__ == "__main__":
    main()
