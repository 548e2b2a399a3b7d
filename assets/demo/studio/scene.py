"""From a home and a room to a Blender scene, and from the scene to a finished picture."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
from PIL import Image

from listing_vibes.demo.homes import Home
from studio import light
from studio.camera import interior_view, put_camera
from studio.chance import Rng, stream
from studio.develop import develop
from studio.kit import Kit, empty_scene
from studio.plan import Opening, Room
from studio.rooms import bathroom, bedroom, front, kitchen, living
from studio.shell import build_shell
from studio.skins import Skins
from studio.style import Style, draw_style
from studio.textures import views
from studio.textures.skies import front_sky

FURNISH: dict[str, Callable[[Kit, Skins, Rng, Room, float, bool], tuple[float, float, float]]] = {
    "living": living.furnish, "kitchen": kitchen.furnish, "bedroom": bedroom.furnish, "bathroom": bathroom.furnish,
}  # fmt: skip


def build(home: Home, room: str) -> Style:
    """Replaces the scene in memory by this room of this home."""
    empty_scene()
    style = draw_style(home.seed, home.vibe, home.quality, home.density)
    rng, kit, skins = stream(home.seed, "room", room), Kit(), Skins(home.seed, style, room)
    if room == "front":
        put_camera(front.furnish(kit, skins, rng, home))
        _outdoors(kit, skins, rng, home, style)
        return style
    plan = lay_out(rng, home, style, room)
    height = min(1.0, (home.floor - 1) / 12)
    pixels = views.view(stream(home.seed, "view"), home.view, height, home.hour, style.overcast)
    dusk = 1 - min(1.0, abs(home.hour - 13) / 7.5)
    backdrop = skins.make.image("view", pixels, glow=0.8 + 3.2 * dusk * (0.5 + home.light))
    tiled = 0.0
    if room == "bathroom":
        tiled = (
            plan.height
            if style.vibe not in ("worn_out", "classic", "boho", "scandinavian")
            else float(rng.uniform(1.2, 2.1))
        )
    build_shell(kit, skins, rng, plan, backdrop, "left" if rng.random() < 0.6 else "far", tiled)
    lamps_on = bool(rng.random() < (0.25 + 0.35 * style.agent + 0.4 * (home.hour > 17.5)))
    target = FURNISH[room](kit, skins, rng, plan, home.clutter, lamps_on)
    light.world(light.sky_colour(home.hour, style.overcast), 0.3)
    light.daylight(kit, stream(home.seed, "sun", room), plan, home.hour, home.light, style.overcast)
    warm = (1.0, 0.86 - 0.16 * style.warmth, 0.7 - 0.34 * style.warmth)
    strength = (2.4 if style.agent else 1.0) * (1.0 if lamps_on else 0.55)
    light.fill(kit, plan, strength, warm if lamps_on else (1, 0.97, 0.92))
    put_camera(interior_view(rng, plan, style.agent, target))
    return style


def lay_out(rng: Rng, home: Home, style: Style, room: str) -> Room:
    """Size and openings of a room."""
    grow = float(np.clip((home.area_m2 / 65) ** 0.25, 0.82, 1.2))
    width, depth = {
        "living": (rng.uniform(3.9, 5.2), rng.uniform(4.4, 5.8)), "kitchen": (rng.uniform(2.9, 3.8), rng.uniform(3.2, 4.3)),
        "bedroom": (rng.uniform(3.2, 4.2), rng.uniform(3.6, 4.5)), "bathroom": (rng.uniform(1.9, 2.5), rng.uniform(2.3, 3.0)),
    }[room]  # fmt: skip
    width, depth = float(width) * grow, float(depth) * grow
    height = style.height
    full = style.vibe in ("minimalist", "designer") or style.choice["window"] == "tall"
    sill = 0.25 if full and style.sill > 0.8 else style.sill
    top = min(
        height - 0.2,
        sill + {"steel": 2.3, "tall": 2.1}.get(style.choice["window"], 1.55 if sill > 0.4 else 2.1),
    )
    windows = []
    if room == "bathroom":
        if rng.random() < 0.4:
            windows = [Opening("far", width * 0.62, 0.6, 1.45, min(2.2, height - 0.2))]
    elif room == "kitchen":
        wide = min(style.window_width, width - 1.3)
        windows = [
            Opening("far", width * float(rng.uniform(0.5, 0.62)), wide, max(1.05, sill), max(top, 2.1))
        ]
    else:
        wall = "far" if rng.random() < 0.62 else "left" if room == "bedroom" else "right"
        length = width if wall == "far" else depth
        wide = min(style.window_width, length - 1.4)
        place = length * float(rng.uniform(0.45, 0.62)) if wall != "left" else length * 0.3
        windows = [Opening(wall, place, wide, sill, top)]
        if wall == "far" and home.area_m2 > 55 and rng.random() < 0.45:
            windows.append(Opening("right", depth * 0.35, min(style.window_width, depth * 0.5), sill, top))
    doors = []
    if rng.random() < 0.4 and not any(w.wall == "right" for w in windows):
        doors = [Opening("right", depth * 0.22, 0.85, 0.0, min(2.1, height - 0.1))]
    return Room(room, width, depth, height, windows, doors)


def _outdoors(kit: Kit, skins: Skins, rng: Rng, home: Home, style: Style) -> None:
    """Sky, sun and the glow of the whole firmament."""
    tint = light.sky_colour(home.hour, style.overcast)
    pixels = front_sky(stream(home.seed, "view"), home.hour, style.overcast)
    # The horizon of the picture, a fifth above its lower edge, stands at eye height.
    sky = kit.picture((0, 120, 102), 900, 340, skins.make.image("sky", pixels, glow=1.6))
    sky.visible_shadow = sky.visible_diffuse = False
    light.world(tint, 1.3 if style.overcast else 0.75)
    if not style.overcast:
        sun = bpy.data.lights.new("sun", "SUN")
        sun.energy, sun.angle = 4.5, 0.02
        sun.color = tint[0], tint[1] * 0.93, tint[2] * 0.8
        thing = bpy.data.objects.new("sun", sun)
        bpy.context.scene.collection.objects.link(thing)
        low = 20 + 35 * (1 - min(1.0, abs(home.hour - 13) / 7))
        thing.rotation_euler = (np.radians(90 - low), 0, np.radians(float(rng.uniform(-60, 60))))


def render(home: Home, room: str, size: tuple[int, int] = (320, 240), samples: int = 5) -> Image.Image:
    """Builds and traces one picture; the same home, room, size and samples give the same pixels."""
    style = build(home, room)
    scene = bpy.context.scene
    _settings(scene, size, samples, home.seed % 10_000)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "light.exr"
        scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(str(path))
        pixels = np.empty(size[0] * size[1] * 4, np.float32)
        image.pixels.foreach_get(pixels)
    linear = pixels.reshape(size[1], size[0], 4)[::-1, :, :3]
    mirrored = style.mirrored if room != "front" else False
    return Image.fromarray(
        develop(linear, stream(home.seed, "develop", room), style.agent, mirrored, room == "front")
    )


def _settings(scene: bpy.types.Scene, size: tuple[int, int], samples: int, seed: int) -> None:
    """Few rays, short paths and a denoiser: a picture of this size hides what they cost."""
    scene.render.engine = "CYCLES"
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_depth = "32"
    cycles = scene.cycles
    cycles.device, cycles.samples, cycles.seed = "CPU", samples, seed
    cycles.use_adaptive_sampling, cycles.adaptive_threshold = True, 0.06
    cycles.adaptive_min_samples = 4
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    # The fast filter costs a tenth of the accurate one and is not told from it at this size.
    cycles.denoising_prefilter, cycles.denoising_quality = "FAST", "FAST"
    # After the second bounce the light of the surroundings is taken as even.
    cycles.use_fast_gi, cycles.ao_bounces_render = True, 2
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 4, 3, 2
    cycles.transmission_bounces, cycles.transparent_max_bounces = 2, 6
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0
    cycles.use_light_tree = False  # a dozen lamps at most: the tree costs more than it saves
