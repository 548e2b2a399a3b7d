"""Sofas, armchairs and chairs of every family."""

import numpy as np

from studio import shapes
from studio.chance import Rng, pick
from studio.kit import Kit
from studio.skins import Skins


def legs(kit: Kit, skins: Skins, kind: str, width: float, depth: float, height: float) -> None:
    """Four legs under a rectangle: `tapered`, `block`, `hairpin`, `turned` or `metal`."""
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * (width / 2 - 0.05), sy * (depth / 2 - 0.05)
            if kind == "tapered":
                kit.rod((x, y, height), (x + sx * 0.05, y + sy * 0.03, 0), 0.024, skins.wood(), 0.012)
            elif kind == "hairpin":
                for off in (-0.05, 0.05):
                    kit.rod((x + off, y, height), (x + sx * 0.03, y, 0), 0.006, skins.metal())
            elif kind == "turned":
                profile = [
                    (0.02, 0),
                    (0.03, 0.05),
                    (0.02, 0.1),
                    (0.035, 0.4),
                    (0.02, 0.5),
                    (0.04, 0.7),
                    (0.03, 0.85),
                    (0.04, 1),
                ]
                kit.lathe((x, y, 0), [(r, z * height) for r, z in profile], skins.wood(), around=12)
            else:
                kit.box(
                    (x, y, height / 2),
                    (0.05, 0.05, height),
                    skins.metal() if kind == "metal" else skins.wood(),
                )


def sofa(kit: Kit, skins: Skins, rng: Rng, width: float, cushions: int = 3) -> None:
    """A sofa about 0.9 m deep, in the home's family."""
    kind, cloth = skins.style.choice["sofa"], skins.fabric(0)
    if kind == "rattan":
        _rattan(kit, skins, width, cloth)
    elif kind == "floor":
        kit.soft((0, 0, 0.17), (width, 0.95, 0.34), cloth, 0.25)
        for i in range(4):
            kit.soft(
                ((i - 1.5) * width / 4, 0.38, 0.5),
                (width / 4.2, 0.24, 0.42),
                skins.print(i % 3),
                0.4,
                (-12, 0, float(rng.normal(0, 5))),
            )
    elif kind == "curved":
        arc = np.linspace(-0.62, 0.62, 15)
        radius = width / 1.25
        for a in arc:
            x, y = radius * np.sin(a), 0.35 - radius * (1 - np.cos(a)) * 0.9
            kit.soft(
                (x, y - 0.25, 0.26), (width / 6.5, 0.85, 0.36), cloth, 0.45, (0, 0, float(-np.degrees(a)))
            )
            kit.soft((x, y + 0.12, 0.52), (width / 6.5, 0.3, 0.55), cloth, 0.6, (0, 0, float(-np.degrees(a))))
    else:
        _block_sofa(kit, skins, rng, width, kind)
    for _ in range(cushions):
        x, index = float(rng.uniform(-0.42, 0.42)) * width, int(rng.integers(4))
        kit.soft(
            (x, 0.12, 0.62),
            (0.44, 0.17, 0.42),
            skins.print(index),
            0.45,
            (-20, float(rng.normal(0, 12)), float(rng.normal(0, 14))),
        )
    if rng.random() < 0.35 * (skins.style.vibe != "minimalist"):
        throw(kit, skins, rng, float(rng.uniform(-0.3, 0.3)) * width)


def throw(kit: Kit, skins: Skins, rng: Rng, x: float) -> None:
    """A blanket hung over the seat's edge."""
    wave = float(rng.uniform(0, 6))

    def place(u: np.ndarray, v: np.ndarray) -> tuple:
        y = np.where(v < 0.6, 0.3 - 1.25 * v, -0.45 - 0.02 * np.sin(9 * u + wave))
        z = np.where(v < 0.6, 0.51 + 0.02 * np.sin(8 * u + wave), 0.51 - 0.9 * (v - 0.6))
        return x + (u - 0.5) * 0.6 + 0.05 * np.sin(3 * v), y, z

    kit.mesh(shapes.sheet(place, 14, 16), skins.print(3), smooth=True)


def _rattan(kit: Kit, skins: Skins, width: float, cloth) -> None:
    cane = skins.make.plain((0.68, 0.48, 0.28), 0.5, uneven=0.08)
    for z in (0.22, 0.66, 0.84):
        kit.wire(
            [
                (-width / 2, -0.4, min(z, 0.6)),
                (-width / 2, 0.3, z),
                (-width / 2 + 0.1, 0.4, z),
                (width / 2 - 0.1, 0.4, z),
                (width / 2, 0.3, z),
                (width / 2, -0.4, min(z, 0.6)),
            ],
            0.022,
            cane,
        )
    for i in range(int(width / 0.09)):
        x = -width / 2 + 0.09 * (i + 0.5)
        kit.rod((x, 0.4, 0.2), (x, 0.4, 0.84), 0.009, cane)
    for sx in (-1, 1):
        for y in (-0.4, 0.35):
            kit.rod((sx * width / 2, y, 0), (sx * width / 2, y, 0.6), 0.022, cane)
    kit.soft((0, -0.03, 0.36), (width - 0.1, 0.8, 0.2), cloth, 0.25)
    for sx in (-1, 1):
        kit.soft((sx * width / 4, 0.28, 0.62), (width / 2.1, 0.2, 0.46), cloth, 0.35, (-12, 0, 0))


def _block_sofa(kit: Kit, skins: Skins, rng: Rng, width: float, kind: str) -> None:
    cloth = skins.fabric(0)
    lift, arm, arm_top, back, soft, leg = {
        "plush_old": (0.06, 0.28, 0.62, 0.95, 0.5, "block"), "boxy": (0.05, 0.2, 0.6, 0.8, 0.2, "block"), "faux_leather": (0.08, 0.24, 0.6, 0.85, 0.3, "metal"),
        "scandi": (0.2, 0.12, 0.6, 0.82, 0.25, "tapered"), "leather": (0.12, 0.18, 0.62, 0.78, 0.3, "metal"), "tufted": (0.14, 0.22, 0.82, 0.84, 0.5, "turned"),
        "rolled": (0.12, 0.26, 0.68, 0.95, 0.55, "turned"), "midcentury": (0.22, 0.06, 0.58, 0.78, 0.2, "tapered"), "low": (0.04, 0.3, 0.44, 0.58, 0.18, "block"),
    }.get(kind, (0.1, 0.2, 0.6, 0.8, 0.3, "block"))  # fmt: skip
    inner = width - 2 * arm
    seats = 2 if width < 1.9 else int(rng.integers(2, 4))
    legs(kit, skins, leg, width, 0.8, lift)
    kit.box(
        (0, 0, lift + 0.09), (width - 0.02, 0.86, 0.18), skins.wood() if kind == "midcentury" else cloth, 0.03
    )
    for i in range(seats):
        x = (i + 0.5) / seats * inner - inner / 2
        kit.soft((x, -0.06, lift + 0.26), (inner / seats - 0.01, 0.76, 0.2), cloth, soft * 0.7)
        if kind == "tufted":
            for row in range(3):
                for column in range(4):
                    kit.soft(
                        (x + (column - 1.5) * inner / seats / 4, 0.3, lift + 0.4 + 0.14 * row),
                        (inner / seats / 3.6, 0.24, 0.17),
                        cloth,
                        0.85,
                    )
        else:
            kit.soft(
                (x, 0.27, (lift + 0.3 + back) / 2),
                (inner / seats - 0.02, 0.24, back - lift - 0.26),
                cloth,
                soft,
                (-10, 0, float(rng.normal(0, 1.5))),
            )
    kit.soft((0, 0.4, (lift + back) / 2), (width - 0.02, 0.16, back - lift), cloth, 0.2)
    for side in (-1, 1):
        x = side * (width - arm) / 2
        if kind == "midcentury":
            kit.box((x, -0.02, arm_top), (arm, 0.8, 0.04), skins.wood(), 0.015)
            for y in (-0.36, 0.34):
                kit.box((x, y, arm_top / 2 + 0.1), (0.04, 0.05, arm_top - 0.2), skins.wood(), 0.01)
        else:
            kit.soft((x, -0.02, (lift + arm_top) / 2 + 0.04), (arm, 0.88, arm_top - lift), cloth, soft * 0.8)
            if kind in ("tufted", "rolled", "plush_old"):
                kit.mesh(
                    shapes.tube([(0, -0.44, 0), (0, 0.4, 0)], arm * 0.5, 16),
                    cloth,
                    (x, 0, arm_top),
                    smooth=True,
                )


def armchair(kit: Kit, skins: Skins, rng: Rng) -> None:
    """A single seat in another fabric of the home."""
    cloth, vibe = skins.fabric(1), skins.style.vibe
    if vibe == "boho":
        return _rattan(kit, skins, 0.8, cloth)
    if vibe == "designer":
        kit.lathe((0, 0, 0.05), [(0.3, 0), (0.42, 0.05), (0.42, 0.3), (0.36, 0.36), (0, 0.38)], cloth)
        for a in np.linspace(-1.7, 1.7, 13):
            kit.soft(
                (0.37 * np.sin(a), 0.37 * np.cos(a), 0.52),
                (0.18, 0.18, 0.5),
                cloth,
                0.7,
                (0, 0, float(-np.degrees(a))),
            )
        return None
    if vibe in ("midcentury", "scandinavian", "loft"):
        frame = skins.wood() if vibe != "loft" else skins.metal()
        legs(kit, skins, "tapered" if vibe != "loft" else "metal", 0.72, 0.7, 0.3)
        kit.soft((0, -0.04, 0.38), (0.6, 0.62, 0.16), cloth, 0.25, (6, 0, 0))
        kit.soft((0, 0.26, 0.68), (0.6, 0.15, 0.55), cloth, 0.25, (-18, 0, 0))
        for sx in (-1, 1):
            kit.box((sx * 0.34, -0.02, 0.56), (0.05, 0.66, 0.035), frame, 0.012)
            kit.rod((sx * 0.34, -0.3, 0.3), (sx * 0.34, -0.28, 0.56), 0.018, frame)
            kit.rod((sx * 0.34, 0.28, 0.3), (sx * 0.34, 0.24, 0.56), 0.018, frame)
        return None
    return _block_sofa(
        kit,
        skins,
        rng,
        0.95,
        skins.style.choice["sofa"]
        if skins.style.choice["sofa"] not in ("floor", "rattan", "curved")
        else "boxy",
    )


def chair(kit: Kit, skins: Skins, rng: Rng) -> None:
    """A dining chair in the home's family."""
    kind, wood, metal = skins.style.choice["chair"], skins.wood(), skins.metal()
    accent = skins.make.plain(pick(rng, skins.style.accents), 0.4)
    if kind in ("shell", "shell_white", "barrel"):
        cover = {
            "shell": accent
            if skins.style.vibe == "midcentury"
            else skins.make.plain((0.92, 0.92, 0.91), 0.3),
            "shell_white": skins.make.plain((0.93, 0.93, 0.93), 0.3),
        }.get(kind) or skins.fabric(1)
        legs(kit, skins, "tapered" if kind != "barrel" else "metal", 0.4, 0.4, 0.42)
        kit.soft((0, 0, 0.45), (0.46, 0.44, 0.08 if kind != "barrel" else 0.16), cover, 0.5)
        for a in np.linspace(-1.3, 1.3, 9):
            kit.soft(
                (0.21 * np.sin(a), 0.2 * np.cos(a), 0.6),
                (0.12, 0.05 if kind != "barrel" else 0.1, 0.34 + 0.1 * np.cos(a)),
                cover,
                0.6,
                (-8, 0, float(-np.degrees(a))),
            )
    elif kind == "rattan":
        cane = skins.make.plain((0.68, 0.48, 0.28), 0.5, uneven=0.08)
        legs(kit, skins, "tapered", 0.46, 0.44, 0.44)
        kit.soft((0, 0, 0.46), (0.48, 0.46, 0.07), skins.print(1), 0.4)
        for i in range(9):
            a = np.pi * (0.1 + 0.8 * i / 8)
            kit.rod(
                (0.2 * np.cos(a), 0.2, 0.46), (0.3 * np.cos(a), 0.26, 0.7 + 0.32 * np.sin(a)), 0.007, cane
            )
        kit.wire(
            [(0.3 * np.cos(a), 0.26, 0.7 + 0.32 * np.sin(a)) for a in np.linspace(0, np.pi, 13)], 0.016, cane
        )
    elif kind in ("metal", "folding", "cantilever"):
        paint = metal if kind != "metal" else pick(rng, [metal, accent])
        legs(kit, skins, "metal", 0.42, 0.42, 0.44)
        kit.box((0, 0, 0.45), (0.42, 0.42, 0.03), skins.fabric(1) if kind == "cantilever" else paint, 0.012)
        kit.box(
            (0, 0.2, 0.72),
            (0.4, 0.02, 0.2 if kind != "cantilever" else 0.4),
            skins.fabric(1) if kind == "cantilever" else paint,
            0.01,
            (-8, 0, 0),
        )
        for sx in (-1, 1):
            kit.rod((sx * 0.19, 0.19, 0.44), (sx * 0.19, 0.23, 0.84), 0.012, paint)
    elif kind == "upholstered":
        legs(kit, skins, "turned", 0.46, 0.44, 0.42)
        kit.soft((0, 0, 0.47), (0.5, 0.48, 0.14), skins.fabric(1), 0.35)
        kit.soft((0, 0.22, 0.8), (0.46, 0.09, 0.58), skins.fabric(1), 0.5, (-8, 0, 0))
    else:
        legs(
            kit,
            skins,
            "tapered" if kind in ("spindle", "wishbone", "midcentury") else "block",
            0.42,
            0.42,
            0.44,
        )
        kit.box((0, 0, 0.455), (0.44, 0.44, 0.03), skins.fabric(1) if kind == "midcentury" else wood, 0.012)
        if kind in ("spindle", "wishbone", "bentwood"):
            for i in range(5):
                x = (i - 2) * 0.085
                kit.rod((x, 0.2, 0.46), (x * 1.15, 0.26, 0.84), 0.008, wood)
            kit.wire(
                [(0.24 * np.cos(a), 0.26, 0.62 + 0.24 * np.sin(a)) for a in np.linspace(0, np.pi, 11)],
                0.015,
                wood,
            )
        else:
            for sx in (-1, 1):
                kit.box((sx * 0.19, 0.2, 0.68), (0.035, 0.03, 0.48), wood, turn=(-5, 0, 0))
            for z in (0.62, 0.74, 0.86):
                kit.box((0, 0.21, z), (0.38, 0.02, 0.06), wood, turn=(-5, 0, 0))
