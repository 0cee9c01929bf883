"""Rows of databases and object stores: read once, by a connection that can't write, and kept as Parquet under ``.leanplum-sync/rows``."""
