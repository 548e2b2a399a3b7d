"""Photos that a market names by their addresses, fetched politely, within bounds, and gone on with after an interruption."""
