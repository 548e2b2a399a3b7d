"""Is a run still good? What its newest events, listings and lists say, against what trained and what was measured."""
