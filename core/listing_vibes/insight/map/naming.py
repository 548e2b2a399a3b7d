"""What to call groups: the traits that tell most, and more where two would be called alike."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from listing_vibes.insight.map.traits import Trait

LEADING = 2  # traits that lead a name
BESIDE = 1.5  # lift from which another trait may follow them
QUOTED = 3  # words of texts in a name
MORE = 3  # further traits where another group has the same
#: What surely holds more often for a group than for another (None: than elsewhere), if for few; what tells most first.
Finer = Callable[[int, int | None], Sequence[Trait]]


def names_of(
    traits: Sequence[Sequence[Trait]],
    words: Sequence[Sequence[str]],
    leading: Collection[str] = (),
    finer: Finer = lambda group, other: (),
    never_both: Callable[[str, str], bool] = lambda one, other: False,
) -> list[str]:
    """A name for each group; no two have the same parts, in whatever order.

    What leads, then what else tells most. Where another group has the same: more of it, then words of texts, then what tells
    the two apart, which both get. A number is the last resort.

    Args:
        traits: of each group, what tells most first.
        words: of its texts, the best first. They are quoted only where nothing else holds or tells two groups apart: alone they
            rarely say what a listing is.
        leading: labels of the traits that names begin with.
        never_both: whether two parts contradict each other.
    """
    names: list[list[str]] = []  # the parts of each
    said: dict[frozenset[str], int] = {}  # by parts, in any order, the group that had them first

    def extend(group: int, other: int | None) -> None:
        """Add what tells a group best from another, where that makes it no third one's name."""
        parts = names[group]
        for piece in (trait.piece for trait in finer(group, other)):
            new = piece not in parts and frozenset([*parts, piece]) not in said
            if new and not any(never_both(piece, part) for part in parts):
                names[group] = [*parts, piece]
                said[frozenset(names[group])] = group
                return

    for number, mine in enumerate(traits):
        parts, spare = _parts(mine, words[number], leading)
        while frozenset(parts) in said and spare:
            parts.append(spare.pop(0))
        names.append(parts)
        if not parts:
            extend(number, None)
        if not names[number]:
            names[number] = _quoted(words[number])
        twin = said.setdefault(frozenset(names[number]), number)
        if twin != number and names[number]:
            extend(number, twin)
            extend(twin, number)
    used: set[frozenset[str]] = set()
    found = []
    for number, parts in enumerate(names):
        name = " · ".join(parts)
        name = name[:1].upper() + name[1:]
        alike = frozenset(parts) in used
        used.add(frozenset(parts))
        found.append(f"{name} ({number + 1})" if name and alike else name or f"Group {number + 1}")
    return found


def _parts(
    traits: Sequence[Trait], words: Sequence[str], leading: Collection[str]
) -> tuple[list[str], list[str]]:
    """The parts of a name, and those that may follow."""
    first = list(dict.fromkeys(trait.piece for trait in traits if trait.label in leading))[:LEADING]
    best: dict[str, str] = {}  # of each label the trait that tells most: a second one says little more
    for trait in traits:
        if trait.label not in leading and (not first or trait.lift >= BESIDE):
            best.setdefault(trait.label, trait.piece)
    pieces = list(dict.fromkeys([*first, *best.values(), *(trait.piece for trait in traits)]))
    usual = min(len(first) + 1, len(first) + len(best)) if first else 2
    return pieces[:usual], [*pieces[usual : usual + MORE], *(_quoted(words) if pieces else [])]


def _quoted(words: Sequence[str]) -> list[str]:
    return [f"“{word}”" for word in words[:QUOTED]]
