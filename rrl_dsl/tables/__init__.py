"""Tables in CSV, TSV and Parquet files."""
