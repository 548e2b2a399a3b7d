"""What was shown, kept: every answer with its request id, as Parquet, and what users did on it."""
