"""Shelves, dressers, wardrobes, television units and wall units."""

from studio.chance import Rng, pick
from studio.furniture import decor
from studio.furniture.plants import plant
from studio.furniture.seating import legs
from studio.kit import Kit
from studio.skins import Skin, Skins


def carcass(skins: Skins) -> Skin:
    """What this home's case furniture is made of."""
    vibe = skins.style.vibe
    if vibe == "rental_basic":
        return skins.make.plain((0.9, 0.89, 0.87), 0.4)
    if vibe in ("minimalist", "designer"):
        return skins.fronts()
    return skins.wood(True)


def shelf(kit: Kit, skins: Skins, rng: Rng, width: float, height: float) -> None:
    """An open shelf, filled with books and things as densely as the home is."""
    skin, depth, vibe = carcass(skins), 0.3, skins.style.vibe
    metal = vibe == "loft"
    levels = max(2, round(height / 0.36))
    for side in (-1, 1):
        if metal:
            for y in (-depth / 2, depth / 2):
                kit.box((side * width / 2, y, height / 2), (0.03, 0.03, height), skins.metal())
        else:
            kit.box((side * width / 2, 0, height / 2), (0.025, depth, height), skin)
    if not metal and vibe != "scandinavian":
        kit.box((0, depth / 2, height / 2), (width, 0.01, height), skin, 0)
    for level in range(levels + 1):
        z = 0.05 + (height - 0.06) * level / levels
        kit.box((0, 0, z), (width, depth, 0.025), skins.wood() if metal else skin)
        if level == levels:
            continue
        x = -width / 2 + 0.04
        while x < width / 2 - 0.15:
            share = float(rng.uniform(0.15, 0.45)) * width
            if rng.random() < 0.2 + 0.65 * skins.style.dense:
                end = min(x + share, width / 2 - 0.04)
                if rng.random() < 0.62:
                    decor.books(kit, skins, rng, x, end, z + 0.013, depth)
                else:
                    decor.small(kit, skins, rng, (x + 0.12, 0, z + 0.013))
            x += share


def dresser(kit: Kit, skins: Skins, rng: Rng, width: float, height: float = 0.8) -> None:
    """Drawers or doors on legs or a plinth, with things on top."""
    vibe, skin = skins.style.vibe, carcass(skins)
    base = {"midcentury": 0.2, "scandinavian": 0.18, "classic": 0.15, "designer": 0.12}.get(vibe, 0.05)
    legs(
        kit,
        skins,
        {"classic": "turned", "midcentury": "tapered", "scandinavian": "tapered"}.get(vibe, "metal"),
        width,
        0.42,
        base,
    )
    kit.box((0, 0, (base + height) / 2), (width, 0.45, height - base), skin, 0.008)
    columns, rows = max(1, round(width / 0.55)), max(1, round((height - base) / 0.24))
    for i in range(columns):
        for j in range(rows):
            x, z = (i + 0.5) * width / columns - width / 2, base + (j + 0.5) * (height - base) / rows
            kit.box(
                (x, -0.23, z), (width / columns - 0.014, 0.018, (height - base) / rows - 0.014), skin, 0.004
            )
            if vibe != "minimalist":
                kit.rod((x - 0.06, -0.255, z), (x + 0.06, -0.255, z), 0.007, skins.metal())
    for _ in range(int(rng.poisson(0.5 + 2.5 * skins.style.dense))):
        decor.small(
            kit, skins, rng, (float(rng.uniform(-0.42, 0.42)) * width, float(rng.uniform(-0.1, 0.12)), height)
        )


def wardrobe(kit: Kit, skins: Skins, rng: Rng, width: float, height: float) -> None:
    """A wardrobe; old ones carry boxes and suitcases on top."""
    vibe = skins.style.vibe
    skin = carcass(skins) if vibe != "scandinavian" else skins.make.plain((0.93, 0.93, 0.92), 0.4)
    kit.box((0, 0, height / 2), (width, 0.58, height), skin)
    doors = max(2, round(width / 0.5))
    mirrored = vibe in ("rental_basic", "worn_out", "minimalist") and rng.random() < 0.4
    for i in range(doors):
        x = (i + 0.5) * width / doors - width / 2
        face = (
            skins.make.plain((0.9, 0.91, 0.91), 0.03, 1.0, uneven=0) if mirrored and i == doors // 2 else skin
        )
        kit.box((x, -0.3, height / 2 + 0.02), (width / doors - 0.01, 0.02, height - 0.1), face, 0.004)
        if vibe in ("classic", "worn_out", "scandinavian", "boho"):
            for z0, z1 in ((0.15, 0.9), (1.0, height - 0.12)):
                for side in (-1, 1):
                    kit.box(
                        (x + side * (width / doors / 2 - 0.08), -0.315, (z0 + z1) / 2),
                        (0.03, 0.014, z1 - z0),
                        skin,
                    )
                    kit.box((x, -0.315, z0 if side < 0 else z1), (width / doors - 0.16, 0.014, 0.03), skin)
        if vibe != "minimalist":
            kit.rod(
                (x + (0.4 - 0.8 * (i % 2)) * width / doors, -0.33, 0.95),
                (x + (0.4 - 0.8 * (i % 2)) * width / doors, -0.33, 1.15),
                0.008,
                skins.metal(),
            )
    if vibe in ("worn_out", "rental_basic", "boho") and rng.random() < 0.7:
        for i in range(int(rng.integers(1, 4))):
            kit.box(
                (width * (0.3 * i - 0.3), 0, height + 0.13),
                (0.45, 0.38, 0.26),
                skins.make.plain(
                    pick(rng, [(0.6, 0.45, 0.3), (0.35, 0.15, 0.12), (0.25, 0.3, 0.35)]), 0.7, uneven=0.08
                ),
                0.02,
            )


def wall_unit(kit: Kit, skins: Skins, rng: Rng, width: float) -> None:
    """The dark polished wall unit of worn living rooms: doors below, glass and china above."""
    skin = skins.wood()
    kit.box((0, 0, 0.4), (width, 0.45, 0.8), skin)
    kit.box((0, 0.1, 1.45), (width, 0.25, 1.3), skins.wood(True), 0)
    for i in range(max(2, round(width / 0.5))):
        step = width / max(2, round(width / 0.5))
        x = (i + 0.5) * step - width / 2
        kit.box((x, -0.23, 0.4), (step - 0.012, 0.02, 0.74), skin, 0.003)
        kit.soft((x + 0.15, -0.25, 0.45), (0.03, 0.03, 0.03), skins.metal(), 1)
        if i % 2:
            kit.box((x, -0.12, 1.45), (step - 0.012, 0.3, 1.28), skin, 0.003)
        else:
            for z in (0.9, 1.3, 1.7):
                kit.box((x, -0.1, z), (step - 0.01, 0.24, 0.02), skin, 0)
                if rng.random() < 0.6:
                    decor.books(kit, skins, rng, x - step / 2 + 0.03, x + step / 2 - 0.05, z + 0.01, 0.2)
                else:
                    for k in range(3):
                        decor.small(kit, skins, rng, (x + 0.12 * (k - 1), -0.1, z + 0.01))


def media(kit: Kit, skins: Skins, rng: Rng, width: float) -> None:
    """A television on a low unit."""
    vibe = skins.style.vibe
    dresser(kit, skins, rng, width, 0.45 if vibe != "worn_out" else 0.6)
    z = 0.45 if vibe != "worn_out" else 0.6
    dark = skins.make.plain((0.03, 0.03, 0.035), 0.1, uneven=0)
    if vibe == "worn_out" and rng.random() < 0.6:
        kit.box((0, 0.02, z + 0.24), (0.62, 0.42, 0.48), skins.make.plain((0.22, 0.21, 0.2), 0.5), 0.03)
        kit.soft((0, -0.17, z + 0.25), (0.5, 0.08, 0.38), skins.make.plain((0.12, 0.14, 0.13), 0.1), 0.3)
    else:
        size = min(width * 0.75, 1.25)
        kit.box((0, 0.05, z + 0.1 + size * 0.28), (size, 0.035, size * 0.56), dark, 0.006)
        kit.box((0, 0.05, z + 0.05), (0.3, 0.15, 0.1), dark)
    if rng.random() < 0.3 + 0.1 * skins.style.plants:
        with kit.at(width * 0.42, 0, z):
            plant(kit, skins, rng, 0.4)
