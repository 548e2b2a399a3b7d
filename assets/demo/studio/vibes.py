"""What each renovation vibe is made of: weighted choices of colours, coverings, furniture families and habits."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Vibe:
    """Options of one vibe; a mapping is name -> weight, a string of colours is split at spaces."""

    walls: str
    accents: str
    fabrics: str
    woods: str
    covering: dict[str, float]
    feature: dict[str, float]
    floor: dict[str, float]
    wet: dict[str, float]
    wet_colours: str
    sofa: dict[str, float]
    chair: dict[str, float]
    table: dict[str, float]
    bed: dict[str, float]
    kitchen: dict[str, float]
    fronts: str
    worktop: dict[str, float]
    lamp: dict[str, float]
    rug: dict[str, float]
    art: dict[str, float]
    curtain: dict[str, float]
    window: dict[str, float]
    metal: dict[str, float]
    height: tuple[float, float]
    wear: tuple[float, float]
    plants: tuple[int, int]
    pictures: tuple[int, int]
    dense: tuple[float, float]
    warmth: tuple[float, float]


VIBES: dict[str, Vibe] = {
    "worn_out": Vibe(
        walls="#d6c691 #c9b98c #b3bd94 #c6ab82 #d5c2a9 #9fb0a0 #cfae9a", accents="#7a2f22 #6b5a2c #3f5a46 #8a6a3c",
        fabrics="#6d4a32 #7d6a48 #5d5a44 #80503c #8b7d5a", woods="#6b3c20 #7d4a26 #5a3019 #8a5a30",
        covering={"wallpaper_old": 5, "worn": 4, "two_tone": 2}, feature={"none": 6, "wall_rug": 2},
        floor={"herringbone_worn": 4, "linoleum": 4, "planks_worn": 3, "carpet_old": 1.5},
        wet={"small_dirty": 5, "half_paint": 3}, wet_colours="#9fc0ad #c9a58f #a9c4cf #d8cba5 #b98d7c #e0dcd0",
        sofa={"plush_old": 4, "boxy": 1}, chair={"plain": 4, "bentwood": 1}, table={"square_dark": 3, "cloth": 2},
        bed={"wood_old": 4, "iron": 1, "mattress": 1}, kitchen={"old": 5, "freestanding": 3},
        fronts="#d9cfae #a9794a #c4b48a #8fa393 #e0d8c4", worktop={"laminate_old": 4, "steel": 1},
        lamp={"bulb": 4, "shade_old": 3, "chandelier_old": 1}, rug={"persian": 4, "none": 3},
        art={"landscape": 3, "portrait": 1, "icon": 1}, curtain={"lace": 4, "heavy_old": 3, "none": 2},
        window={"old": 1}, metal={"chrome_dull": 1}, height=(2.45, 2.75), wear=(0.6, 1.0), plants=(0, 2),
        pictures=(0, 3), dense=(0.5, 1.0), warmth=(0.6, 1.0)),
    "rental_basic": Vibe(
        walls="#f0efea #ece8dc #f2f2f2 #e9e4d6 #e8eaea", accents="#c23b2e #2e6da4 #8a9a5b #222222 #d9902f",
        fabrics="#25252a #55585e #7b2d2d #39485c #8d8578", woods="#d8c09a #e6dcc8 #4a3a30 #c9a877 #ebe9e4",
        covering={"fresh": 8, "woodchip": 3}, feature={"none": 8, "red_paint": 1},
        floor={"laminate": 6, "carpet": 3, "tiles_beige": 2}, wet={"white_square": 6, "beige_square": 3},
        wet_colours="#efefec #e4dccb #e9e9e6 #d9d2c3", sofa={"boxy": 5, "faux_leather": 4}, chair={"plain": 4, "folding": 3},
        table={"flatpack": 5, "glass": 2}, bed={"metal_frame": 3, "flatpack": 4, "mattress": 1},
        kitchen={"flat_cheap": 6, "beech": 3}, fronts="#eeeeea #e4dfd2 #d9b98a #c98f55 #d9dcdc", worktop={"laminate_grey": 4, "laminate_wood": 3},
        lamp={"flush": 6, "paper": 3, "bulb": 1}, rug={"none": 6, "plain": 3}, art={"none": 5, "poster": 3, "photo": 1},
        curtain={"blinds": 5, "thin": 3, "none": 3}, window={"pvc": 1}, metal={"chrome": 1}, height=(2.4, 2.6),
        wear=(0.1, 0.4), plants=(0, 1), pictures=(0, 1), dense=(0.1, 0.5), warmth=(0.2, 0.6)),
    "scandinavian": Vibe(
        walls="#f5f4f1 #f1efea #eef0ef #e6e9e6 #ece8e2", accents="#9db0a3 #d8b9a8 #3b4a55 #c9a24b #7e97a6 #2a2a2a",
        fabrics="#c9c8c4 #a9acac #dfdbd2 #8b9698 #e8e4db", woods="#dcc29b #e3cfae #d3b285 #e9dcc4",
        covering={"fresh": 1}, feature={"none": 5, "paint_muted": 3, "white_boards": 2},
        floor={"planks_light": 6, "planks_white": 3, "herringbone_light": 1}, wet={"metro_white": 4, "white_square": 2, "hex_white": 2},
        wet_colours="#f4f4f2 #eef0ef #e3e6e6 #d8e0dc", sofa={"scandi": 1}, chair={"spindle": 4, "shell": 3, "wishbone": 3},
        table={"light_round": 3, "light_long": 3}, bed={"scandi": 1}, kitchen={"flat": 3, "shaker": 3},
        fronts="#f5f5f3 #e9ebe8 #b9c4bc #d5d8d6 #f0ece4", worktop={"butcher": 5, "laminate_white": 2},
        lamp={"pendant": 4, "paper": 3, "tripod": 1}, rug={"berber": 4, "plain": 2, "shag": 2, "stripe": 2},
        art={"lines": 4, "botanical": 3, "photo": 2, "geometric": 1}, curtain={"linen": 4, "none": 3, "roller": 2}, window={"white": 1},
        metal={"black": 2, "chrome": 1}, height=(2.5, 2.9), wear=(0, 0.15), plants=(1, 4), pictures=(2, 5), dense=(0.4, 0.8),
        warmth=(0.2, 0.45)),
    "loft": Vibe(
        walls="#a9a6a1 #8f8c88 #c3bfb8 #6f6d6b #d4d0c8", accents="#b5652b #1d1d1f #7b3f28 #3c4b4a #c9a24b",
        fabrics="#7b4a28 #55514c #3a3a3c #8c5a33 #6a6258", woods="#6f4526 #84592f #4f3320 #9a6c3e",
        covering={"concrete": 4, "brick": 4, "fresh": 2, "white_brick": 2}, feature={"brick": 6, "concrete": 2, "white_brick": 2},
        floor={"concrete": 5, "planks_dark": 4, "planks_rough": 3}, wet={"metro_black": 3, "concrete": 4, "metro_white": 2},
        wet_colours="#3a3b3d #8d8a86 #f0f0ec #55575a", sofa={"leather": 5, "boxy": 1}, chair={"metal": 5, "cantilever": 2},
        table={"industrial": 1}, bed={"pallet": 3, "iron": 3}, kitchen={"flat_dark": 5, "steel": 3},
        fronts="#2b2d30 #3d4042 #55524d #6b4a2f #1f2022", worktop={"butcher": 3, "concrete": 3, "steel": 3},
        lamp={"edison": 4, "dome": 4, "tripod": 1}, rug={"persian": 2, "plain": 2, "none": 3}, art={"poster": 3, "photo": 4, "abstract": 2},
        curtain={"none": 7, "roller": 2}, window={"steel": 1}, metal={"black": 4, "steel": 1}, height=(3.2, 4.2), wear=(0.1, 0.4),
        plants=(0, 3), pictures=(1, 3), dense=(0.35, 0.8), warmth=(0.5, 0.9)),
    "classic": Vibe(
        walls="#e9dfc8 #cfd6c4 #c2ccd4 #e3d2c4 #d9cfbc #b9c4b4 #efe8d8", accents="#7a1f2b #24405e #2f4a34 #b08a3c #8c6a86",
        fabrics="#7a2436 #2d4a6b #3f5c46 #b9a27a #d8c9a8 #6b3a50", woods="#5c2f19 #6f3c20 #4a2413 #7b4a28",
        covering={"panels": 6, "wallpaper_fine": 4}, feature={"none": 5, "wallpaper_fine": 3},
        floor={"herringbone": 7, "planks_dark": 2}, wet={"marble": 4, "checker": 4}, wet_colours="#ece8e0 #e4ddd0 #1f2022 #d9d5cc",
        sofa={"tufted": 5, "rolled": 3}, chair={"upholstered": 5, "bentwood": 2}, table={"turned": 1}, bed={"tufted": 4, "carved": 3},
        kitchen={"raised": 1}, fronts="#efe8d6 #e4dccb #6f3c20 #c9d0c4 #dfe3e4 #8a4f28", worktop={"marble": 4, "granite": 4},
        lamp={"chandelier": 7, "shade": 2}, rug={"persian": 8, "none": 1}, art={"landscape": 4, "portrait": 3, "botanical": 1},
        curtain={"heavy": 8, "lace": 1}, window={"tall": 1}, metal={"gold": 4, "chrome": 1}, height=(2.9, 3.6), wear=(0, 0.25),
        plants=(0, 2), pictures=(2, 5), dense=(0.6, 1.0), warmth=(0.6, 1.0)),
    "boho": Vibe(
        walls="#f1e8da #e3b998 #d99a72 #efe0c2 #cdd0b4 #c98268 #f3ede4", accents="#c8553d #d9952f #2f7f7a #7a3b69 #e8c07a #446c45",
        fabrics="#e8d9c0 #c8553d #d9a441 #2f6f6a #b6657a #efe3cf", woods="#b98650 #a06f3f #c99e68 #8f5e35",
        covering={"limewash": 4, "fresh": 3}, feature={"terracotta": 4, "none": 3, "leaf_paper": 3},
        floor={"planks_mid": 5, "terracotta": 3, "planks_rough": 2}, wet={"moroccan": 6, "terracotta": 2, "zellige": 3},
        wet_colours="#2f7f7a #3a6f9a #d9952f #5f8f6a #c8553d #f0e8d8", sofa={"floor": 4, "rattan": 4}, chair={"rattan": 5, "bentwood": 2, "spindle": 1},
        table={"rough": 3, "pouf": 3}, bed={"rattan": 4, "pallet": 3}, kitchen={"open_shelf": 5, "shaker": 2},
        fronts="#e0cfa9 #7f9a80 #c98268 #5f8a8a #d9b27a #efe6d3", worktop={"butcher": 6, "tile": 2},
        lamp={"rattan": 6, "paper": 2, "moroccan": 3}, rug={"kilim": 6, "persian": 3, "berber": 2}, art={"sun": 4, "abstract": 2, "botanical": 3, "macrame": 4},
        curtain={"linen": 4, "printed": 4}, window={"white": 2, "wood": 3}, metal={"brass": 3, "black": 1}, height=(2.5, 3.0), wear=(0.05, 0.35),
        plants=(4, 9), pictures=(2, 5), dense=(0.65, 1.0), warmth=(0.6, 1.0)),
    "midcentury": Vibe(
        walls="#ece4d2 #e6ddc6 #d9cfae #c9cdb5 #efe9dc", accents="#d9822b #2b7a78 #c9a227 #a63d2f #5b6b34 #1f3f4a",
        fabrics="#2b6f72 #c9952a #b5562b #5f6b35 #3a4f5c #8a3b2a", woods="#6f3f22 #7f4a28 #8a5530 #5f3319",
        covering={"fresh": 5, "wave_paper": 2}, feature={"wood_boards": 6, "paint_bold": 3, "wave_paper": 2},
        floor={"planks_walnut": 4, "parquet_block": 4, "carpet_olive": 1, "terrazzo": 2}, wet={"colour_square": 4, "terrazzo": 3, "checker": 1},
        wet_colours="#7fb0a6 #e3b35a #d98b6b #e9e2cf #9fbfae", sofa={"midcentury": 1}, chair={"shell": 5, "midcentury": 4}, table={"walnut": 1},
        bed={"walnut": 1}, kitchen={"walnut": 5, "flat": 1}, fronts="#7f4a28 #8a5530 #6f3f22 #d9a441 #4f8a86", worktop={"laminate_white": 4, "terrazzo": 3},
        lamp={"sputnik": 4, "arc": 3, "globe": 4}, rug={"geometric": 4, "abstract": 3, "shag": 3}, art={"geometric": 6, "sun": 2, "abstract": 3},
        curtain={"printed": 3, "plain": 4, "none": 1}, window={"wood": 3, "white": 1}, metal={"brass": 5, "chrome": 1}, height=(2.5, 2.9),
        wear=(0, 0.3), plants=(1, 4), pictures=(1, 4), dense=(0.45, 0.85), warmth=(0.5, 0.9)),
    "minimalist": Vibe(
        walls="#f4f3f0 #eae6df #e2ded7 #f7f7f6 #d9d5ce", accents="#2b2b2b #b8ad9e #8d867c #d8d2c8", fabrics="#e9e5de #d2cbc0 #b9b2a8 #9a958d #f0eeea",
        woods="#cdb595 #b79f80 #d9cbb4 #3a332d", covering={"fresh": 5, "limewash_soft": 4}, feature={"none": 6, "limewash_soft": 3},
        floor={"microcement": 5, "planks_even": 4, "tiles_large": 4}, wet={"microcement": 5, "large_plain": 4}, wet_colours="#dedad2 #c9c4bb #ecebe8 #b5afa5",
        sofa={"low": 1}, chair={"block": 3, "shell_white": 2}, table={"slab": 1}, bed={"platform": 1}, kitchen={"handleless": 1},
        fronts="#f3f2ef #e4e0d9 #cfc8bd #bdb5a8 #f7f7f7", worktop={"laminate_white": 3, "microcement": 4}, lamp={"recessed": 6, "line": 3},
        rug={"none": 5, "plain": 4}, art={"none": 7, "lines": 2}, curtain={"none": 4, "sheer": 4, "roller": 3}, window={"slim": 1}, metal={"steel": 2, "black": 3},
        height=(2.6, 3.0), wear=(0, 0.04), plants=(0, 1), pictures=(0, 1), dense=(0.05, 0.3), warmth=(0.2, 0.5)),
    "designer": Vibe(
        walls="#24323a #1f3a34 #2a2a30 #3a2430 #1f2a44 #4a3a34 #33403a", accents="#c9a04a #b0472f #d98f7a #1d6b66 #e3d6c2 #5a2f5a",
        fabrics="#efe8dc #b0472f #1d5f58 #c98f3a #7a3a52 #d9c9b8", woods="#3f2a1c #5a3a24 #2a2018 #7b5233",
        covering={"fresh": 5, "limewash": 3, "panels_dark": 2}, feature={"marble": 4, "slats": 5, "leaf_dark": 2, "gloss": 1},
        floor={"herringbone_dark": 4, "marble": 3, "planks_dark": 2, "tiles_dark": 1}, wet={"marble_dark": 4, "marble": 3, "zellige": 2},
        wet_colours="#1f2a2a #2a2a30 #ece6dc #1f4a44 #6b2f2f", sofa={"curved": 1}, chair={"barrel": 4, "cantilever": 2}, table={"plinth": 1}, bed={"channel": 1},
        kitchen={"dark_brass": 5, "slab_marble": 3}, fronts="#1f2a2e #24332e #2b2622 #3a2a30 #1f2a44", worktop={"marble": 5, "marble_dark": 3},
        lamp={"rings": 3, "cluster": 4, "sculpture": 3}, rug={"abstract": 5, "shag": 2, "plain": 1}, art={"abstract": 6, "geometric": 2}, curtain={"velvet": 4, "sheer": 3, "none": 1},
        window={"black": 1}, metal={"brass": 6, "black": 1}, height=(2.8, 3.4), wear=(0, 0.05), plants=(0, 2), pictures=(1, 2), dense=(0.4, 0.75),
        warmth=(0.6, 1.0)),
}  # fmt: skip
