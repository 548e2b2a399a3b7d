"""The bathroom."""

from studio.chance import Rng
from studio.furniture import bath, decor, lamps
from studio.furniture.plants import plant
from studio.kit import Kit
from studio.plan import Room
from studio.skins import Skins


def furnish(
    kit: Kit, skins: Skins, rng: Rng, room: Room, clutter: float, lamps_on: bool
) -> tuple[float, float, float]:
    """Furnishes the room and returns what the camera aims at."""
    style, width, depth = skins.style, room.width, room.depth
    showers = {"worn_out": 0.1, "rental_basic": 0.4, "classic": 0.2, "boho": 0.3}.get(style.vibe, 0.55)
    if rng.random() < showers:
        with kit.at(0.5, depth - 0.55):
            bath.shower(kit, skins, rng, 0.95, 1.0)
    else:
        with kit.at(min(width / 2, 0.88) if width < 2.1 else 0.95, depth - 0.42):
            bath.tub(kit, skins, rng, min(1.7, width - 0.06))
    x, y, z, turn = room.frame("left")
    sink = depth * 0.5 - 0.25
    with kit.at(x, y, z, turn):
        with kit.at(sink, 0):
            bath.basin(kit, skins, rng, float(rng.uniform(0.6, 1.15)))
        with kit.at(max(0.35, sink - 0.95), 0):
            bath.towels(kit, skins, rng)
    x, y, z, turn = room.frame("right")
    with kit.at(x, y, z, turn):
        with kit.at(min(1.45, depth * 0.55), 0):
            bath.toilet(kit, skins, rng)
        if (
            style.vibe in ("worn_out", "rental_basic", "boho", "scandinavian")
            and depth > 2.5
            and rng.random() < 0.6
        ):
            with kit.at(depth * 0.5 + 0.75, 0):
                bath.washer(kit, skins)
        decor.gallery(kit, skins, rng, 1.2, 1.9, 1.65, min(style.pictures, 1))
    mat = skins.print(2) if style.vibe not in ("minimalist",) else skins.linen()
    kit.soft(
        (width * 0.48, depth * 0.5, 0.012), (0.75, 0.5, 0.024), mat, 0.3, (0, 0, float(rng.normal(0, 8)))
    )
    for index in range(min(style.plants, 2)):
        with kit.at(width - 0.3, depth - 0.95 - 0.5 * index):
            plant(kit, skins, rng, float(rng.uniform(0.4, 0.8)))
    with kit.at(width / 2, depth * 0.5):
        if style.choice["lamp"] in ("bulb", "flush", "recessed", "line"):
            lamps.ceiling_lamp(kit, skins, rng, room.height, True)
    decor.clutter(kit, skins, rng, [(width - 0.35, 1.0), (width * 0.5, 0.6)], clutter * 0.7)
    return width * 0.38, depth, 0.9
