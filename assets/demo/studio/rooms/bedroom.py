"""The bedroom."""

from studio.chance import Rng
from studio.furniture import beds, decor, lamps, soft, storage, tables
from studio.furniture.plants import plant
from studio.furniture.seating import chair
from studio.kit import Kit
from studio.plan import Room
from studio.rooms.sides import right_side
from studio.skins import Skins


def furnish(
    kit: Kit, skins: Skins, rng: Rng, room: Room, clutter: float, lamps_on: bool
) -> tuple[float, float, float]:
    """Furnishes the room and returns what the camera aims at."""
    style, width, depth = skins.style, room.width, room.depth
    size = (
        float(rng.choice([1.0, 1.4, 1.6, 1.8]))
        if style.vibe in ("worn_out", "rental_basic")
        else float(rng.choice([1.4, 1.6, 1.8]))
    )
    wall = "far" if rng.random() < 0.5 and not any(w.wall == "far" for w in room.windows) else "left"
    x, y, z, turn = room.frame(wall)
    along = (
        (width * float(rng.uniform(0.4, 0.5))) if wall == "far" else depth * float(rng.uniform(0.54, 0.64))
    )
    if wall == "left":
        along = min(along, depth - size / 2 - 0.6)
    with kit.at(x, y, z, turn):
        with kit.at(along, -1.35):
            soft.rug(kit, skins, rng, size + 1.3, 1.6)
        with kit.at(along, -1.12):
            beds.bed(kit, skins, rng, size)
        for side in (-1, 1):
            place = along + side * (size / 2 + 0.38)
            if 0.3 < place < room.length(wall) - 0.25 and rng.random() < 0.9:
                with kit.at(place, -0.24):
                    top = tables.side_table(kit, skins, rng)
                    if rng.random() < 0.75:
                        lamps.table_lamp(kit, skins, rng, top, lamps_on)
                    else:
                        decor.small(kit, skins, rng, (0, 0, top))
        if style.feature == "slats" or (style.vibe in ("boho", "classic") and rng.random() < 0.2):
            decor.mirror(kit, skins, along, 1.75, 0.7, 0.7, True)
        else:
            decor.gallery(kit, skins, rng, along - size / 2, along + size / 2, 1.75, min(style.pictures, 3))
    other = "far" if wall == "left" else "left"
    x, y, z, turn = room.frame(other)
    holes = [w for w in room.windows if w.wall == other]
    with kit.at(x, y, z, turn):
        if not holes or (other == "far" and width - holes[0].centre - holes[0].width / 2 > 1.3):
            place = room.length(other) - 0.85 if other == "far" else 1.6
            if rng.random() < 0.65:
                with kit.at(place, -0.31):
                    storage.wardrobe(
                        kit,
                        skins,
                        rng,
                        1.1 if other == "far" else 1.5,
                        float(rng.uniform(1.95, min(2.4, room.height - 0.15))),
                    )
            else:
                with kit.at(place, -0.24):
                    storage.dresser(kit, skins, rng, 1.1)
                decor.mirror(kit, skins, place, 1.45, 0.6, 0.8, rng.random() < 0.5)
    if rng.random() < 0.4 + 0.6 * style.dense:
        if rng.random() < 0.35:
            with kit.at(width - 0.5, depth - 0.55, 0, -40):
                chair(kit, skins, rng)
        else:
            right_side(kit, skins, rng, room, lamps_on)
    for index in range(min(style.plants, 4)):
        spots = [
            (width - 0.35, depth * 0.6),
            (width - 0.4, depth - 0.35),
            (0.35, 0.75),
            (width - 0.3, depth * 0.42),
        ]
        with kit.at(*spots[index]):
            plant(kit, skins, rng, float(rng.uniform(0.5, 1.4)))
    with kit.at(width * 0.55, depth * 0.5):
        lamps.ceiling_lamp(kit, skins, rng, room.height, lamps_on)
    decor.clutter(
        kit,
        skins,
        rng,
        [(width * 0.75, depth * 0.35), (0.5, 0.8), (width - 0.5, depth * 0.75), (width * 0.6, depth * 0.22)],
        clutter,
    )
    return width * 0.4, depth * 0.95, 0.85
