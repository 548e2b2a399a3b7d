"""One bay of one storey of a front: window, door, balcony, shutters, air conditioner, flower box."""

from core.demo.render.chance import Rng, pick
from core.demo.render.homefile import Home
from core.demo.render.kit import Kit
from core.demo.render.skins import Skin, Skins


def bay(
    kit: Kit,
    skins: Skins,
    rng: Rng,
    home: Home,
    floor: int,
    floors_: int,
    storey: float,
    step: float,
    trim: Skin,
    door: bool,
) -> None:
    """The bay stands on its floor at z = 0, its middle at x = 0, the wall's face at y = 0."""
    vibe, kind = home.vibe, home.building
    wide = step * {"factory": 0.72, "tower": 0.86, "villa": 0.5, "townhouse": 0.46}.get(kind, 0.5)
    tall = storey * {"factory": 0.68, "tower": 0.72, "townhouse": 0.6}.get(kind, 0.5)
    if vibe == "midcentury" or (vibe in ("minimalist", "designer") and kind != "townhouse"):
        wide = step * 0.84
    if vibe == "classic" and kind != "tower":
        tall = storey * 0.62
    sill = (storey - tall) * 0.55 if kind != "tower" else 0.5
    frame = (
        skins.make.metal("black")
        if vibe in ("loft", "designer", "minimalist") or kind == "factory"
        else skins.wood()
        if vibe == "midcentury"
        else skins.make.plain(
            (0.75, 0.71, 0.62) if vibe == "worn_out" else (0.92, 0.91, 0.89),
            0.5,
            uneven=0.08 * skins.style.wear,
        )
    )
    if door:
        leaf = (
            skins.make.plain(pick(rng, skins.style.accents), 0.4)
            if vibe != "worn_out"
            else skins.make.plain((0.35, 0.3, 0.25), 0.6, uneven=0.1)
        )
        kit.box((0, -0.05, 0.85), (1.5, 0.12, 2.5), trim)
        kit.box((0, -0.12, 0.75), (1.15, 0.08, 2.2), leaf, 0.01)
        kit.box((0, -0.17, 1.15), (0.5, 0.02, 1.0), skins.make.plain((0.1, 0.12, 0.14), 0.05, uneven=0))
        kit.box(
            (0, -0.6, 2.25),
            (1.9, 1.2, 0.1),
            skins.make.metal("black") if vibe in ("loft", "designer") else trim,
        )
        for i in range(2):
            kit.box(
                (0, -0.5 - 0.3 * i, -0.2 - 0.15 * i),
                (1.8, 0.4, 0.16),
                skins.make.plain((0.55, 0.54, 0.52), 0.9, uneven=0.05),
            )
        return
    glass = skins.make.plain(
        pick(rng, [(0.1, 0.13, 0.16), (0.2, 0.24, 0.27), (0.05, 0.06, 0.08)]), 0.04, 0.25, uneven=0
    )
    lit = rng.random() < (0.5 if home.hour > 18 else 0.06)
    kit.box(
        (0, -0.01, sill + tall / 2),
        (wide, 0.03, tall),
        skins.make.glow((1, 0.75, 0.45), 1.3) if lit else glass,
        0,
    )
    if rng.random() < 0.6 and kind != "tower":
        share = float(rng.uniform(0.15, 0.4))
        veil = skins.make.plain(
            pick(rng, [(0.8, 0.78, 0.72), (0.7, 0.66, 0.6), skins.style.fabrics[0]]), 0.4, coat=0.6
        )
        for side in (-1, 1):
            kit.box(
                (side * wide * (0.5 - share / 2), -0.017, sill + tall / 2),
                (wide * share, 0.02, tall),
                veil,
                0,
            )
    columns, rows = (
        (4, 5) if kind == "factory" else (2, 1) if kind != "tower" and vibe != "minimalist" else (1, 1)
    )
    thin = 0.045 if kind in ("factory", "tower") else 0.065
    for i in range(columns + 1):
        kit.box((wide * (i / columns - 0.5), -0.04, sill + tall / 2), (thin, 0.05, tall), frame, 0)
    for i in range(rows + 1):
        kit.box((0, -0.04, sill + tall * i / rows), (wide + thin, 0.05, thin), frame, 0)
    if kind == "townhouse" or vibe == "classic":
        kit.box((0, -0.045, sill + tall * 0.68), (wide, 0.05, thin), frame, 0)
        for side in (-1, 1):
            kit.box((side * (wide / 2 + 0.09), -0.03, sill + tall / 2), (0.16, 0.08, tall + 0.2), trim, 0.01)
        kit.box((0, -0.07, sill + tall + 0.16), (wide + 0.5, 0.18, 0.2), trim, 0.02)
    kit.box((0, -0.08, sill - 0.05), (wide + 0.2, 0.2, 0.08), trim)
    if vibe in ("boho",) and kind in ("villa", "townhouse"):
        shutter = skins.make.plain(skins.style.accents[2], 0.6)
        for side in (-1, 1):
            kit.box((side * wide * 0.76, -0.04, sill + tall / 2), (wide * 0.46, 0.05, tall), shutter)
            for k in range(8):
                kit.box(
                    (side * wide * 0.76, -0.07, sill + tall * (k + 0.5) / 8),
                    (wide * 0.38, 0.02, 0.05),
                    shutter,
                    0,
                    (30, 0, 0),
                )
    balcony = (
        floor > 0
        and (kind in ("block", "tower") or home.balcony)
        and rng.random() < {"block": 0.45, "tower": 0.3, "villa": 0.35, "townhouse": 0.25}.get(kind, 0.1)
    )
    if balcony:
        _balcony(kit, skins, rng, home, step)
    elif vibe == "worn_out" and rng.random() < 0.25:
        kit.box(
            (wide * 0.75, -0.2, sill + 0.1),
            (0.75, 0.35, 0.5),
            skins.make.plain((0.75, 0.74, 0.7), 0.5, uneven=0.08),
        )
    elif vibe in ("boho", "classic", "scandinavian") and rng.random() < 0.35:
        kit.box((0, -0.2, sill + 0.06), (wide, 0.2, 0.18), skins.make.plain((0.55, 0.34, 0.25), 0.8))
        for _ in range(12):
            kit.soft(
                (float(rng.uniform(-0.45, 0.45)) * wide, -0.22, sill + 0.22),
                (0.22, 0.2, 0.2),
                skins.make.plain(pick(rng, [(0.2, 0.4, 0.15), (0.25, 0.42, 0.18), (0.8, 0.25, 0.3)]), 0.8),
                1,
            )


def _balcony(kit: Kit, skins: Skins, rng: Rng, home: Home, step: float) -> None:
    wide, black = step * 0.9, skins.make.metal("black")
    slab = skins.make.plain((0.62, 0.61, 0.58), 0.8, uneven=0.05 + 0.08 * skins.style.wear)
    kit.box((0, -0.6, 0.02), (wide, 1.25, 0.14), slab)
    if home.vibe in ("worn_out", "rental_basic", "midcentury") and rng.random() < 0.7:
        panel = skins.make.plain(pick(rng, [*skins.style.accents, (0.7, 0.68, 0.62)]), 0.6, uneven=0.1)
        kit.box((0, -1.2, 0.55), (wide, 0.04, 0.85), panel, 0)
    elif home.vibe in ("minimalist", "designer") or home.building == "tower":
        kit.box((0, -1.2, 0.6), (wide, 0.02, 1.0), skins.make.glass((0.8, 0.88, 0.9), 0.75), 0)
    else:
        for i in range(int(wide / 0.14)):
            kit.rod(
                ((i + 0.5) * 0.14 - wide / 2, -1.2, 0.08),
                ((i + 0.5) * 0.14 - wide / 2, -1.2, 1.05),
                0.012,
                black,
            )
    kit.rod((-wide / 2, -1.2, 1.07), (wide / 2, -1.2, 1.07), 0.025, black)
    for _ in range(int(rng.integers(0, 4))):
        what = pick(rng, [(0.3, 0.45, 0.2), (0.75, 0.7, 0.6), skins.style.accents[0], (0.5, 0.35, 0.25)])
        kit.soft(
            (float(rng.uniform(-0.4, 0.4)) * wide, -0.9, 0.55),
            (0.4, 0.35, float(rng.uniform(0.4, 0.9))),
            skins.make.plain(what, 0.8, uneven=0.1),
            0.6,
        )
