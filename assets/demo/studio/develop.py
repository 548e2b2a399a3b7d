"""From linear light to the picture a camera would save: exposure, white balance, curve, vignette, sharpening, grain."""

import numpy as np

from studio.chance import Rng


def develop(
    light: np.ndarray, rng: Rng, agent: bool, mirrored: bool = False, outdoors: bool = False
) -> np.ndarray:
    """(H, W, 3) linear float light to (H, W, 3) uint8 sRGB; the same stream gives the same picture."""
    light = np.nan_to_num(np.clip(light[..., :3], 0, 1e4)).astype(np.float32)
    if mirrored:
        light = light[:, ::-1]
    luminance = light @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    middle = float(np.exp(np.mean(np.log(np.minimum(luminance, np.quantile(luminance, 0.95)) + 1e-3))))
    aim = rng.uniform(0.2, 0.31) if agent else rng.uniform(0.14, 0.24)
    # Meters do not lift a dark room all the way, nor dim a white one fully.
    light = light * (aim / middle) * (middle / 0.3) ** 0.12
    grey = light.reshape(-1, 3).mean(0)
    balance = (grey.mean() / (grey + 1e-6)) ** (
        0.1 if outdoors else 0.55 if agent else rng.uniform(0.25, 0.55)
    )
    tint = np.exp(rng.normal(0, 0.012 if agent else 0.035, 3))
    light = light * (balance * tint).astype(np.float32)
    if agent:  # merged exposures: highlights held back
        light = light / (1 + 0.12 * luminance_of(light)[..., None])
    curve = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    curve = np.clip(curve, 0, 1)
    pale = luminance_of(curve)[..., None]
    curve = np.clip(pale + (curve - pale) * rng.uniform(0.88, 1.06) * (1.38 if outdoors else 1), 0, 1)
    height, width = curve.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    curve = curve * (1 - rng.uniform(0.02, 0.14) * (x**2 + y**2) / 2)[..., None]
    picture = np.where(
        curve <= 0.0031308, 12.92 * curve, 1.055 * np.power(np.maximum(curve, 1e-8), 1 / 2.4) - 0.055
    )
    picture = picture + rng.uniform(0.2, 0.5) * (1.25 if outdoors else 2.4) * (picture - _blur(picture))
    grain = rng.standard_normal((height, width, 1)) * 0.7 + rng.standard_normal((height, width, 3)) * 0.35
    picture = picture + grain * (rng.uniform(0.004, 0.009) if agent else rng.uniform(0.008, 0.02))
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def luminance_of(light: np.ndarray) -> np.ndarray:
    """(H, W, 3) to (H, W)."""
    return light @ np.array([0.2126, 0.7152, 0.0722], light.dtype)


def _blur(picture: np.ndarray) -> np.ndarray:
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16
