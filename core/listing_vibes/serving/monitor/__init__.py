"""Monitoring of a run: its newest events, listings and lists, compared with training and evaluation."""
