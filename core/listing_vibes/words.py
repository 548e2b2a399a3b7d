"""Formatting of numbers and names in sentences."""


def count(value: int, singular: str, plural: str = "") -> str:
    """Return a counted noun: `1 listing`, `1,234 listings`."""
    return f"{value:,} {singular if value == 1 else plural or singular + 's'}"


def enumerated(names: list[str]) -> str:
    """Return names joined for a sentence: `a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def cut(text: str, length: int) -> str:
    """Return a text of at most `length` characters, with an ellipsis at the end if it was cut."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def percent(
    share: float,
    decimals: int = 1,
    unit: str = "%",
    *,
    bounds: tuple[str, str] | None = None,
    signed: bool = False,
) -> str:
    """Return a share as a percentage: `12.3%`.

    Args:
        unit: suffix of the number, such as "%" or " %".
        bounds: prefixes for shares that are not 0 or 1 but would be rounded to 0 or 100: ("under ", "over ") gives `under 1%` and
            `over 99%`; None: they are rounded.
        signed: also write the sign of positive numbers.
    """
    least = 10.0 ** -(decimals + 2)
    if bounds and 0 < share < least:
        return f"{bounds[0]}{100 * least:.{decimals}f}{unit}"
    if bounds and 1 - least < share < 1:
        return f"{bounds[1]}{100 - 100 * least:.{decimals}f}{unit}"
    return f"{100 * share:{'+' if signed else ''}.{decimals}f}{unit}"
