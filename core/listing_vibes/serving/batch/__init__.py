"""Similar listings for every listing, or recommendations for every user, as partitioned Parquet."""
