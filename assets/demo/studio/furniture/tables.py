"""Coffee and dining tables, and what stands on them."""

from studio.chance import Rng
from studio.furniture import decor
from studio.furniture.seating import chair, legs
from studio.kit import Kit
from studio.skins import Skin, Skins

LEGS = {"square_dark": "turned", "cloth": "block", "flatpack": "block", "glass": "metal", "light_round": "tapered", "light_long": "tapered",
        "industrial": "metal", "turned": "turned", "rough": "hairpin", "pouf": "block", "walnut": "tapered", "slab": "block", "plinth": "block"}  # fmt: skip


def _top(skins: Skins, kind: str) -> Skin:
    if kind == "glass":
        return skins.make.glass()
    if kind == "plinth":
        return skins.top()
    return skins.print(2) if kind == "cloth" else skins.wood()


def coffee_table(kit: Kit, skins: Skins, rng: Rng) -> None:
    """A low table, round or long, with a few things on it."""
    kind = skins.style.choice["table"]
    height, width = float(rng.uniform(0.36, 0.46)), float(rng.uniform(0.9, 1.25))
    top = _top(skins, kind)
    if kind == "pouf":
        kit.lathe(
            (0, 0, 0),
            [(0.25, 0), (0.4, 0.06), (0.44, 0.2), (0.4, 0.34), (0.2, 0.38), (0, 0.385)],
            skins.print(0),
        )
        kit.lathe((0, 0, 0.385), [(0.3, 0), (0.32, 0.03), (0.3, 0.02), (0, 0.02)], skins.make.metal("brass"))
        height = 0.4
    elif kind in ("light_round", "plinth") or (kind in ("walnut", "rough", "turned") and rng.random() < 0.4):
        if kind == "plinth":
            kit.lathe(
                (0, 0, 0),
                [(0.26, 0), (0.26, height - 0.04), (0.46, height - 0.04), (0.46, height), (0, height)],
                top,
                around=40,
            )
            kit.lathe(
                (0.5, -0.25, 0),
                [(0.24, 0), (0.24, height * 0.72), (0, height * 0.72)],
                skins.metal(),
                around=40,
            )
        else:
            kit.lathe(
                (0, 0, height - 0.03), [(0.42, 0), (0.44, 0.015), (0.42, 0.03), (0, 0.03)], top, around=40
            )
            legs(kit, skins, LEGS.get(kind, "tapered"), 0.6, 0.6, height - 0.03)
    elif kind == "slab":
        kit.box((0, 0, height * 0.32), (width, 0.75, height * 0.64), skins.wood(), 0.01)
        height *= 0.64
    else:
        kit.box((0, 0, height - 0.02), (width, 0.6, 0.04), top, 0.008)
        legs(kit, skins, LEGS.get(kind, "block"), width, 0.6, height - 0.04)
        if rng.random() < 0.5:
            kit.box((0, 0, height * 0.4), (width - 0.12, 0.48, 0.02), top)
    with kit.at(0, 0, height):
        decor.table_things(kit, skins, rng, 0.32, 0.2)


def dining(kit: Kit, skins: Skins, rng: Rng, seats: int) -> None:
    """A dining table with chairs about it."""
    kind = skins.style.choice["table"]
    top = _top(skins, kind)
    if seats <= 2 or kind in ("light_round",) or (kind in ("plinth", "walnut") and rng.random() < 0.5):
        radius = 0.42 if seats <= 2 else 0.58
        kit.lathe(
            (0, 0, 0.71),
            [(radius - 0.02, 0), (radius, 0.015), (radius - 0.01, 0.035), (0, 0.035)],
            top,
            around=40,
        )
        if kind in ("plinth", "walnut", "slab"):
            kit.lathe(
                (0, 0, 0),
                [(0.3, 0), (0.28, 0.02), (0.05, 0.12), (0.045, 0.6), (0.12, 0.71)],
                skins.wood() if kind == "walnut" else skins.metal(),
            )
        else:
            legs(kit, skins, LEGS.get(kind, "tapered"), radius * 1.4, radius * 1.4, 0.71)
        places = [(0, -radius, 180), (0, radius, 0), (-radius, 0, 90), (radius, 0, -90)][: max(2, seats)]
    else:
        length = 0.7 + 0.3 * seats
        kit.box((0, 0, 0.73), (length, 0.82, 0.04 if kind != "slab" else 0.07), top, 0.008)
        if kind == "cloth":
            kit.box((0, 0, 0.64), (length + 0.03, 0.85, 0.2), top, 0.03)
        legs(kit, skins, LEGS.get(kind, "block"), length, 0.8, 0.71)
        half = max(1, seats // 2)
        places = [
            ((i + 0.5 - half / 2) * length / half * 0.9, side * 0.45, 0 if side > 0 else 180)
            for i in range(half)
            for side in (-1, 1)
        ]
    for x, y, turn in places:
        with kit.at(x * 1.12, y * 1.15, 0, turn + float(rng.normal(0, 7))):
            chair(kit, skins, rng)
    with kit.at(0, 0, 0.75):
        decor.table_things(kit, skins, rng, 0.35, 0.2)


def side_table(kit: Kit, skins: Skins, rng: Rng) -> float:
    """A bedside or sofa-side table; returns its height."""
    vibe, wood = skins.style.vibe, skins.wood()
    height = float(rng.uniform(0.42, 0.58))
    if vibe in ("designer", "boho") and rng.random() < 0.7:
        kit.lathe(
            (0, 0, 0),
            [(0.2, 0), (0.15, height / 2), (0.2, height), (0, height)],
            skins.top() if vibe == "designer" else skins.print(0),
            around=32,
        )
    elif vibe == "loft":
        kit.box((0, 0, height / 2), (0.42, 0.36, height), skins.wood(), 0.01)
        for z in (0.02, height):
            kit.box((0, 0, z), (0.44, 0.38, 0.03), skins.metal())
    else:
        base = 0.2 if vibe in ("midcentury", "scandinavian", "classic") else 0.03
        kit.box(
            (0, 0, (height + base) / 2),
            (0.46, 0.38, height - base),
            wood if vibe != "rental_basic" else skins.fronts(),
            0.006,
        )
        if base > 0.1:
            legs(kit, skins, "turned" if vibe == "classic" else "tapered", 0.44, 0.36, base)
        for i in range(2):
            z = base + (height - base) * (i + 0.5) / 2
            kit.box(
                (0, -0.192, z),
                (0.42, 0.012, (height - base) / 2 - 0.02),
                wood if vibe != "rental_basic" else skins.fronts(),
                0.003,
            )
            if vibe != "minimalist":
                kit.soft((0, -0.208, z), (0.03, 0.03, 0.03), skins.metal(), 1)
    return height
