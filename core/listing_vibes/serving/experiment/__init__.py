"""Experiments on users: assignment to one of two runs, interleaving, and the test of which run is better."""
