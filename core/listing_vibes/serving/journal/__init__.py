"""Journals: files of JSON lines that only grow, one open segment a process, read while they are written."""
