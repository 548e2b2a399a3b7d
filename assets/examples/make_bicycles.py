"""Write the market of bicycles: 420 second-hand bicycles of one town, 700 riders with a taste each. Usage: python make_bicycles.py FOLDER"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

STYLES = {"city": 400, "road": 900, "cargo": 2400, "mountain": 1100, "folding": 600}  # and a usual price
BRANDS = ("Aurel", "Fjell", "Dorn", "Keil", "Nordlys")
EXTRAS = ("lights", "basket", "lock", "mudguards", "rack", "child seat")
COLORS = ("black", "blue", "red", "green", "white")


def main(folder: Path) -> None:
    """Write listings.csv and events.csv."""
    rng = np.random.default_rng(7)
    n, users = 420, 700
    style, brand, color = rng.integers(0, 5, n), rng.integers(0, 5, n), rng.integers(0, 5, n)
    usual = np.array([*STYLES.values()])[style]
    price = (usual * rng.lognormal(0, 0.35, n)).round(-1).astype(int)
    electric = rng.random(n) < np.where(style == 2, 0.7, 0.15)
    published = rng.uniform(0, 150, n)  # days
    lives = rng.uniform(20, 70, n)
    start = pd.Timestamp("2024-01-08")
    listings = pd.DataFrame({
        "listing_id": [f"B{row:04d}" for row in range(n)],
        "title": [f"{BRANDS[b]} {[*STYLES][s]} bike, {COLORS[c]}" for b, s, c in zip(brand, style, color, strict=True)],
        "brand": np.array(BRANDS)[brand],
        "style": np.array([*STYLES])[style],
        "price": price,
        "frame_cm": np.where(rng.random(n) < 0.1, "", rng.integers(46, 62, n).astype(str)),
        "electric": np.where(electric, "yes", "no"),
        "extras": ["|".join(rng.choice(EXTRAS, rng.integers(0, 4), replace=False)) for _ in range(n)],
        "latitude": rng.normal(48.1, 0.03, n).round(5),
        "longitude": rng.normal(11.6, 0.05, n).round(5),
        "published_at": (start + pd.to_timedelta(published, "D")).strftime("%Y-%m-%d"),
        "expires_at": (start + pd.to_timedelta(published + lives, "D")).strftime("%Y-%m-%d"),
    })  # fmt: skip
    rows = []
    for user in range(users):
        likes, budget, wants_motor = rng.integers(0, 5), rng.normal(7, 0.5), rng.random() < 0.3
        taste = (
            2.5 * (style == likes) - 1.5 * np.abs(np.log(price) - budget) + 1.5 * (electric == wants_motor)
        )
        for day in np.sort(rng.uniform(5, 170) + rng.exponential(4, rng.integers(3, 12))):
            active = np.flatnonzero((published < day) & (day < published + lives))
            if not len(active):
                continue
            weight = np.exp(taste[active] + rng.gumbel(0, 0.5, len(active)))
            row = rng.choice(active, p=weight / weight.sum())
            action = rng.choice(["view", "save", "message"], p=[0.8, 0.14, 0.06])
            rows.append(
                (f"R{user:03d}", f"B{row:04d}", start + pd.Timedelta(day, "D"), action, rng.gamma(2, 25))
            )
    events = pd.DataFrame(rows, columns=["user_id", "listing_id", "timestamp", "action", "duration_s"])
    events["timestamp"] = events["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S")
    listings.to_csv(folder / "listings.csv", index=False)
    events.round({"duration_s": 0}).sort_values("timestamp").to_csv(folder / "events.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
