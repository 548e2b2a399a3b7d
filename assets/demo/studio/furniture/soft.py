"""Curtains, blinds and rugs."""

import numpy as np

from studio import shapes
from studio.chance import Rng, pick, stream
from studio.kit import Kit
from studio.plan import Opening
from studio.skins import Skins
from studio.textures import cloth


def drape(
    kit: Kit, skin, x0: float, x1: float, low: float, top: float, phase: float, y: float = -0.12
) -> None:
    """One length of cloth in folds, in a wall's frame."""
    folds = max(3, round(abs(x1 - x0) / 0.09))

    def place(u: np.ndarray, v: np.ndarray) -> tuple:
        swing = np.sin(2 * np.pi * folds * u + phase + 0.6 * np.sin(3 * v))
        return x0 + (x1 - x0) * u + 0.01 * swing, y + 0.035 * (0.5 + 0.5 * v) * swing, top - (top - low) * v

    kit.mesh(shapes.sheet(place, folds * 8 + 1, 8), skin, smooth=True)


def curtain(kit: Kit, skins: Skins, rng: Rng, hole: Opening, wet: bool) -> None:
    """What hangs at a window, in its wall's frame."""
    kind, phase = skins.style.choice["curtain"], float(rng.uniform(0, 6))
    left, right, top = hole.centre - hole.width / 2, hole.centre + hole.width / 2, hole.top
    if kind == "none" or (wet and kind not in ("blinds", "roller")):
        return
    if kind in ("blinds", "roller"):
        down = float(rng.uniform(0.15, 0.6)) * (hole.top - hole.sill)
        white = skins.make.plain((0.92, 0.91, 0.88), 0.5)
        if kind == "roller":
            kit.box(
                (hole.centre, 0.02, top - down / 2),
                (hole.width - 0.02, 0.006, down),
                skins.make.sheer((0.9, 0.89, 0.86), 0.05),
                0,
            )
        else:
            for i in range(int(down / 0.03)):
                kit.box(
                    (hole.centre, 0.02, top - 0.03 * i),
                    (hole.width - 0.03, 0.028, 0.002),
                    white,
                    0,
                    (35, 0, 0),
                )
        return
    if kind in ("lace", "sheer", "thin"):
        clear = {"lace": 0.35, "sheer": 0.45, "thin": 0.25}[kind]
        tone = (0.9, 0.86, 0.74) if skins.style.vibe == "worn_out" else (0.95, 0.95, 0.94)
        low = 0.03 if kind == "sheer" or hole.sill < 0.3 else hole.sill - 0.15
        open_ = float(rng.uniform(0.3, 1.0)) if kind != "lace" else 1.0
        half = (right - left + 0.2) / 2 * open_
        drape(kit, skins.make.sheer(tone, clear), left - 0.1, left - 0.1 + half, low, top + 0.12, phase)
        drape(kit, skins.make.sheer(tone, clear), right + 0.1 - half, right + 0.1, low, top + 0.12, phase + 1)
    else:
        skin = {
            "linen": skins.make.sheer((0.87, 0.83, 0.76), 0.04),
            "printed": skins.print(1),
            "plain": skins.fabric(2),
        }.get(kind) or skins.fabric(3)
        wide = {"heavy": 0.5, "velvet": 0.45, "heavy_old": 0.4}.get(kind, 0.34)
        drape(kit, skin, left - 0.22, left - 0.22 + wide, 0.02, top + 0.2, phase)
        drape(kit, skin, right + 0.22 - wide, right + 0.22, 0.02, top + 0.2, phase + 2)
        if kind == "heavy":
            drape(kit, skin, left - 0.24, right + 0.24, top - 0.12, top + 0.24, phase, -0.19)
    if kind != "lace":
        rail = skins.metal() if kind != "thin" else skins.make.plain((0.9, 0.9, 0.9))
        kit.rod((left - 0.3, -0.12, top + 0.21), (right + 0.3, -0.12, top + 0.21), 0.013, rail)
        for end in (left - 0.32, right + 0.32):
            kit.soft((end, -0.12, top + 0.21), (0.05, 0.05, 0.05), rail, 1)


def rug(
    kit: Kit, skins: Skins, rng: Rng, width: float, depth: float, turn: float = 0.0, slot: str = "rug"
) -> None:
    """A rug in the home's family, if it has one."""
    kind, style = skins.style.choice["rug"], skins.style
    if kind == "none":
        return
    pale = (0.9, 0.87, 0.8)
    colours = {
        "persian": [pick(rng, [(0.45, 0.1, 0.1), (0.15, 0.18, 0.32), (0.4, 0.16, 0.1)]), (0.78, 0.65, 0.45), (0.12, 0.15, 0.24)],
        "berber": [pale, (0.2, 0.19, 0.18)], "plain": [pick(rng, [style.fabrics[1], pale, (0.6, 0.58, 0.55)]), style.fabrics[2]], "shag": [pick(rng, [pale, style.fabrics[1]])],
        "stripe": [pale, style.accents[0], style.accents[1]],
    }.get(kind) or [*style.accents, pale]  # fmt: skip
    make = "kilim" if kind == "geometric" else kind
    pixels = cloth.rug(stream(skins.seed, skins.room, slot), colours, make)
    kit.mat((0, 0, 0.002), width, depth, skins.make.image(f"{slot} {skins.room}", pixels, 1.0), turn)
    if kind in ("persian", "kilim") and style.vibe in ("boho", "classic", "worn_out"):
        thread = skins.make.plain((0.85, 0.8, 0.68), 1.0)
        for sx in (-1, 1):
            with kit.at(0, 0, 0, turn):
                for i in range(int(depth / 0.05)):
                    kit.box(
                        (sx * (width / 2 + 0.03), (i + 0.5) * 0.05 - depth / 2, 0.006),
                        (0.07, 0.018, 0.006),
                        thread,
                        0,
                    )
