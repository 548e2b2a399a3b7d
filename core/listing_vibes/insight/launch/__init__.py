"""Simulation of a launch: the audience of a listing, its competitors, and the effect of each single change."""
