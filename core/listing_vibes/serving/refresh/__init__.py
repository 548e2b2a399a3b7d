"""Refresh of a run: merge new rows, encode new listings and publish the run's next version atomically."""
