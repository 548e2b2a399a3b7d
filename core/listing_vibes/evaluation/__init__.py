"""Evaluation: the protocol, metrics with intervals, and comparison with baselines."""
