"""Beds of every family, with their bedding."""

import numpy as np

from studio import shapes
from studio.chance import Rng
from studio.furniture.seating import legs
from studio.kit import Kit
from studio.skins import Skins


def bed(kit: Kit, skins: Skins, rng: Rng, width: float) -> None:
    """A bed 2 m long whose head is at +y; the origin is its middle."""
    kind, wood, metal = skins.style.choice["bed"], skins.wood(), skins.metal()
    lift = {"mattress": 0.0, "pallet": 0.2, "platform": 0.16, "metal_frame": 0.32, "iron": 0.34}.get(
        kind, 0.28
    )
    head = 1.02
    if kind in ("tufted", "channel"):
        cloth = skins.fabric(1)
        kit.soft((0, 0, 0.2), (width + 0.1, 2.08, 0.32), cloth, 0.15)
        tall = 1.25 if kind == "tufted" else 1.05
        kit.box((0, head, tall / 2), (width + 0.25, 0.08, tall), cloth, 0.03)
        columns = 9 if kind == "channel" else 7
        for i in range(columns):
            x = (i + 0.5) / columns * (width + 0.2) - (width + 0.2) / 2
            if kind == "channel":
                kit.soft(
                    (x, head - 0.06, tall / 2 + 0.2), ((width + 0.2) / columns, 0.1, tall - 0.35), cloth, 0.6
                )
            else:
                for row in range(3):
                    kit.soft(
                        (x, head - 0.05, 0.55 + 0.22 * row),
                        ((width + 0.2) / columns * 1.05, 0.09, 0.24),
                        cloth,
                        0.85,
                    )
    elif kind == "iron":
        for y, tall in ((head, 1.1), (-head, 0.7)):
            kit.wire(
                [(-width / 2, y, 0), (-width / 2, y, tall), (width / 2, y, tall), (width / 2, y, 0)],
                0.018,
                metal,
            )
            for i in range(9):
                x = (i + 0.5) / 9 * width - width / 2
                kit.rod((x, y, 0.3), (x, y, tall), 0.008, metal)
        kit.box((0, 0, 0.3), (width, 2.0, 0.05), metal)
    elif kind == "rattan":
        cane = skins.make.plain((0.68, 0.48, 0.28), 0.5, uneven=0.08)
        arch = np.linspace(0, np.pi, 17)
        for k in (1.0, 0.75, 0.5, 0.25):
            kit.wire(
                [(k * (width / 2 + 0.1) * np.cos(a), head, 0.4 + 0.95 * k * np.sin(a)) for a in arch],
                0.018,
                cane,
            )
        for a in arch[1:-1]:
            kit.rod(
                (0, head, 0.4), ((width / 2 + 0.1) * np.cos(a), head, 0.4 + 0.95 * np.sin(a)), 0.009, cane
            )
        kit.box((0, 0, 0.2), (width + 0.06, 2.04, 0.16), wood, 0.01)
    elif kind == "pallet":
        for i in range(11):
            kit.box((0, (i + 0.5) * 0.19 - 1.05, 0.17), (width + 0.25, 0.12, 0.025), wood)
        for x in (-0.45, 0, 0.45):
            kit.box((x * width, 0, 0.08), (0.1, 2.05, 0.15), wood)
    elif kind == "platform":
        kit.box((0, 0, 0.09), (width + 0.5, 2.2, 0.14), wood, 0.01)
        kit.box((0, head + 0.06, 0.38), (width + 0.5, 0.05, 0.5), wood, 0.01)
    elif kind != "mattress":
        skin = (
            metal
            if kind == "metal_frame"
            else skins.make.plain((0.9, 0.9, 0.88), 0.4)
            if kind == "flatpack" and rng.random() < 0.6
            else wood
        )
        legs(
            kit,
            skins,
            {"scandi": "tapered", "walnut": "tapered", "carved": "turned"}.get(kind, "block"),
            width,
            2.0,
            0.28,
        )
        for side in (-1, 1):
            kit.box((side * width / 2, 0, 0.26), (0.04, 2.04, 0.14), skin)
        tall = {"wood_old": 1.0, "carved": 1.3, "walnut": 0.85, "scandi": 0.95}.get(kind, 0.8)
        if kind == "scandi":
            for i in range(12):
                kit.box(((i + 0.5) / 12 * width - width / 2, head, 0.6), (0.03, 0.03, 0.66), wood, 0.01)
            kit.box((0, head, tall), (width + 0.06, 0.05, 0.06), wood, 0.02)
        else:
            kit.box((0, head, tall / 2 + 0.1), (width + 0.08, 0.05, tall - 0.2), skin, 0.01)
        if kind == "carved":
            kit.mesh(
                shapes.prism(
                    [(0.5 * (width + 0.1) * np.cos(a), 0.25 * np.sin(a)) for a in np.linspace(0, np.pi, 17)],
                    0.05,
                ),
                wood,
                (0, head, tall),
                bevel=0.01,
            )
        if kind in ("wood_old", "carved"):
            kit.box((0, -head, 0.35), (width + 0.06, 0.05, 0.5), skin, 0.01)
    _bedding(kit, skins, rng, width, lift)


def _bedding(kit: Kit, skins: Skins, rng: Rng, width: float, lift: float) -> None:
    vibe, top = skins.style.vibe, lift + 0.24
    neat = vibe in ("minimalist", "designer", "classic") or rng.random() < 0.35
    kit.soft((0, 0, lift + 0.12), (width, 2.0, 0.24), skins.linen(), 0.12)
    plain = vibe in ("minimalist", "scandinavian", "designer", "loft")
    cover = skins.linen(skins.style.fabrics[1]) if plain and rng.random() < 0.65 else skins.print(1)
    a, b, shift = (
        float(rng.uniform(0, 6)),
        float(rng.uniform(0, 6)),
        0.0 if neat else float(rng.normal(0, 0.09)),
    )
    rough = 0.012 if neat else 0.035
    reach = 0.42 + 0.12 * rng.random()

    def place(u: np.ndarray, v: np.ndarray) -> tuple:
        across = (u - 0.5) * (width + 0.7) + shift
        beyond = np.clip(np.abs(across) - width / 2 - 0.03, 0, None)
        x = np.sign(across) * (np.minimum(np.abs(across), width / 2 + 0.06) + 0.04 * np.sin(6 * beyond * 3))
        along = reach - v * (1.45 + reach) + (0 if neat else 0.05) * np.sin(5 * u + a)
        under = np.clip(-along - 1.03, 0, None)
        wave = (
            np.sin(7 * u + a + 3 * v) * np.sin(9 * v + b)
            + 0.6 * np.sin(17 * u + 11 * v + b)
            + 0.4 * np.abs(np.sin(13 * v - 6 * u + a))
        )
        folds = 0.03 * np.abs(np.sin(18 * v + a)) * (beyond > 0)
        return (
            x + np.sign(across) * folds,
            np.maximum(along, -1.08),
            top + 0.06 + rough * wave - beyond - under,
        )

    kit.mesh(shapes.sheet(place, 48, 40), cover, smooth=True)
    pillows = 2 if width > 1.2 else 1
    for row in range(1 if vibe in ("worn_out", "rental_basic", "minimalist") else 2):
        for i in range(pillows):
            x = (i - (pillows - 1) / 2) * width / 2.05
            kit.soft(
                (x + float(rng.normal(0, 0.02)), 0.84 - 0.2 * row, top + 0.15),
                (width / pillows * 0.86, 0.2 if row else 0.24, 0.45),
                skins.linen() if not row else skins.print(2),
                0.55,
                (-48 + 8 * row, 0, float(rng.normal(0, 4))),
            )
    if vibe in ("boho", "classic", "designer", "midcentury", "scandinavian"):
        for i in range(int(rng.integers(1, 4))):
            kit.soft(
                (float(rng.uniform(-0.3, 0.3)) * width, 0.45, top + 0.18),
                (0.4, 0.15, 0.36),
                skins.print(i),
                0.5,
                (-35, float(rng.normal(0, 12)), 0),
            )
    if vibe != "minimalist" and rng.random() < 0.6:

        def fold(u: np.ndarray, v: np.ndarray) -> tuple:
            across = (u - 0.5) * (width + 0.8)
            beyond = np.clip(np.abs(across) - width / 2 - 0.06, 0, None)
            x = np.sign(across) * np.minimum(np.abs(across), width / 2 + 0.08)
            return (
                x,
                -0.95 + 0.55 * v + 0.03 * np.sin(5 * u + a),
                top + 0.1 + 0.01 * np.sin(11 * u + b) - beyond,
            )

        kit.mesh(shapes.sheet(fold, 30, 8), skins.print(3), smooth=True)
