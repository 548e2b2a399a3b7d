"""A run as an HTTP service: one model in memory, requests answered in batches, the newest state of the run."""
