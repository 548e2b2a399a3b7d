"""Daylight by hour and weather, and the lamps' share; the sun comes through the windows, the sky from just outside."""

import math

import bpy

from studio.chance import Rng
from studio.colour import Colour, linear, mix
from studio.kit import Kit
from studio.plan import Room


def sky_colour(hour: float, overcast: bool) -> Colour:
    """The tint of daylight: blue-white at noon, warm late and early."""
    late = min(1.0, abs(hour - 13) / 7) ** 2
    return mix((0.93, 0.96, 1.0) if overcast else (0.86, 0.93, 1.0), (1.0, 0.78, 0.58), 0.7 * late)


def daylight(kit: Kit, rng: Rng, room: Room, hour: float, light: float, overcast: bool) -> None:
    """Sky panels in the windows and, in clear weather, a sun that enters through one of them."""
    tint = sky_colour(hour, overcast)
    dusk = max(0.12, 1 - (abs(hour - 13) / 7.5) ** 2)
    for window in room.windows:
        x, y, z, turn = room.frame(window.wall)
        with kit.at(x, y, z, turn):
            panel = bpy.data.lights.new("sky", "AREA")
            panel.shape, panel.size, panel.size_y = "RECTANGLE", window.width, window.top - window.sill
            panel.energy = 62 * panel.size * panel.size_y * (0.5 + light) * dusk
            panel.color = linear(tint)
            _put(kit, panel, (window.centre, 0.28, (window.top + window.sill) / 2), (90, 0, 0))
    if room.windows and not overcast and rng.random() < 0.3 + 0.6 * light:
        window = room.windows[int(rng.integers(len(room.windows)))]
        x, y, z, turn = room.frame(window.wall)
        low = 18 + 32 * (1 - abs(hour - 13) / 7)
        with kit.at(x, y, z, turn):
            sun = bpy.data.lights.new("sun", "SUN")
            sun.energy, sun.angle = 7.0 * dusk, math.radians(1.0)
            sun.color = linear(mix(tint, (1.0, 0.86, 0.66), 0.6))
            # Leaned to come in from outside (+y of the wall) and from one side.
            _put(kit, sun, (window.centre, 3, 3), (90 - low, 0, float(rng.uniform(-50, 50))), sun_like=True)


def fill(kit: Kit, room: Room, strength: float, colour: Colour) -> None:
    """Soft light from the ceiling: the lamps that are on, or the agent's bounced flash."""
    panel = bpy.data.lights.new("fill", "AREA")
    panel.shape, panel.size, panel.size_y = "RECTANGLE", room.width * 0.5, room.depth * 0.5
    panel.energy = strength * room.width * room.depth
    panel.color = linear(colour)
    _put(kit, panel, (room.width / 2, room.depth * 0.45, room.height - 0.45), (0, 0, 0))


def spot(
    kit: Kit, at: tuple[float, float, float], energy: float, colour: Colour, radius: float = 0.06
) -> None:
    """The bulb of a lamp."""
    bulb = bpy.data.lights.new("bulb", "POINT")
    bulb.energy, bulb.color, bulb.shadow_soft_size = energy, linear(colour), radius
    _put(kit, bulb, at, (0, 0, 0))


def _put(
    kit: Kit,
    data: bpy.types.Light,
    at: tuple[float, float, float],
    turn: tuple[float, float, float],
    sun_like: bool = False,
) -> None:
    from mathutils import Euler, Matrix

    thing = bpy.data.objects.new(data.name, data)
    bpy.context.scene.collection.objects.link(thing)
    # An area light shines along its -z; turned by +90 about x it would shine to +y, so windows turn by -90.
    order = (-turn[0], turn[1], turn[2]) if data.type in ("AREA", "SUN") else turn
    euler = Euler([math.radians(t) for t in order], "XYZ")
    thing.matrix_world = kit.place @ Matrix.Translation(at) @ euler.to_matrix().to_4x4()
    thing.visible_camera = False
    if not sun_like:
        thing.visible_glossy = data.type == "AREA"


def world(colour: Colour, strength: float) -> None:
    """An even sky around everything."""
    scene = bpy.context.scene
    scene.world = bpy.data.worlds.new("w")
    scene.world.use_nodes = True
    background = scene.world.node_tree.nodes["Background"]
    background.inputs[0].default_value = (*linear(colour), 1)
    background.inputs[1].default_value = strength
