"""Listings by vector, kept where many can search while one writes: on disk with FAISS, or in Milvus."""
