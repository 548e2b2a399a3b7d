"""Words that several rooms put beside figures."""


def count(value: int, singular: str, plural: str = "") -> str:
    """A counted noun: `1 listing`, `1,234 listings`."""
    return f"{value:,} {singular if value == 1 else plural or singular + 's'}"


def enumerated(names: list[str]) -> str:
    """Names in a sentence: `a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def cut(text: str, length: int) -> str:
    """A text of at most `length` characters, the last of them an ellipsis where there were more."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def percent(
    share: float,
    decimals: int = 1,
    unit: str = "%",
    *,
    bounds: tuple[str, str] | None = None,
    signed: bool = False,
) -> str:
    """A share as a percentage: `12.3%`.

    Args:
        unit: what stands behind the number, such as "%" or " %".
        bounds: what is written before the least and the most that the decimals tell, where something is not nothing, or not all,
            yet would read 0 or 100: ("under ", "over ") gives `under 1%` and `over 99%`; None: it is rounded.
        signed: with the sign of what is above zero, too.
    """
    least = 10.0 ** -(decimals + 2)
    if bounds and 0 < share < least:
        return f"{bounds[0]}{100 * least:.{decimals}f}{unit}"
    if bounds and 1 - least < share < 1:
        return f"{bounds[1]}{100 - 100 * least:.{decimals}f}{unit}"
    return f"{100 * share:{'+' if signed else ''}.{decimals}f}{unit}"
