"""Write the customers of the example loyalty-migration as Parquet files to the object store at LAKE_URL, by default the folder lake."""

import csv
import datetime as dt
import io
import os
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import obstore
import pyarrow as pa
from pyarrow import parquet

HERE = Path(__file__).parent
CUSTOMERS = HERE.parent / "loyalty-migration/data/customers.csv"
ROWS_IN_A_FILE = 500
SCHEMA = pa.schema(
    {
        "customer_id": pa.string(),
        "last_order": pa.date32(),
        "orders": pa.int32(),
        "spend_usd": pa.decimal128(10, 2),
    }
)


def main() -> None:
    folder = HERE / "lake"
    folder.mkdir(exist_ok=True)
    store = obstore.store.from_url(os.environ.get("LAKE_URL") or folder.resolve().as_uri())
    months: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with CUSTOMERS.open(newline="") as file:
        for row in csv.DictReader(file):
            months[row["first_order"][:7]].append(
                {
                    "customer_id": row["customer_id"],
                    "last_order": dt.date.fromisoformat(row["last_order"]),
                    "orders": int(row["orders"]),
                    "spend_usd": Decimal(row["spend_usd"]),
                }
            )
    count = 0
    for month, rows in months.items():
        for number, start in enumerate(range(0, len(rows), ROWS_IN_A_FILE)):
            content = io.BytesIO()
            parquet.write_table(
                pa.Table.from_pylist(rows[start : start + ROWS_IN_A_FILE], schema=SCHEMA), content
            )
            obstore.put(store, f"customers/first_month={month}/part-{number}.parquet", content.getvalue())
            count += 1
    customers = sum(map(len, months.values()))
    sys.stdout.write(f"{customers:,} customers written to {count} files.\n")


if __name__ == "__main__":
    main()
