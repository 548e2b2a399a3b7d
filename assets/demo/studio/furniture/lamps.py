"""Ceiling lamps of every family, floor and table lamps; a lamp that is on gives light."""

import numpy as np

from studio import shapes
from studio.chance import Rng, pick
from studio.kit import Kit
from studio.light import spot
from studio.skins import Skin, Skins

WARM = (1.0, 0.8, 0.55)


def _bulb(
    kit: Kit, skins: Skins, at: tuple[float, float, float], on: bool, size: float = 0.06, energy: float = 9
) -> None:
    kit.soft(at, (size, size, size * 1.25), skins.make.glow(WARM, 22.0 if on else 0.4), 1)
    if on:
        spot(kit, (at[0], at[1], at[2] - size), energy, WARM)


def ceiling_lamp(kit: Kit, skins: Skins, rng: Rng, height: float, on: bool) -> None:
    """Hangs from (0, 0, height)."""
    kind, metal, black = skins.style.choice["lamp"], skins.metal(), skins.make.metal("black")
    drop = float(rng.uniform(0.45, 0.75)) * (1.6 if height > 3.1 else 1)
    z = height - drop
    if kind in ("flush", "recessed", "line"):
        white = skins.make.glow((1, 0.93, 0.82), 7.0 if on else 0.7)
        if kind == "flush":
            kit.lathe((0, 0, height - 0.1), [(0, 0), (0.12, 0.01), (0.18, 0.05), (0.19, 0.1)], white)
        elif kind == "line":
            kit.box((0, 0, height - 0.03), (1.4, 0.05, 0.04), white)
        else:
            for x in (-1.1, 0, 1.1):
                for y in (-0.8, 0.8):
                    kit.lathe((x, y, height - 0.006), [(0, 0), (0.05, 0), (0.05, 0.006)], white)
        if on:
            spot(kit, (0, 0, height - 0.25), 16, (1, 0.88, 0.7), 0.2)
        return
    kit.rod(
        (0, 0, z + 0.1),
        (0, 0, height),
        0.006,
        black if kind not in ("chandelier", "chandelier_old") else metal,
    )
    if kind == "bulb":
        kit.lathe((0, 0, z + 0.06), [(0.02, 0), (0.022, 0.06), (0.01, 0.08)], black)
        _bulb(kit, skins, (0, 0, z + 0.02), on, 0.07, 26)
    elif kind in ("chandelier", "chandelier_old", "sputnik"):
        arms = int(rng.integers(6, 10))
        crystal = skins.make.plain((0.92, 0.93, 0.95), 0.05, uneven=0, coat=1)
        kit.lathe((0, 0, z - 0.05), [(0.01, 0), (0.06, 0.05), (0.03, 0.12), (0.05, 0.2), (0.015, 0.3)], metal)
        for i in range(arms):
            a = 2 * np.pi * i / arms
            c, s = float(np.cos(a)), float(np.sin(a))
            if kind == "sputnik":
                tilt = float(rng.uniform(-0.7, 0.9))
                end = (0.42 * c, 0.42 * s, z + 0.08 + 0.3 * tilt)
                kit.rod((0, 0, z + 0.08), end, 0.007, metal)
                _bulb(kit, skins, end, on and i < 2, 0.07, 10)
            else:
                kit.wire(
                    [
                        (0, 0, z),
                        (0.16 * c, 0.16 * s, z - 0.07),
                        (0.3 * c, 0.3 * s, z - 0.02),
                        (0.34 * c, 0.34 * s, z + 0.06),
                    ],
                    0.011,
                    metal,
                )
                kit.rod(
                    (0.34 * c, 0.34 * s, z + 0.05),
                    (0.34 * c, 0.34 * s, z + 0.14),
                    0.013,
                    skins.make.plain((0.95, 0.93, 0.86)),
                )
                _bulb(kit, skins, (0.34 * c, 0.34 * s, z + 0.17), on and i % 4 == 0, 0.035, 9)
                for k in range(3):
                    kit.soft((0.3 * c, 0.3 * s, z - 0.07 - 0.04 * k), (0.025, 0.025, 0.04), crystal, 1)
    elif kind in ("edison", "globe", "cluster"):
        count = {"edison": int(rng.integers(2, 5)), "globe": 1, "cluster": int(rng.integers(4, 7))}[kind]
        for i in range(count):
            x = (i - (count - 1) / 2) * (0.35 if kind == "edison" else 0.2)
            y, low = (
                (0.0, 0.0)
                if kind == "edison"
                else (float(rng.uniform(-0.2, 0.2)), float(rng.uniform(-0.3, 0.2)))
            )
            kit.rod((x, y, z + low + 0.1), (x, y, height), 0.004, black if kind == "edison" else metal)
            size = {"edison": 0.1, "globe": 0.34, "cluster": 0.14}[kind]
            kit.lathe((x, y, z + low + 0.04), [(0.02, 0), (0.025, 0.05), (0.01, 0.09)], metal)
            _bulb(kit, skins, (x, y, z + low - size / 2 + 0.05), on and i < 2, size * 0.8, 12)
    elif kind == "rings":
        for i in range(2):
            radius = 0.42 - 0.14 * i
            ring = [
                (radius * np.cos(a), radius * np.sin(a), z - 0.1 + 0.16 * i + 0.05 * np.cos(a))
                for a in np.linspace(0, 2 * np.pi, 33)
            ]
            kit.wire(ring, 0.016, skins.make.glow((1, 0.86, 0.66), 9.0 if on else 1.5))
        if on:
            spot(kit, (0, 0, z - 0.2), 24, WARM, 0.2)
    else:
        _shade(kit, skins, rng, kind, z, on)


def _shade(kit: Kit, skins: Skins, rng: Rng, kind: str, z: float, on: bool) -> None:
    lit: Skin = skins.make.glow((1, 0.86, 0.66), 2.2) if on else skins.make.sheer((0.93, 0.88, 0.78), 0.0)
    if kind == "paper":
        kit.soft((0, 0, z), (0.5, 0.5, 0.44), skins.make.glow((1, 0.94, 0.84), 2.0 if on else 0.25), 1)
    elif kind in ("rattan", "moroccan"):
        cane = (
            skins.make.plain((0.62, 0.42, 0.24), 0.6, uneven=0.1)
            if kind == "rattan"
            else skins.make.metal("brass")
        )
        for a in np.linspace(0, 2 * np.pi, 22, endpoint=False):
            path = [
                (r * np.cos(a + t), r * np.sin(a + t), z + h)
                for r, h, t in ((0.05, 0.2, 0), (0.22, 0.12, 0.1), (0.3, -0.05, 0.2), (0.24, -0.2, 0.3))
            ]
            kit.wire(path, 0.008, cane)
        for r, h in ((0.22, 0.12), (0.3, -0.05), (0.24, -0.2)):
            kit.wire(
                [(r * np.cos(a), r * np.sin(a), z + h) for a in np.linspace(0, 2 * np.pi, 25)], 0.01, cane
            )
        _bulb(kit, skins, (0, 0, z), on, 0.09, 24)
    elif kind in ("dome", "pendant", "tripod", "arc"):
        paint = (
            skins.metal()
            if kind == "dome"
            else skins.make.plain(
                pick(rng, [skins.style.accents[2], (0.15, 0.15, 0.16), (0.92, 0.92, 0.9)]), 0.4
            )
        )
        kit.lathe(
            (0, 0, z - 0.1),
            [(0.24, 0), (0.22, 0.08), (0.12, 0.17), (0.03, 0.2), (0.03, 0.26)],
            paint,
            around=32,
        )
        _bulb(kit, skins, (0, 0, z - 0.06), on, 0.09, 22)
    elif kind == "sculpture":
        for i in range(5):
            a = float(rng.uniform(0, 6.3))
            kit.lathe(
                (0.2 * np.cos(a), 0.2 * np.sin(a), z - 0.15 + 0.1 * i),
                [(0, 0), (0.14, 0.01), (0.17, 0.03), (0, 0.05)],
                skins.metal(),
                (float(rng.normal(0, 20)), 0, 0),
            )
        _bulb(kit, skins, (0, 0, z - 0.2), on, 0.12, 24)
    else:  # cloth shades
        kit.lathe(
            (0, 0, z - 0.15),
            [(0.26, 0), (0.16, 0.26)] if kind == "shade_old" else [(0.25, 0), (0.23, 0.25)],
            lit,
            around=32,
        )
        if on:
            spot(kit, (0, 0, z - 0.22), 20, WARM)


def floor_lamp(kit: Kit, skins: Skins, rng: Rng, on: bool) -> None:
    """Stands at the origin."""
    vibe, metal = skins.style.vibe, skins.metal()
    lit = skins.make.glow((1, 0.84, 0.62), 3.0) if on else skins.make.sheer((0.92, 0.88, 0.8), 0.0)
    if vibe in ("midcentury", "designer") and rng.random() < 0.7:
        arc = [(1.1 * (1 - np.cos(t)) * 0.8, 0, 0.1 + 1.75 * np.sin(t)) for t in np.linspace(0, 2.05, 16)]
        kit.wire([(float(x), y, float(z)) for x, y, z in arc], 0.014, metal)
        kit.lathe((0, 0, 0), [(0.17, 0), (0.17, 0.06), (0, 0.07)], skins.top())
        x, _, z = arc[-1]
        kit.lathe((float(x), 0, float(z) - 0.16), [(0.17, 0), (0.14, 0.1), (0.03, 0.16)], metal)
        if on:
            spot(kit, (float(x), 0, float(z) - 0.18), 22, WARM)
        return
    if vibe in ("scandinavian", "loft", "boho") or rng.random() < 0.2:
        for i in range(3):
            a = 2.1 * i
            kit.rod(
                (0, 0, 1.25),
                (0.3 * np.cos(a), 0.3 * np.sin(a), 0),
                0.014,
                skins.wood() if vibe != "loft" else metal,
            )
    else:
        kit.rod((0, 0, 0), (0, 0, 1.35), 0.012, metal)
        kit.lathe((0, 0, 0), [(0.15, 0), (0.15, 0.02), (0, 0.03)], metal)
    kit.lathe((0, 0, 1.22), [(0.22, 0), (0.17, 0.3)], lit, around=32)
    if on:
        spot(kit, (0, 0, 1.6), 16, WARM)


def table_lamp(kit: Kit, skins: Skins, rng: Rng, z: float, on: bool) -> None:
    """Stands on a surface at height z."""
    lit = skins.make.glow((1, 0.84, 0.62), 3.5) if on else skins.make.sheer((0.92, 0.88, 0.8), 0.0)
    body = pick(rng, [skins.metal(), skins.make.plain(pick(rng, skins.style.accents), 0.25, coat=0.5)])
    profile = pick(
        rng,
        [
            [(0.07, 0), (0.07, 0.01), (0.012, 0.02), (0.012, 0.25)],
            [(0.05, 0), (0.09, 0.08), (0.05, 0.18), (0.02, 0.25)],
        ],
    )
    kit.lathe((0, 0, z), profile, body)
    if skins.style.vibe in ("midcentury", "minimalist", "designer") and rng.random() < 0.6:
        kit.mesh(shapes.cushion((0.2, 0.2, 0.2), 1), lit, (0, 0, z + 0.32), smooth=True)
    else:
        kit.lathe((0, 0, z + 0.22), [(0.15, 0), (0.1, 0.2)], lit)
    if on:
        spot(kit, (0, 0, z + 0.5), 7, WARM)
