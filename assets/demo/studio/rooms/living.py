"""The living room."""

from studio.chance import Rng
from studio.furniture import decor, lamps, seating, soft, storage, tables
from studio.furniture.plants import plant
from studio.kit import Kit
from studio.plan import Opening, Room
from studio.rooms.sides import right_side
from studio.skins import Skins


def furnish(
    kit: Kit, skins: Skins, rng: Rng, room: Room, clutter: float, lamps_on: bool
) -> tuple[float, float, float]:
    """Furnishes the room and returns what the camera aims at."""
    style, width, depth = skins.style, room.width, room.depth
    sofa_far = rng.random() < 0.4 and not any(w.wall == "far" and w.sill < 0.5 for w in room.windows)
    length = min(float(rng.uniform(1.7, 2.5)), (width if sofa_far else depth) - 1.2)
    if sofa_far:
        spot, turn = (width * float(rng.uniform(0.4, 0.55)), depth - 0.75, 0.0), 0.0
    else:
        spot, turn = (0.62, depth * float(rng.uniform(0.5, 0.62)), 0.0), 90.0
    soft_spot = (spot[0], spot[1] - 1.15) if sofa_far else (spot[0] + 1.2, spot[1])
    with kit.at(*soft_spot):
        soft.rug(
            kit,
            skins,
            rng,
            float(rng.uniform(1.9, 2.7)),
            float(rng.uniform(1.4, 2.0)),
            0.0 if sofa_far else 90.0,
        )
    with kit.at(*spot, turn):
        seating.sofa(kit, skins, rng, length, int(rng.poisson(0.5 + 3.5 * style.dense)))
    with kit.at(*soft_spot, 0, turn + float(rng.normal(0, 3))):
        tables.coffee_table(kit, skins, rng)
    if rng.random() < 0.35 + 0.5 * style.dense:
        with kit.at(
            min(width - 0.7, soft_spot[0] + (1.25 if sofa_far else 1.15)),
            soft_spot[1] + (0.2 if sofa_far else 0.7),
            0,
            -60 + float(rng.normal(0, 15)),
        ):
            seating.armchair(kit, skins, rng)
    wall = "left" if sofa_far else "far"
    _along(kit, skins, rng, room, wall)
    _pictures(kit, skins, rng, room, "far" if sofa_far else "left", spot[0] if sofa_far else spot[1], length)
    corner = (0.4, depth - 0.42) if not sofa_far or spot[0] - length / 2 > 0.9 else (width - 0.5, depth - 0.5)
    if rng.random() < 0.35 + 0.5 * style.dense:
        with kit.at(*corner):
            lamps.floor_lamp(kit, skins, rng, lamps_on)
    for index in range(style.plants):
        places = [
            (width - 0.4, depth - 0.4),
            (width - 0.4, depth * 0.62),
            (0.35, depth * 0.2),
            (1.0, depth - 0.35),
            (width - 0.8, depth - 0.6),
            (0.4, depth * 0.32),
        ]
        x, y = places[index % len(places)]
        with kit.at(x + float(rng.normal(0, 0.06)), y, 0):
            plant(kit, skins, rng, float(rng.uniform(0.6, 1.5)))
    with kit.at(width * 0.5, depth * 0.52):
        lamps.ceiling_lamp(kit, skins, rng, room.height, lamps_on)
    decor.clutter(
        kit,
        skins,
        rng,
        [
            (width * 0.5, 0.9),
            (0.5, depth * 0.24),
            (width - 0.6, depth * 0.45),
            (width * 0.75, depth - 0.5),
            (width * 0.62, depth * 0.4),
        ],
        clutter,
    )
    if rng.random() < 0.3 and depth > 4.7 and style.vibe != "minimalist":
        with kit.at(width - 1.0, depth * 0.62, 0, 90):
            tables.dining(kit, skins, rng, 4)
    else:
        right_side(kit, skins, rng, room, lamps_on)
    return width * 0.42, depth, 1.0


def _along(kit: Kit, skins: Skins, rng: Rng, room: Room, wall: str) -> None:
    """Shelf, wall unit or television along the free stretch of a wall."""
    x, y, z, turn = room.frame(wall)
    holes: list[Opening] = [o for o in [*room.windows, *room.doors] if o.wall == wall]
    start, end = (0.6 if wall == "left" else 1.1), room.length(wall) - 0.35
    for hole in holes:
        # Keep the longer side beside the window.
        left, right = hole.centre - hole.width / 2 - 0.35, hole.centre + hole.width / 2 + 0.35
        start, end = (start, left) if left - start > end - right else (right, end)
    space = end - start
    if space < 0.7:
        return
    vibe = skins.style.vibe
    with kit.at(x, y, z, turn):
        if vibe == "worn_out" and space > 1.4 and rng.random() < 0.75:
            with kit.at((start + end) / 2, -0.26):
                storage.wall_unit(kit, skins, rng, min(space, 2.6))
        elif rng.random() < 0.5 and vibe not in ("minimalist", "rental_basic"):
            with kit.at((start + end) / 2, -0.17):
                storage.shelf(
                    kit,
                    skins,
                    rng,
                    min(space, float(rng.uniform(0.8, 2.0))),
                    float(rng.uniform(1.5, min(2.3, room.height - 0.3))),
                )
        else:
            with kit.at((start + end) / 2, -0.26):
                storage.media(kit, skins, rng, min(space, float(rng.uniform(1.2, 1.9))))


def _pictures(kit: Kit, skins: Skins, rng: Rng, room: Room, wall: str, centre: float, length: float) -> None:
    """What hangs above the sofa."""
    style = skins.style
    x, y, z, turn = room.frame(wall)
    start, end = centre - length / 2, centre + length / 2
    for hole in room.windows:
        if hole.wall == wall:
            start = max(start, hole.centre + hole.width / 2 + 0.3) if hole.centre < centre else start
            end = min(end, hole.centre - hole.width / 2 - 0.3) if hole.centre >= centre else end
    with kit.at(x, y, z, turn):
        if style.vibe == "midcentury" and rng.random() < 0.35 and end - start > 0.8:
            decor.clock(kit, skins, (start + end) / 2, 1.65)
        elif style.feature == "wall_rug" and end - start > 1.2:
            from studio.chance import stream
            from studio.textures import cloth

            pixels = cloth.rug(
                stream(skins.seed, "wall rug"),
                [(0.45, 0.1, 0.1), (0.78, 0.65, 0.45), (0.15, 0.15, 0.25)],
                "persian",
            )
            kit.picture(
                ((start + end) / 2, -0.02, 1.5),
                min(2.2, end - start),
                1.3,
                skins.make.image("wall rug", pixels, 1.0),
            )
        else:
            decor.gallery(kit, skins, rng, start, end, 1.6, style.pictures)
