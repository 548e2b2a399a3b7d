"""One home's own style, drawn from its vibe: what all of its rooms share, and what each room varies."""

from dataclasses import dataclass

import numpy as np

from listing_vibes.errors import VibesError
from studio.chance import pick, stream, weighted
from studio.colour import Colour, parse, vary
from studio.vibes import VIBES, Vibe

STRAY = 0.05  # share of choices taken from another vibe: people keep grandmother's chair
STRAYS = ("sofa", "chair", "table", "lamp", "rug", "art", "curtain", "bed")


@dataclass(frozen=True)
class Style:
    """Everything about the look of one home; the same for all of its rooms unless keyed by room."""

    vibe: str
    wall: dict[str, Colour]  # by room
    covering: str
    feature: str
    ceiling: Colour
    trim: Colour
    accents: list[Colour]
    fabrics: list[Colour]
    wood: Colour
    wood2: Colour
    front: Colour
    front2: Colour
    wet_colours: list[Colour]
    choice: dict[
        str, str
    ]  # floor, wet, sofa, chair, table, bed, kitchen, worktop, lamp, rug, art, curtain, window, metal
    height: float
    wear: float
    plants: int
    pictures: int
    dense: float
    warmth: float
    agent: bool  # a wide bright picture of an estate agent; else a phone
    mirrored: bool
    overcast: bool
    window_width: float
    sill: float


def draw_style(seed: int, vibe: str, quality: float = 0.5, density: float = 0.5) -> Style:
    """The style of the home with this seed; deterministic. Raises VibesError for an unknown vibe."""
    if vibe not in VIBES:
        raise VibesError(f"The homes name an unknown vibe {vibe!r}; known are {', '.join(VIBES)}.")
    kind: Vibe = VIBES[vibe]
    rng = stream(seed, "style")

    def some(colours: str, count: int) -> list[Colour]:
        known = colours.split()
        order = rng.permutation(len(known))
        return [vary(rng, parse(known[order[i % len(known)]])) for i in range(count)]

    main, other = some(kind.walls, 2)
    # One colour through the home, or one for each room.
    rooms = {
        room: main if rng.random() < 0.65 else other
        for room in ("living", "kitchen", "bedroom", "bathroom", "front")
    }
    choice = {}
    for name in ("floor", "wet", "sofa", "chair", "table", "bed", "kitchen", "worktop", "lamp", "rug", "art", "curtain",
                 "window", "metal"):  # fmt: skip
        source = kind
        if name in STRAYS and rng.random() < STRAY:
            source = VIBES[pick(rng, sorted(VIBES))]
        choice[name] = weighted(rng, getattr(source, name))
    woods = some(kind.woods, 2)
    fronts = some(kind.fronts, 2)
    dull = vibe == "worn_out"
    between = lambda pair: float(rng.uniform(*pair))  # noqa: E731
    dense = float(np.clip(0.6 * between(kind.dense) + 0.4 * density, 0, 1))
    ceiling: Colour = (0.80, 0.77, 0.69) if dull else (0.93, 0.93, 0.92)
    if vibe == "loft" and rng.random() < 0.6:
        ceiling = vary(rng, pick(rng, [(0.18, 0.18, 0.18), (0.5, 0.49, 0.47), (0.35, 0.24, 0.16)]))
    elif vibe == "designer" and rng.random() < 0.35:
        ceiling = main
    return Style(
        vibe=vibe, wall=rooms, covering=weighted(rng, kind.covering), feature=weighted(rng, kind.feature), ceiling=ceiling,
        trim=(0.78, 0.74, 0.64) if dull else main if vibe in ("designer", "minimalist") else (0.93, 0.92, 0.9),
        accents=some(kind.accents, 4), fabrics=some(kind.fabrics, 4), wood=woods[0],
        wood2=woods[0] if rng.random() < 0.6 else woods[1], front=fronts[0],
        front2=fronts[1] if rng.random() < 0.25 else fronts[0], wet_colours=some(kind.wet_colours, 2), choice=choice,
        height=between(kind.height), wear=float(np.clip(between(kind.wear) + 0.25 * (0.5 - quality), 0, 1)),
        plants=int(rng.integers(kind.plants[0], kind.plants[1] + 1)),
        pictures=int(rng.integers(kind.pictures[0], kind.pictures[1] + 1)), dense=dense, warmth=between(kind.warmth),
        agent=bool(rng.random() < 0.35 + 0.5 * quality), mirrored=bool(rng.random() < 0.5),
        overcast=bool(rng.random() < 0.28), window_width=float(rng.uniform(1.3, 2.2)), sill=float(rng.uniform(0.6, 1.0)),
    )  # fmt: skip
