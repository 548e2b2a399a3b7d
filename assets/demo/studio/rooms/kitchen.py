"""The kitchen."""

from studio.chance import Rng, pick
from studio.furniture import decor, lamps, soft, tables, units
from studio.furniture.plants import plant
from studio.kit import Kit
from studio.plan import Room
from studio.skins import Skins


def furnish(
    kit: Kit, skins: Skins, rng: Rng, room: Room, clutter: float, lamps_on: bool
) -> tuple[float, float, float]:
    """Furnishes the room and returns what the camera aims at."""
    style, width, depth = skins.style, room.width, room.depth
    plan = pick(rng, ["left", "corner", "far", "corner"])
    windows = {window.wall: window for window in room.windows}
    if plan in ("far", "corner"):
        x, y, z, turn = room.frame("far")
        window = windows.get("far")
        gap = (window.centre - window.width / 2, window.centre + window.width / 2) if window else None
        with kit.at(x, y, z, turn):
            units.row(
                kit,
                skins,
                rng,
                width - 0.1,
                room.height,
                window.centre if window else None,
                gap,
                plan == "far",
            )
    if plan in ("left", "corner"):
        x, y, z, turn = room.frame("left")
        window = windows.get("left")
        gap = (
            (window.centre - window.width / 2 - 0.7, window.centre + window.width / 2 - 0.7)
            if window
            else None
        )
        with kit.at(x, y, z, turn), kit.at(0.7, 0):
            units.row(
                kit, skins, rng, depth - (1.32 if plan == "corner" else 0.9), room.height, None, gap, True
            )
    middle = (width * 0.64, depth * 0.52)
    if (
        width > 3.1
        and style.vibe in ("loft", "designer", "minimalist", "scandinavian", "classic")
        and rng.random() < 0.45
    ):
        with kit.at(width * 0.6, depth * 0.48):
            units.island(kit, skins, rng, min(1.8, width - 2.0))
    elif rng.random() < 0.85:
        soft_spot = (min(middle[0], width - 0.85), middle[1])
        if style.choice["rug"] != "none" and rng.random() < 0.3:
            with kit.at(*soft_spot):
                soft.rug(kit, skins, rng, 1.9, 1.5, slot="kitchen rug")
        with kit.at(*soft_spot, 0, float(rng.normal(0, 4)) + (0 if width > 3.2 else 90)):
            tables.dining(kit, skins, rng, 4 if width > 3.0 and depth > 3.4 else 2)
    with kit.at(middle[0], middle[1]):
        lamps.ceiling_lamp(kit, skins, rng, room.height, lamps_on)
    x, y, z, turn = room.frame("right")
    with kit.at(x, y, z, turn):
        decor.gallery(kit, skins, rng, 0.4, 1.6, 1.6, min(style.pictures, 3))
    for index in range(min(style.plants, 3)):
        with kit.at(width - 0.35, depth - (0.9 if plan != "left" else 0.35) - 0.7 * index):
            plant(kit, skins, rng, float(rng.uniform(0.5, 1.1)))
    decor.clutter(
        kit, skins, rng, [(width - 0.45, depth * 0.35), (width * 0.45, depth * 0.25)], clutter * 0.7
    )
    return width * 0.36, depth, 1.05
