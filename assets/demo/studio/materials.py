"""Blender materials from colours and textures; every one is cached by its name within a picture."""

from collections.abc import Callable

import bpy
import numpy as np

from studio.colour import Colour, linear
from studio.textures.noise import Texture


class Materials:
    """The materials of one picture."""

    def __init__(self) -> None:
        self._known: dict[str, bpy.types.Material] = {}

    def _new(self, name: str, make: Callable[[bpy.types.Material], None]) -> bpy.types.Material:
        if name not in self._known:
            material = bpy.data.materials.new(name)
            material.use_nodes = True
            make(material)
            self._known[name] = material
        return self._known[name]

    def plain(
        self, colour: Colour, rough: float = 0.5, metal: float = 0.0, coat: float = 0.0, uneven: float = 0.05
    ) -> bpy.types.Material:
        """One colour, faintly uneven in tone and gloss as used things are."""

        def make(material: bpy.types.Material) -> None:
            tree = material.node_tree
            shader = tree.nodes["Principled BSDF"]
            shader.inputs["Metallic"].default_value = metal
            shader.inputs["Roughness"].default_value = rough
            shader.inputs["Coat Weight"].default_value = coat
            colour_ = (*linear(colour), 1)
            if uneven < 0.035:
                shader.inputs["Base Color"].default_value = colour_
                return
            where = tree.nodes.new("ShaderNodeTexCoord")
            field = tree.nodes.new("ShaderNodeTexNoise")
            field.inputs["Scale"].default_value = 9
            field.inputs["Detail"].default_value = 3
            mix = tree.nodes.new("ShaderNodeMix")
            mix.data_type = "RGBA"
            darker = tuple(c * (1 - 5 * uneven) for c in colour_[:3])
            mix.inputs[6].default_value, mix.inputs[7].default_value = colour_, (*darker, 1)
            tree.links.new(where.outputs["Object"], field.inputs["Vector"])
            tree.links.new(field.outputs[0], mix.inputs[0])
            tree.links.new(mix.outputs[2], shader.inputs["Base Color"])

        key = "/".join(f"{c:.4f}" for c in (*colour, rough, metal, coat, uneven))
        return self._new(f"plain {key}", make)

    def metal(self, kind: str) -> bpy.types.Material:
        """`chrome`, `steel`, `black`, `brass`, `gold`, `copper` or `chrome_dull`."""
        colour, rough = {
            "chrome": ((0.85, 0.86, 0.87), 0.12), "steel": ((0.7, 0.71, 0.72), 0.32), "black": ((0.06, 0.06, 0.065), 0.42),
            "brass": ((0.82, 0.64, 0.32), 0.25), "gold": ((0.84, 0.66, 0.36), 0.3), "copper": ((0.8, 0.5, 0.36), 0.28),
            "chrome_dull": ((0.58, 0.57, 0.53), 0.5),
        }[kind]  # fmt: skip
        return self.plain(colour, rough, 0.0 if kind == "black" else 1.0, uneven=0.03)

    def glass(self, tint: Colour = (0.95, 0.97, 0.97), share: float = 0.9) -> bpy.types.Material:
        """Thin glass: mostly clear, a little mirror; cheap to trace since it bends nothing."""

        def make(material: bpy.types.Material) -> None:
            tree = material.node_tree
            tree.nodes.remove(tree.nodes["Principled BSDF"])
            clear, mirror, mix = (
                tree.nodes.new(f"ShaderNode{kind}") for kind in ("BsdfTransparent", "BsdfGlossy", "MixShader")
            )
            clear.inputs[0].default_value = (*linear(tint), 1)
            mirror.inputs["Roughness"].default_value = 0.03
            mix.inputs[0].default_value = 1 - share
            tree.links.new(clear.outputs[0], mix.inputs[1])
            tree.links.new(mirror.outputs[0], mix.inputs[2])
            tree.links.new(mix.outputs[0], tree.nodes["Material Output"].inputs[0])

        return self._new(f"glass {tint} {share}", make)

    def glow(self, colour: Colour, strength: float) -> bpy.types.Material:
        """A surface that gives light."""

        def make(material: bpy.types.Material) -> None:
            shader = material.node_tree.nodes["Principled BSDF"]
            shader.inputs["Base Color"].default_value = (*linear(colour), 1)
            shader.inputs["Emission Color"].default_value = (*linear(colour), 1)
            shader.inputs["Emission Strength"].default_value = strength
            # Bulbs have a point light beside them; only large glows are worth aiming rays at.
            material.cycles.emission_sampling = "NONE"

        return self._new(f"glow {colour} {strength}", make)

    def sheer(self, colour: Colour, clear: float) -> bpy.types.Material:
        """Thin cloth that lets light through: net curtains, lamp shades of paper."""

        def make(material: bpy.types.Material) -> None:
            tree = material.node_tree
            tree.nodes.remove(tree.nodes["Principled BSDF"])
            names = ("BsdfDiffuse", "BsdfTranslucent", "BsdfTransparent", "MixShader", "MixShader")
            cloth, through, hole, first, second = (tree.nodes.new(f"ShaderNode{name}") for name in names)
            for node in (cloth, through):
                node.inputs[0].default_value = (*linear(colour), 1)
            first.inputs[0].default_value, second.inputs[0].default_value = 0.5, clear
            tree.links.new(cloth.outputs[0], first.inputs[1])
            tree.links.new(through.outputs[0], first.inputs[2])
            tree.links.new(first.outputs[0], second.inputs[1])
            tree.links.new(hole.outputs[0], second.inputs[2])
            tree.links.new(second.outputs[0], tree.nodes["Material Output"].inputs[0])

        return self._new(f"sheer {colour} {clear}", make)

    def surface(
        self, name: str, texture: Callable[[], Texture], rough: float = 0.6, bump: float = 0.3, jitter: bool = False,
        coat: float = 0.0, sheen: float = 0.0,
    ) -> bpy.types.Material:  # fmt: skip
        """A texture laid on by object coordinates, in metres; `jitter` shifts it from piece to piece."""

        def make(material: bpy.types.Material) -> None:
            picture = texture()
            tree = material.node_tree
            shader = tree.nodes["Principled BSDF"]
            shader.inputs["Roughness"].default_value = rough
            shader.inputs["Coat Weight"].default_value = coat
            shader.inputs["Sheen Weight"].default_value = sheen
            where, mapping, pixels = (
                tree.nodes.new(f"ShaderNode{n}") for n in ("TexCoord", "Mapping", "TexImage")
            )
            pixels.image = _image(name, picture.rgb, picture.height)
            pixels.projection, pixels.projection_blend = "BOX", 0.05
            mapping.inputs["Scale"].default_value = (1 / picture.metres,) * 3
            tree.links.new(where.outputs["Object"], mapping.inputs["Vector"])
            tree.links.new(mapping.outputs[0], pixels.inputs[0])
            tree.links.new(pixels.outputs["Color"], shader.inputs["Base Color"])
            if jitter:
                info = tree.nodes.new("ShaderNodeObjectInfo")
                tree.links.new(info.outputs["Random"], mapping.inputs["Location"])
            if bump >= 0.1:  # a fainter one is not seen, yet costs three look-ups for one
                relief = tree.nodes.new("ShaderNodeBump")
                relief.inputs["Strength"].default_value = bump
                relief.inputs["Distance"].default_value = 0.02
                tree.links.new(pixels.outputs["Alpha"], relief.inputs["Height"])
                tree.links.new(relief.outputs[0], shader.inputs["Normal"])

        return self._new(name, make)

    def image(
        self, name: str, rgb: np.ndarray, rough: float = 0.7, glow: float = 0.0, coat: float = 0.0
    ) -> bpy.types.Material:
        """One picture over the whole of a mesh with its own uv: art, rugs, screens, the view outside."""

        def make(material: bpy.types.Material) -> None:
            tree = material.node_tree
            shader = tree.nodes["Principled BSDF"]
            shader.inputs["Roughness"].default_value = rough
            shader.inputs["Coat Weight"].default_value = coat
            pixels = tree.nodes.new("ShaderNodeTexImage")
            pixels.image = _image(name, rgb, None)
            if glow:
                shader.inputs["Base Color"].default_value = (0, 0, 0, 1)
                shader.inputs["Emission Strength"].default_value = glow
                tree.links.new(pixels.outputs["Color"], shader.inputs["Emission Color"])
                material.cycles.emission_sampling = "NONE"
            else:
                tree.links.new(pixels.outputs["Color"], shader.inputs["Base Color"])

        return self._new(name, make)


def _image(name: str, rgb: np.ndarray, height: np.ndarray | None) -> bpy.types.Image:
    """Pixels (S, S, 3) as a Blender image, the height in its alpha."""
    size = len(rgb)
    image = bpy.data.images.new(name, size, size, alpha=height is not None)
    image.alpha_mode = "CHANNEL_PACKED"
    alpha = np.ones((size, size, 1), np.float32) if height is None else height[..., None]
    # Blender's rows run from the bottom up.
    image.pixels.foreach_set(np.concatenate([rgb, alpha], -1)[::-1].astype(np.float32).ravel())
    image.update()
    return image
