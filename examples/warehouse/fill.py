"""Write the customers of the example loyalty-migration into the database at WAREHOUSE_URL, by default the SQLite file shop.db."""

import csv
import datetime as dt
import os
import sys
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa

HERE = Path(__file__).parent
CUSTOMERS = HERE.parent / "loyalty-migration/data/customers.csv"

metadata = sa.MetaData()
customers = sa.Table(
    "customers",
    metadata,
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("first_order", sa.Date),
    sa.Column("last_order", sa.Date),
    sa.Column("orders", sa.Integer),
    sa.Column("spend_usd", sa.Numeric(10, 2)),
)


def main() -> None:
    url = os.environ.get("WAREHOUSE_URL") or f"sqlite:///{HERE / 'shop.db'}"
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    metadata.drop_all(engine)
    metadata.create_all(engine)
    with CUSTOMERS.open(newline="") as file:
        rows = [
            {
                "customer_id": row["customer_id"],
                "first_order": dt.date.fromisoformat(row["first_order"]),
                "last_order": dt.date.fromisoformat(row["last_order"]),
                "orders": int(row["orders"]),
                "spend_usd": Decimal(row["spend_usd"]),
            }
            for row in csv.DictReader(file)
        ]
    with engine.begin() as connection:
        connection.execute(customers.insert(), rows)
    sys.stdout.write(f"{len(rows):,} customers written.\n")


if __name__ == "__main__":
    main()
