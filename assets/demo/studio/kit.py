"""Puts meshes into the Blender scene; a stack of places lets furniture be built at its own origin, in metres."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import bpy
import numpy as np
from mathutils import Euler, Matrix, Vector

from studio import shapes
from studio.shapes import Point, Shape

NO_TURN: Point = (0, 0, 0)


class Kit:
    """Builds objects in the current scene under the current place."""

    def __init__(self) -> None:
        self.place = Matrix.Identity(4)
        self.count = 0

    @contextmanager
    def at(self, x: float, y: float, z: float = 0.0, turn: float = 0.0) -> Iterator[None]:
        """Everything made inside stands at (x, y, z), turned about the vertical by `turn` degrees."""
        before = self.place
        self.place = before @ Matrix.Translation((x, y, z)) @ Matrix.Rotation(math.radians(turn), 4, "Z")
        try:
            yield
        finally:
            self.place = before

    def mesh(
        self, shape: Shape, material: bpy.types.Material, centre: Point = (0, 0, 0), turn: Point = NO_TURN,
        smooth: bool = False, bevel: float = 0.0, uv: Sequence[tuple[float, float]] | None = None,
    ) -> bpy.types.Object:  # fmt: skip
        """Adds a mesh; `turn` is in degrees about x, y, z; `uv` gives one pair per corner of each face in order."""
        self.count += 1
        data = bpy.data.meshes.new(f"m{self.count:05d}")
        data.from_pydata([tuple(map(float, corner)) for corner in shape[0]], [], shape[1])
        data.materials.append(material)
        if smooth:
            data.shade_smooth()
        if uv is not None:
            layer = data.uv_layers.new(name="uv")
            layer.data.foreach_set("uv", np.array(uv, np.float32).ravel())
        data.update()
        thing = bpy.data.objects.new(data.name, data)
        bpy.context.scene.collection.objects.link(thing)
        local = (
            Matrix.Translation(Vector(centre)) @ Euler([math.radians(t) for t in turn]).to_matrix().to_4x4()
        )
        thing.matrix_world = self.place @ local
        if bevel > 0:
            rounding = thing.modifiers.new("b", "BEVEL")
            rounding.width, rounding.segments = bevel, 2
        return thing

    def box(
        self,
        centre: Point,
        size: Point,
        material: bpy.types.Material,
        bevel: float = 0.004,
        turn: Point = NO_TURN,
    ) -> bpy.types.Object:
        """A box about `centre`; the bevel catches light along its edges."""
        size = (max(size[0], 1e-3), max(size[1], 1e-3), max(size[2], 1e-3))
        return self.mesh(shapes.box(size), material, centre, turn, bevel=min(bevel, 0.4 * min(size)))

    def soft(
        self,
        centre: Point,
        size: Point,
        material: bpy.types.Material,
        power: float = 0.3,
        turn: Point = NO_TURN,
    ) -> bpy.types.Object:
        """A cushion about `centre`."""
        return self.mesh(shapes.cushion(size, power), material, centre, turn, smooth=True)

    def lathe(
        self, centre: Point, profile: Sequence[tuple[float, float]], material: bpy.types.Material, turn: Point = NO_TURN,
        around: int = 24,
    ) -> bpy.types.Object:  # fmt: skip
        """A turned body standing on `centre`."""
        return self.mesh(shapes.lathe(profile, around), material, centre, turn, smooth=True)

    def rod(
        self,
        start: Point,
        end: Point,
        radius: float,
        material: bpy.types.Material,
        end_radius: float | None = None,
    ) -> bpy.types.Object:
        """A straight round bar."""
        return self.mesh(shapes.tube([start, end], radius, 12, end_radius), material, smooth=True)

    def wire(self, path: Sequence[Point], radius: float, material: bpy.types.Material) -> bpy.types.Object:
        """A bent round bar."""
        return self.mesh(shapes.tube(path, radius), material, smooth=True)

    def picture(
        self, centre: Point, width: float, height: float, material: bpy.types.Material, turn: Point = NO_TURN
    ) -> bpy.types.Object:
        """An upright picture of one image facing -y."""
        w, h = width / 2, height / 2
        corners = np.array([(-w, 0, -h), (w, 0, -h), (w, 0, h), (-w, 0, h)])
        return self.mesh(
            (corners, [(0, 1, 2, 3)]), material, centre, turn, uv=[(0, 0), (1, 0), (1, 1), (0, 1)]
        )

    def mat(
        self, centre: Point, width: float, depth: float, material: bpy.types.Material, turn: float = 0.0
    ) -> None:
        """A flat picture on the floor, with a visible thickness and a slightly wavy edge."""
        rows = 12
        shape = shapes.sheet(
            lambda u, v: (
                (u - 0.5) * width,
                (v - 0.5) * depth,
                0.008 + 0.004 * np.sin(9 * u) * np.sin(7 * v),
            ),
            rows,
            rows,
        )
        uv = [(c % rows / (rows - 1), c // rows / (rows - 1)) for face in shape[1] for c in face]
        self.mesh(shape, material, centre, (0, 0, turn), smooth=True, uv=uv)


def empty_scene() -> None:
    """Removes everything from Blender's memory."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
