"""Removing users from a market, from the runs over it, and from what was made of them."""
