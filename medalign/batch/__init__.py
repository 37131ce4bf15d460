"""Many recordings at once, on Ray Data: a manifest in, a row of Parquet a recording out."""
