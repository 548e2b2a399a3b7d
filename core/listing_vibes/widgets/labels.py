"""The texts next to a map."""

#: Keyboard help for screen readers.
KEYS = "Arrows go from listing to listing, with Shift they move the map, + and − zoom, Enter opens similar listings."
