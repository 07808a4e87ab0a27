"""Floor 0: what is known. Records, files in and out, the DuckDB store and the run journal."""
