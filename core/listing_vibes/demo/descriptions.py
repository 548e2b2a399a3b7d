"""Titles and descriptions from a small grammar: sometimes vague, sometimes wrong, rarely and weakly about style."""

from collections.abc import Sequence

import numpy as np

from listing_vibes.demo.homes import BUILDINGS, VIBES, Home
from listing_vibes.demo.parameters import Parameters

BUILDING_WORDS = {
    "block": ("apartment building", "residential building", "quiet block"),
    "townhouse": ("townhouse", "terraced house", "old town house"),
    "tower": ("high-rise", "residential tower", "tower with a lift"),
    "villa": ("villa", "detached house", "house with a garden"),
    "factory": ("former factory", "converted works", "old brick factory"),
}
VIEW_WORDS = {
    "street": ("The windows look onto the street", "Facing the street, shops close by"),
    "park": ("Trees in front of the windows", "The park begins across the street"),
    "water": ("You can see the water from the window", "A few steps from the water"),
    "roofs": ("A view over the roofs", "You look far over the city"),
    "courtyard": ("Quiet, towards the courtyard", "The rooms face the inner yard"),
}
#: From worst to best; sellers choose the step, and exaggerate.
CONDITIONS = (
    ("Needs some work", "To be renovated to your own ideas", "A home with potential"),
    ("Simple but functional", "Solid condition", "Clean and practical"),
    ("Well kept", "In good condition", "Carefully maintained"),
    ("Recently refreshed", "In very good condition", "Nothing to be done, move in"),
    ("Completely modernised", "Finished to a high standard", "First occupancy after renovation"),
)
#: Phrases about style; most listings have none, and half of those that do name a wrong style.
HINTS = {
    "worn_out": ("original fittings", "a blank canvas", "as it has always been"),
    "rental_basic": ("neutral throughout", "ready to let", "easy to furnish"),
    "scandinavian": ("bright Nordic feel", "light wood", "airy and warm"),
    "loft": ("industrial charm", "open plan", "exposed brick"),
    "classic": ("period charm", "panelled doors", "elegant rooms"),
    "boho": ("full of character", "colourful and cosy", "a creative home"),
    "midcentury": ("retro touches", "sixties flair", "teak details"),
    "minimalist": ("clean lines", "calm and uncluttered", "built-in storage"),
    "designer": ("designer touches", "architect's own", "statement lighting"),
}
LEADS = ("Lovely", "Nice", "Attractive", "Comfortable", "Charming", "Bright", "Spacious", "Well-located")
OPENINGS = (
    "{rooms} on {area} m² in {district}.",
    "{area} m², {rooms}, in {district}.",
    "In {district}: {rooms}.",
)
VAGUE = (
    "A great opportunity, do not miss it.",
    "Must be seen.",
    "Everything else when you come and look.",
    "Good connections, shops nearby.",
    "Photos say more than words.",
    "Please no agents.",
    "Available by arrangement.",
)
COUNTS = ("one", "two", "three", "four", "five", "six")


def title(home: Home, district: str, rng: np.random.Generator) -> str:
    """Return a short name for a listing, with rooms, location and often the building."""
    rooms = f"{COUNTS[home.rooms - 1]}-room home"
    building = _choose(rng, BUILDING_WORDS[home.building])
    return (
        f"{_choose(rng, LEADS)} {rooms} in {district}",
        f"{rooms.capitalize()}, {building}, {district}",
        f"{district}: {rooms} in {_article(building)}",
        f"{home.area_m2:.0f} m² in {district}",
    )[int(rng.integers(4))]


def description(home: Home, district: str, rng: np.random.Generator, p: Parameters) -> str | None:
    """Return up to seven sentences, or None where the advertiser wrote nothing."""
    if rng.random() < p.no_description:
        return None
    sentences = [_opening(home, district, rng)]
    if rng.random() < p.vague:
        sentences = [*sentences[: int(rng.integers(0, 2))], *_sample(rng, VAGUE, 1, 3)]
    else:
        sentences += _facts(home, rng, p)
        if rng.random() < p.condition:
            given = home.quality + p.flattery + rng.normal(0, p.condition_noise)
            sentences.append(
                _choose(rng, CONDITIONS[int(np.clip(given * len(CONDITIONS), 0, len(CONDITIONS) - 1))]) + "."
            )
        sentences += _sample(rng, VAGUE, 0, 2)
    if rng.random() < p.hint:
        named = home.vibe if rng.random() < p.honest_hint else _choose(rng, VIBES)
        sentences.insert(
            int(rng.integers(1, len(sentences) + 1)), _choose(rng, HINTS[named]).capitalize() + "."
        )
    return " ".join(sentences)


def _opening(home: Home, district: str, rng: np.random.Generator) -> str:
    rooms = f"{COUNTS[home.rooms - 1]} room{'s' if home.rooms > 1 else ''}"
    text = _choose(rng, OPENINGS).format(rooms=rooms, area=f"{home.area_m2:.0f}", district=district)
    return text[0].upper() + text[1:]


def _facts(home: Home, rng: np.random.Generator, p: Parameters) -> list[str]:
    """Return some true sentences; each is about another home's fact with the probability `wrong`."""
    wrong = rng.random(4) < p.wrong
    view = _choose(rng, tuple(VIEW_WORDS)) if wrong[0] else home.view
    building = _choose(rng, BUILDINGS) if wrong[1] else home.building
    facts = [
        _choose(rng, VIEW_WORDS[view]) + ".",
        f"It lies in {_article(_choose(rng, BUILDING_WORDS[building]))}.",
    ]
    if home.balcony != wrong[2]:
        facts.append(_choose(rng, ("With a balcony.", "A balcony for the morning sun.")))
    if (home.light > 0.6) != wrong[3]:
        facts.append(_choose(rng, ("Sunny rooms.", "Large windows.", "Lots of daylight.")))
    if home.floor >= 1 and rng.random() < 0.4:
        facts.append(f"Floor {home.floor} of {home.floors}.")
    return _sample(rng, facts, 1, len(facts))


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeio' else 'a'} {words}"


def _choose(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _sample(rng: np.random.Generator, choices: Sequence[str], least: int, most: int) -> list[str]:
    """Return between `least` and `most` different choices, in random order."""
    return [choices[i] for i in rng.permutation(len(choices))[: int(rng.integers(least, most + 1))]]
