"""Kitchen rows: base units, worktop, splashback, wall units or shelves, and the machines between them."""

from studio.chance import Rng, pick
from studio.furniture import decor
from studio.kit import Kit
from studio.skins import Skin, Skins

DEPTH, TOP = 0.6, 0.9


def _door(
    kit: Kit,
    skins: Skins,
    skin: Skin,
    x: float,
    z0: float,
    z1: float,
    width: float,
    y: float,
    drawer: bool = False,
) -> None:
    """One front, with the frame and the handle of its family."""
    kind, metal = skins.style.choice["kitchen"], skins.metal()
    kit.box((x, y, (z0 + z1) / 2), (width - 0.005, 0.02, z1 - z0 - 0.005), skin, 0.003)
    if kind in ("shaker", "raised", "old", "open_shelf") and z1 - z0 > 0.25 and width > 0.25:
        for side in (-1, 1):
            kit.box(
                (x + side * (width / 2 - 0.04), y - 0.014, (z0 + z1) / 2),
                (0.065, 0.012, z1 - z0 - 0.01),
                skin,
                0.003,
            )
            kit.box(
                (x, y - 0.014, z0 + 0.04 if side < 0 else z1 - 0.04),
                (width - 0.02, 0.012, 0.065),
                skin,
                0.003,
            )
        if kind == "raised":
            kit.box((x, y - 0.014, (z0 + z1) / 2), (width - 0.2, 0.014, z1 - z0 - 0.2), skin, 0.006)
    if kind == "handleless":
        return
    high = z1 - 0.06 if z0 < 0.5 else z0 + 0.06
    if kind in ("shaker", "raised", "old", "open_shelf"):
        kit.soft(
            (x if drawer else x + width * 0.36, y - 0.03, (z0 + z1) / 2 if drawer else high),
            (0.03, 0.03, 0.03),
            metal,
            1,
        )
    else:
        kit.rod((x - 0.09, y - 0.03, high), (x + 0.09, y - 0.03, high), 0.007, metal)


def row(
    kit: Kit,
    skins: Skins,
    rng: Rng,
    length: float,
    height: float,
    sink: float | None = None,
    window: tuple[float, float] | None = None,
    fridge: bool = True,
) -> None:
    """A row along a wall from x = 0 to `length`, in the wall's frame; `window` (from, to) keeps the wall units away."""
    kind, low, high = skins.style.choice["kitchen"], skins.fronts(), skins.fronts(True)
    steel, dark = skins.make.metal("steel"), skins.make.plain((0.04, 0.04, 0.045), 0.12, uneven=0)
    white = skins.make.plain(
        (0.9, 0.89, 0.85) if skins.style.vibe == "worn_out" else (0.93, 0.93, 0.93), 0.3, uneven=0.02
    )
    built_in = kind in ("handleless", "dark_brass", "slab_marble", "raised")
    x = 0.0
    if fridge:
        tall = float(rng.uniform(1.65, 2.0))
        with kit.at(0.32, -DEPTH / 2 - 0.03):
            if built_in:
                kit.box((0, 0, 1.12), (0.62, DEPTH, 2.1), low)
                for z0, z1 in ((0.12, 0.85), (0.85, 2.15)):
                    _door(kit, skins, low, 0, z0, z1, 0.62, -DEPTH / 2)
            else:
                body = (
                    steel
                    if skins.style.vibe in ("loft", "midcentury") or rng.random() < 0.25
                    else skins.make.plain(pick(rng, skins.style.accents), 0.2, coat=0.6)
                    if skins.style.vibe in ("boho", "midcentury") and rng.random() < 0.5
                    else white
                )
                kit.box((0, 0, tall / 2), (0.6, 0.62, tall), body, 0.03)
                kit.box((0, -0.312, tall * 0.62), (0.58, 0.006, 0.008), dark, 0)
                for z in (tall * 0.54, tall * 0.72):
                    kit.rod((0.24, -0.34, z - 0.1), (0.24, -0.34, z + 0.1), 0.012, steel)
                if skins.style.vibe in ("worn_out", "rental_basic", "boho") and rng.random() < 0.7:
                    for _ in range(6):
                        kit.box(
                            (float(rng.uniform(-0.2, 0.2)), -0.315, float(rng.uniform(0.75, 0.95)) * tall),
                            (0.07, 0.004, 0.06),
                            skins.make.plain(pick(rng, skins.style.accents), 0.6),
                            0,
                            (0, float(rng.normal(0, 12)), 0),
                        )
        x = 0.66
    count = max(2, round((length - x) / 0.6))
    step = (length - x) / count
    stove, basin = int(rng.integers(0, count)), int(rng.integers(0, count))
    if sink is not None:
        basin = min(count - 1, max(0, int((sink - x) / step)))
    if stove == basin:
        stove = (basin + 1 + count // 3) % count
    kit.box(
        ((x + length) / 2, -DEPTH / 2 + 0.03, 0.05),
        (length - x, DEPTH - 0.1, 0.1),
        dark if built_in else low,
        0,
    )
    for i in range(count):
        centre = x + (i + 0.5) * step
        kit.box((centre, -DEPTH / 2, 0.48), (step - 0.002, DEPTH - 0.03, 0.76), low, 0)
        if i == stove:
            oven = (
                white if skins.style.vibe in ("worn_out", "rental_basic") else steel if not built_in else dark
            )
            kit.box((centre, -DEPTH + 0.005, 0.48), (step - 0.01, 0.03, 0.74), oven)
            kit.box((centre, -DEPTH - 0.013, 0.45), (step * 0.78, 0.01, 0.38), dark)
            kit.rod(
                (centre - step * 0.35, -DEPTH - 0.04, 0.7),
                (centre + step * 0.35, -DEPTH - 0.04, 0.7),
                0.012,
                steel,
            )
            for k in range(5):
                kit.rod(
                    (centre + (k - 2) * 0.09, -DEPTH, 0.79),
                    (centre + (k - 2) * 0.09, -DEPTH - 0.03, 0.79),
                    0.017,
                    dark,
                )
        elif (
            i == (basin + 1) % count
            and kind in ("flat_cheap", "old", "beech", "flat", "freestanding")
            and count > 3
        ):
            kit.box((centre, -DEPTH, 0.48), (step - 0.02, 0.03, 0.75), white, 0.01)
            kit.rod((centre, -DEPTH, 0.47), (centre, -DEPTH - 0.03, 0.47), 0.16, dark)
        elif rng.random() < 0.4:
            for k in range(3):
                _door(kit, skins, low, centre, 0.1 + 0.253 * k, 0.1 + 0.253 * (k + 1), step, -DEPTH, True)
        else:
            _door(kit, skins, low, centre, 0.1, 0.86, step, -DEPTH)
    kit.box(
        ((x + length) / 2, -DEPTH / 2 - 0.01, TOP - 0.02),
        (length - x, DEPTH + 0.02, 0.04),
        skins.top(),
        0.004,
    )
    _sink(kit, skins, x + (basin + 0.5) * step, steel)
    with kit.at(x + (stove + 0.5) * step, -DEPTH / 2, TOP):
        kit.box((0, 0, 0.004), (0.55, 0.48, 0.008), dark if rng.random() < 0.6 else steel, 0.003)
        for sx in (-0.13, 0.13):
            for sy in (-0.11, 0.11):
                kit.lathe((sx, sy, 0.008), [(0.08, 0), (0.08, 0.012), (0.05, 0.014)], dark)
        if rng.random() < 0.7 and skins.style.vibe != "minimalist":
            kit.lathe(
                (0.13, 0.11, 0.02),
                [(0.1, 0), (0.12, 0.02), (0.12, 0.1), (0.1, 0.13), (0.02, 0.15), (0.025, 0.18)],
                pick(rng, [steel, skins.make.plain(pick(rng, skins.style.accents), 0.2, coat=0.5)]),
            )
    _back(kit, skins, rng, (x, length), height, window, x + (stove + 0.5) * step, high)
    for _ in range(
        int(rng.poisson(1.0 + 9 * skins.style.dense * (0.25 if skins.style.vibe == "minimalist" else 1)))
    ):
        at = float(rng.uniform(x + 0.1, length - 0.1))
        if abs(at - x - (basin + 0.5) * step) > 0.3 and abs(at - x - (stove + 0.5) * step) > 0.33:
            decor.small(kit, skins, rng, (at, float(rng.uniform(-0.35, -0.1)), TOP))
    if skins.style.vibe != "minimalist" and rng.random() < 0.75:
        at = x + ((basin + 2) % count + 0.5) * step
        kit.soft((at, -0.2, TOP + 0.11), (0.2, 0.16, 0.22), pick(rng, [steel, white, dark]), 0.3)


def _sink(kit: Kit, skins: Skins, x: float, steel: Skin) -> None:
    kit.box((x, -0.3, TOP + 0.002), (0.5, 0.42, 0.008), steel, 0.003)
    kit.box((x, -0.3, TOP + 0.005), (0.42, 0.34, 0.006), skins.make.plain((0.25, 0.25, 0.26), 0.3, 0.8), 0.0)
    kit.wire(
        [
            (x, -0.08, TOP),
            (x, -0.08, TOP + 0.26),
            (x, -0.12, TOP + 0.33),
            (x, -0.2, TOP + 0.34),
            (x, -0.26, TOP + 0.28),
        ],
        0.012,
        skins.metal(),
    )


def _back(
    kit: Kit,
    skins: Skins,
    rng: Rng,
    span: tuple[float, float],
    height: float,
    window: tuple[float, float] | None,
    stove: float,
    skin: Skin,
) -> None:
    """Splashback, wall units or open shelves, and the hood."""
    kind, (x0, x1) = skins.style.choice["kitchen"], span
    bottom, top = (
        1.42,
        min(height - 0.05, 2.15 if kind not in ("handleless", "slab_marble", "raised") else 2.35),
    )
    back = skins.top() if kind in ("slab_marble", "dark_brass") else skins.wet()
    free = [(x0, x1)] if window is None else [(x0, min(x1, window[0] - 0.1)), (max(x0, window[1] + 0.1), x1)]
    if kind != "freestanding":
        for a, b in free:
            if b - a > 0.05:
                kit.box(((a + b) / 2, -0.006, (TOP + bottom) / 2), (b - a, 0.012, bottom - TOP), back, 0)
    open_ = kind in ("open_shelf", "steel") or (
        kind in ("flat", "flat_dark", "dark_brass", "shaker") and rng.random() < 0.3
    )
    steel = skins.make.metal("steel")
    for a, b in free:
        if b - a < 0.45:
            continue
        if open_:
            for z in (bottom + 0.08, bottom + 0.45):
                kit.box(((a + b) / 2, -0.13, z), (b - a - 0.1, 0.24, 0.03), skins.wood())
                for _ in range(int((b - a) * 5 * (0.4 + skins.style.dense))):
                    decor.small(kit, skins, rng, (float(rng.uniform(a + 0.15, b - 0.15)), -0.13, z + 0.015))
            continue
        count = max(1, round((b - a) / 0.55))
        step = (b - a) / count
        for i in range(count):
            x = a + (i + 0.5) * step
            if abs(x - stove) < step * 0.55:
                kit.box((x, -0.2, top - 0.15), (step - 0.05, 0.34, 0.3), skin)
                kit.box((x, -0.25, bottom + 0.2), (step - 0.02, 0.45, 0.08), steel)
                kit.box((x, -0.15, (bottom + top) / 2), (0.22, 0.22, top - bottom - 0.2), steel)
                continue
            kit.box((x, -0.17, (bottom + top) / 2), (step - 0.002, 0.32, top - bottom), skin, 0)
            _door(kit, skins, skin, x, bottom, top, step, -0.34)
        if skins.style.vibe in ("designer", "minimalist", "scandinavian", "classic"):
            kit.box(
                ((a + b) / 2, -0.2, bottom - 0.012),
                (b - a - 0.1, 0.02, 0.01),
                skins.make.glow((1, 0.88, 0.7), 14.0),
                0,
            )


def island(kit: Kit, skins: Skins, rng: Rng, width: float) -> None:
    """A free block with stools before it."""
    kit.box((0, 0, 0.46), (width, 0.8, 0.8), skins.fronts(), 0.005)
    kit.box((0, 0, TOP), (width + 0.12, 0.95, 0.05), skins.top())
    for i in range(max(2, int(width / 0.6))):
        x = (i + 0.5) * width / max(2, int(width / 0.6)) - width / 2
        kit.lathe(
            (x, -0.72, 0.64),
            [(0.17, 0), (0.18, 0.02), (0.16, 0.05), (0, 0.05)],
            skins.fabric(1) if skins.style.vibe in ("designer", "classic") else skins.wood(),
        )
        for a in range(4):
            kit.rod(
                (x + 0.1 * (-1) ** a, -0.72 + 0.1 * (-1) ** (a // 2), 0.64),
                (x + 0.18 * (-1) ** a, -0.72 + 0.18 * (-1) ** (a // 2), 0),
                0.012,
                skins.metal(),
            )
    with kit.at(0, 0, TOP + 0.025):
        decor.table_things(kit, skins, rng, width * 0.4, 0.25)
