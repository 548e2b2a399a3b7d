"""Which material a part of the home has: walls, floors, wood, cloth and stone of one style."""

from typing import TypeAlias

import bpy

from studio.chance import pick, stream
from studio.colour import Colour, mix, vary
from studio.coverings import wall_covering
from studio.materials import Materials
from studio.style import Style
from studio.textures import cloth, floors

Skin: TypeAlias = bpy.types.Material


class Skins:
    """The materials of one home in one room; textures depend on the home's seed alone, so its rooms share them."""

    def __init__(self, seed: int, style: Style, room: str) -> None:
        self.seed, self.style, self.room = seed, style, room
        self.make = Materials()

    def _rng(self, *names: str | int):
        return stream(self.seed, "skin", *names)

    def wall(self, feature: bool = False) -> Skin:
        """The wall of this room, or its feature wall."""
        style = self.style
        kind = style.feature if feature and style.feature != "none" else style.covering
        return self.covered(kind, style.wall[self.room], "feature" if feature else "wall")

    def covered(self, kind: str, colour: Colour, slot: str) -> Skin:
        """A wall or ceiling with a covering of `vibes.Vibe.covering` or `.feature`; `slot` tells two of a kind apart."""
        return wall_covering(self.make, self.style, self._rng(kind, slot), kind, colour, f"{slot} {kind}")

    def floor(self) -> Skin:
        """The floor of the dry rooms."""
        style, kind, rng, make = self.style, self.style.choice["floor"], self._rng("floor"), self.make
        wood = vary(rng, style.wood, 0.6)
        wear = style.wear if style.vibe in ("worn_out", "loft", "boho") else 0.0
        if kind.startswith("herringbone") or kind == "parquet_block":
            tone = {
                "herringbone_light": vary(rng, (0.83, 0.7, 0.53)),
                "herringbone_dark": mix(wood, (0.16, 0.1, 0.07), 0.4),
            }.get(kind, mix(wood, (0.66, 0.44, 0.25), 0.5))
            ratio = int(rng.integers(3, 6))
            return make.surface(
                "floor", lambda: floors.herringbone(rng, tone, ratio, 0.09, wear), 0.3 + 0.4 * wear, 0.15
            )
        if kind.startswith("planks") or kind == "laminate":
            tone = {
                "planks_light": vary(rng, (0.8, 0.67, 0.5)), "planks_white": vary(rng, (0.87, 0.84, 0.79)), "planks_dark": mix(wood, (0.2, 0.12, 0.08), 0.45),
                "planks_mid": vary(rng, (0.66, 0.46, 0.29)), "planks_rough": vary(rng, (0.5, 0.35, 0.22)), "planks_walnut": vary(rng, (0.46, 0.29, 0.17)),
                "planks_even": mix(wood, (0.8, 0.72, 0.6), 0.6), "planks_worn": vary(rng, (0.56, 0.33, 0.17)),
                "laminate": pick(rng, [vary(rng, (0.79, 0.64, 0.45)), vary(rng, (0.62, 0.58, 0.53)), vary(rng, (0.72, 0.5, 0.31))]),
            }[kind]  # fmt: skip
            spread = {"planks_even": 0.025, "laminate": 0.05, "planks_rough": 0.16}.get(kind, 0.08)
            width = float(rng.uniform(0.09, 0.2))
            return make.surface(
                "floor", lambda: floors.planks(rng, tone, width, spread, wear), 0.32 + 0.35 * wear, 0.2
            )
        if kind == "linoleum":
            base = pick(rng, [(0.62, 0.45, 0.3), (0.55, 0.5, 0.38), (0.45, 0.42, 0.36), (0.6, 0.34, 0.26)])
            return make.surface(
                "floor",
                lambda: floors.linoleum(rng, base, mix(base, (0.9, 0.8, 0.6), 0.45), style.wear),
                0.45,
                0.08,
            )
        if kind in ("carpet", "carpet_old", "carpet_olive"):
            base = {
                "carpet": (0.58, 0.55, 0.5),
                "carpet_old": (0.42, 0.28, 0.22),
                "carpet_olive": (0.5, 0.47, 0.24),
            }[kind]
            return make.surface("floor", lambda: floors.carpet(rng, vary(rng, base)), 1.0, 0.6)
        if kind in ("concrete", "microcement"):
            base = vary(rng, (0.5, 0.49, 0.47)) if kind == "concrete" else vary(rng, (0.76, 0.73, 0.69))
            return make.surface("floor", lambda: floors.concrete(rng, base), 0.3, 0.08)
        if kind == "marble":
            base, vein = pick(
                rng, [((0.92, 0.9, 0.87), (0.6, 0.5, 0.4)), ((0.1, 0.1, 0.11), (0.7, 0.65, 0.6))]
            )
            return make.surface("floor", lambda: floors.marble(rng, base, vein), 0.1, 0)
        if kind == "terrazzo":
            return make.surface(
                "floor", lambda: floors.terrazzo(rng, (0.86, 0.83, 0.77), style.accents), 0.25, 0
            )
        base, side = {
            "tiles_beige": ((0.8, 0.72, 0.6), 0.33),
            "terracotta": ((0.68, 0.4, 0.28), 0.3),
            "tiles_large": ((0.8, 0.78, 0.74), 0.8),
            "tiles_dark": ((0.17, 0.17, 0.18), 0.6),
        }[kind]
        return make.surface(
            "floor", lambda: floors.tiles(rng, vary(rng, base), side=side, spread=0.06), 0.3, 0.3
        )

    def wet(self, slot: str = "wall") -> Skin:
        """The tiles of the bathroom and of the kitchen's splashback; `slot` is `wall` or `floor`."""
        style, kind, rng, make = self.style, self.style.choice["wet"], self._rng("wet", slot), self.make
        base, other = style.wet_colours
        name = f"wet {slot}"
        ground = slot == "floor"
        if kind in ("marble", "marble_dark"):
            dark = kind == "marble_dark"
            stone = (
                pick(rng, [(0.08, 0.1, 0.1), (0.1, 0.2, 0.17), (0.13, 0.1, 0.1)])
                if dark
                else (0.92, 0.91, 0.89)
            )
            return make.surface(
                name,
                lambda: floors.marble(rng, stone, (0.78, 0.7, 0.58) if dark else (0.5, 0.48, 0.46)),
                0.1,
                0,
            )
        if kind in ("concrete", "microcement"):
            grey = vary(rng, (0.5, 0.49, 0.47)) if kind == "concrete" else base
            return make.surface(
                name, lambda: floors.concrete(rng, grey, kind == "concrete" and not ground), 0.5, 0.15
            )
        if kind == "terrazzo":
            return make.surface(
                name, lambda: floors.terrazzo(rng, (0.88, 0.86, 0.81), style.accents), 0.25, 0
            )
        if kind == "moroccan":
            if not ground:
                return make.surface(name, lambda: floors.tiles(rng, base, side=0.1, spread=0.12), 0.15, 0.4)
            return make.surface(
                name,
                lambda: cloth.printed(rng, (0.92, 0.89, 0.82), [base, other, style.accents[0]], "triangle"),
                0.4,
                0,
            )
        side, aspect, bond, dirt, spread = {
            "small_dirty": (0.15, 1.0, False, style.wear, 0.05), "half_paint": (0.15, 1.0, False, style.wear, 0.05), "white_square": (0.2, 1.0, False, 0.1, 0.02),
            "beige_square": (0.25, 0.8, False, 0.15, 0.05), "metro_white": (0.1, 2.0, True, 0.0, 0.02), "metro_black": (0.1, 2.0, True, 0.0, 0.06),
            "hex_white": (0.05, 1.0, True, 0.0, 0.03), "checker": (0.15, 2.0, True, 0.0, 0.02), "zellige": (0.1, 1.0, False, 0.0, 0.14),
            "terracotta": (0.15, 1.0, False, 0.0, 0.1), "colour_square": (0.12, 1.0, False, 0.0, 0.06), "large_plain": (0.6, 2.0, False, 0.0, 0.01),
        }[kind]  # fmt: skip
        colour = {
            "metro_black": (0.09, 0.09, 0.1),
            "checker": (0.92, 0.91, 0.88),
            "metro_white": (0.93, 0.93, 0.92),
            "hex_white": (0.93, 0.93, 0.92),
        }.get(kind, base)
        grout = (0.3, 0.3, 0.3) if kind == "metro_black" else (0.74, 0.72, 0.68)
        second: Colour | None = None
        if ground:
            side, aspect, bond = max(side, 0.2), 1.0, False
            if kind == "checker" or (kind in ("small_dirty", "colour_square") and rng.random() < 0.6):
                second = (0.1, 0.1, 0.11) if kind == "checker" else mix(other, (0.35, 0.25, 0.2), 0.5)
            elif kind not in ("zellige", "terracotta"):
                colour = mix(colour, (0.55, 0.52, 0.48), 0.5)
        return make.surface(
            name,
            lambda: floors.tiles(rng, colour, second, side, aspect, bond, grout, spread, 0.03, 0.003, dirt),
            0.2,
            0.35,
        )

    def wood(self, second: bool = False) -> Skin:
        """Furniture wood."""
        rng, colour = self._rng("wood", int(second)), self.style.wood2 if second else self.style.wood
        return self.make.surface(
            f"wood {int(second)}", lambda: floors.planks(rng, colour, 0.5, 0.06), 0.42, 0.05, jitter=True
        )

    def fabric(self, index: int = 0) -> Skin:
        """Upholstery in one of the home's fabrics."""
        rng, colour = self._rng("fabric", index), self.style.fabrics[index % len(self.style.fabrics)]
        kind = self.style.choice["sofa"]
        if kind in ("leather", "faux_leather") and index == 0:
            return self.make.surface(
                "leather", lambda: floors.concrete(rng, colour), 0.35, 0.3, jitter=True, coat=0.1
            )
        velvet = self.style.vibe in ("designer", "classic")
        coarse = 2.0 if colour[0] > 0.85 else 1.0
        return self.make.surface(
            f"fabric {index}",
            lambda: cloth.weave(rng, colour, coarse),
            0.9,
            0.35,
            jitter=True,
            sheen=0.5 if velvet else 0.15,
        )

    def print(self, index: int = 0) -> Skin:
        """Bedding, cushions and curtains with the prints that this vibe likes."""
        style, rng = self.style, self._rng("print", index)
        likes = {
            "worn_out": ["flower", "check", "stripe"], "rental_basic": ["plain", "check", "stripe"], "scandinavian": ["plain", "stripe", "dots", "triangle"], "loft": ["plain", "stripe"],
            "classic": ["flower", "stripe", "plain"], "boho": ["zigzag", "flower", "triangle", "stripe"], "midcentury": ["triangle", "dots", "zigzag"], "minimalist": ["plain"], "designer": ["plain", "plain", "zigzag"],
        }  # fmt: skip
        base = pick(rng, [*style.fabrics, *style.accents, (0.93, 0.92, 0.9)])
        kind = pick(rng, likes[style.vibe])
        others = [*style.accents[:2], (0.93, 0.9, 0.84)]
        return self.make.surface(
            f"print {index}", lambda: cloth.printed(rng, base, others, kind), 0.95, 0.3, jitter=True
        )

    def linen(self, colour: Colour = (0.92, 0.91, 0.89)) -> Skin:
        """Plain bed linen with folds."""
        rng = self._rng("linen")
        material = self.make.surface(
            f"linen {colour}", lambda: _tinted(cloth.crumple(rng), colour), 0.95, 0.9, jitter=True
        )
        return material

    def top(self) -> Skin:
        """The kitchen's worktop."""
        kind, rng, make = self.style.choice["worktop"], self._rng("top"), self.make
        if kind in ("butcher", "laminate_wood"):
            return make.surface(
                "top", lambda: floors.planks(rng, vary(rng, (0.72, 0.5, 0.3)), 0.06, 0.1), 0.4, 0.05
            )
        if kind in ("marble", "marble_dark"):
            base, vein = (
                ((0.1, 0.1, 0.11), (0.7, 0.65, 0.6))
                if kind == "marble_dark"
                else ((0.92, 0.91, 0.89), (0.45, 0.43, 0.42))
            )
            return make.surface("top", lambda: floors.marble(rng, base, vein), 0.15, 0)
        if kind in ("granite", "terrazzo"):
            base = (
                pick(rng, [(0.4, 0.33, 0.27), (0.2, 0.2, 0.2)]) if kind == "granite" else (0.88, 0.86, 0.82)
            )
            return make.surface(
                "top",
                lambda: floors.terrazzo(
                    rng, base, [(0.1, 0.1, 0.1), (0.7, 0.6, 0.5), *self.style.accents[:1]]
                ),
                0.2,
                0,
            )
        if kind in ("concrete", "microcement"):
            return make.surface(
                "top",
                lambda: floors.concrete(rng, (0.55, 0.54, 0.52) if kind == "concrete" else (0.8, 0.78, 0.74)),
                0.4,
                0.05,
            )
        if kind == "steel":
            return make.metal("steel")
        if kind == "tile":
            return self.wet("wall")
        base = {
            "laminate_grey": (0.42, 0.42, 0.42),
            "laminate_white": (0.93, 0.93, 0.92),
            "laminate_old": (0.62, 0.55, 0.45),
        }[kind]
        return make.surface(
            "top", lambda: floors.terrazzo(rng, base, [mix(base, (0.2, 0.2, 0.2), 0.3)]), 0.4, 0
        )

    def fronts(self, second: bool = False) -> Skin:
        """Kitchen and wardrobe fronts: wood grain where the colour is wood, else paint or lacquer."""
        colour = self.style.front2 if second else self.style.front
        red, _, blue = colour
        if red - blue > 0.2:
            rng = self._rng("front", int(second))
            return self.make.surface(
                f"front {int(second)}", lambda: floors.planks(rng, colour, 0.6, 0.03), 0.4, 0.03, jitter=True
            )
        return self.make.plain(
            colour,
            0.35 if self.style.vibe in ("minimalist", "rental_basic") else 0.5,
            uneven=0.02 + 0.08 * self.style.wear,
        )

    def metal(self) -> Skin:
        """Handles, taps and lamps."""
        return self.make.metal(self.style.choice["metal"])


def _tinted(texture, colour: Colour):
    texture.rgb[:] = texture.rgb * colour
    return texture
