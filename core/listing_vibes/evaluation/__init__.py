"""Honest figures: metrics, intervals, the protocol and the first level of baselines."""
