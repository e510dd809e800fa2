"""Athena over Glue tables of objects in S3: the queries are translated to DuckDB's SQL and run there."""
