"""The camera of an estate agent (wide, level) or of a phone (narrower, tilted, hand-held)."""

import math

import bpy
from mathutils import Euler, Vector

from studio.chance import Rng
from studio.plan import Room, View


def interior_view(rng: Rng, room: Room, agent: bool, target: tuple[float, float, float]) -> View:
    """From a corner by the near wall towards `target`, as one would from the door."""
    lens = float(rng.uniform(15.5, 19) if agent else rng.uniform(16.5, 21))
    x = (
        room.width - float(rng.uniform(0.25, 0.6))
        if rng.random() < 0.7
        else float(rng.uniform(0.45, 0.7)) * room.width
    )
    eye = (
        x,
        float(rng.uniform(0.15, 0.35)),
        float(rng.uniform(1.2, 1.5) if agent else rng.uniform(1.35, 1.65)),
    )
    aim = (target[0] + float(rng.normal(0, 0.25)), target[1], target[2] - (0.05 if agent else 0.3))
    return View(eye, aim, lens, 0.0 if agent else float(rng.normal(0, 1.0)), agent)


def put_camera(view: View) -> None:
    """Adds the camera to the scene and makes it the active one."""
    data = bpy.data.cameras.new("camera")
    data.lens, data.clip_start = view.lens, 0.05
    ahead = Vector(view.target) - Vector(view.eye)
    pitch = math.atan2(ahead.z, math.hypot(ahead.x, ahead.y))
    yaw = math.atan2(-ahead.x, ahead.y)
    if view.level:
        # A level camera whose film is shifted instead of tilted.
        data.shift_y = math.tan(pitch) * view.lens / 36
        pitch = 0.0
    thing = bpy.data.objects.new("camera", data)
    thing.location = view.eye
    thing.rotation_euler = Euler((math.pi / 2 + pitch, math.radians(view.roll), yaw))
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.scene.camera = thing
