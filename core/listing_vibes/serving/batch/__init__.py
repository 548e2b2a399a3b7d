"""Similar listings for every listing, or recommendations for every user, as partitioned parquet.

A job is cut into chunks that depend on nothing but the job itself. Each chunk is scored by itself, on one thread, and
becomes one file by a rename; so the rows are the same whatever scores them (threads, Ray) and however often it was
interrupted, and a chunk whose file is there is done.
"""
