"""Words that several rooms put beside figures."""


def count(value: int, singular: str, plural: str = "") -> str:
    """A counted noun: `1 listing`, `1,234 listings`."""
    return f"{value:,} {singular if value == 1 else plural or singular + 's'}"
