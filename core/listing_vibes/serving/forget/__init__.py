"""Removal of users from a market, from its runs and from everything derived from them."""
