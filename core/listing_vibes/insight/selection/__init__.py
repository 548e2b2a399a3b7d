"""A list as a page shows it: from its address, as Python, as command, and as the rows themselves."""
