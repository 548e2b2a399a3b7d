"""What stands along the right-hand wall of a dry room, where it is free."""

from studio.chance import Rng
from studio.furniture import decor, lamps, storage
from studio.furniture.seating import chair, legs
from studio.kit import Kit
from studio.plan import Room
from studio.skins import Skins


def right_side(kit: Kit, skins: Skins, rng: Rng, room: Room, lamps_on: bool) -> None:
    """A desk, dresser or shelf with something above it, from the far corner on, as densely as the home is kept."""
    x, y, z, turn = room.frame("right")
    holes = [o for o in [*room.windows, *room.doors] if o.wall == "right"]
    end = min([room.depth * 0.62, *(hole.centre - hole.width / 2 - 0.3 for hole in holes)])
    start = 0.75
    if end - start < 0.7 or rng.random() > 0.4 + 0.6 * skins.style.dense:
        return
    width, middle = min(end - start, float(rng.uniform(0.9, 1.5))), (start + end) / 2
    kind = int(rng.integers(3))
    with kit.at(x, y, z, turn):
        with kit.at(middle, -0.25):
            if kind == 0:
                storage.shelf(kit, skins, rng, width, float(rng.uniform(0.8, 2.0)))
                return
            if kind == 1:
                storage.dresser(kit, skins, rng, width, float(rng.uniform(0.7, 0.95)))
                top = 0.95
            else:
                kit.box((0, 0, 0.73), (width, 0.52, 0.035), skins.wood(True))
                legs(
                    kit,
                    skins,
                    "tapered" if skins.style.vibe in ("midcentury", "scandinavian", "boho") else "metal",
                    width,
                    0.5,
                    0.71,
                )
                with kit.at(0, -0.45, 0, 180 + float(rng.normal(0, 15))):
                    chair(kit, skins, rng)
                dark = skins.make.plain((0.05, 0.05, 0.06), 0.2)
                kit.box((0, 0.0, 0.755), (0.34, 0.24, 0.015), dark)
                kit.box((0, 0.13, 0.87), (0.34, 0.012, 0.22), dark, turn=(-14, 0, 0))
                for _ in range(3):
                    decor.small(kit, skins, rng, (float(rng.uniform(-0.4, 0.4)) * width, 0.1, 0.75))
                lamps.table_lamp(kit, skins, rng, 0.75, lamps_on)
                top = 0.75
        if rng.random() < 0.4:
            decor.mirror(kit, skins, middle, top + 0.65, 0.6, 0.75, rng.random() < 0.5)
        else:
            decor.gallery(
                kit,
                skins,
                rng,
                middle - width / 2,
                middle + width / 2,
                top + 0.7,
                max(1, skins.style.pictures - 1),
            )
