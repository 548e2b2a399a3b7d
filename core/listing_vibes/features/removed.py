"""Settings that are gone: one sentence for who still gives them, and what a run stored of them."""

from collections.abc import Mapping
from typing import Any

from listing_vibes.errors import VibesError

CONTROL = "a variant of an ablation has `control` instead; leave it out"
#: Table and key of each: the value that a run opens with as before, and what to do instead. `assets/docs/research` says why.
REMOVED: dict[tuple[str, str], tuple[Any, str]] = {
    ("training", "token_dropout"): (0.0, "it gained nothing; leave it out"),
    ("training", "positive_vectors"): ("fresh", "positives are encoded with gradient; leave it out"),
    ("features", "photo_start"): ("identity", "the photo layer starts as the identity; leave it out"),
    ("features", "photo_control"): ("none", CONTROL),
    ("features", "text_control"): ("none", CONTROL),
    ("features", "meta_control"): ("none", CONTROL),
    ("features", "listing_tokens"): (64, "a listing has at most 64 word tokens; leave it out"),
    ("features", "attribute_tokens"): (32, "an attribute has at most 32 tokens; leave it out"),
    ("features", "photo_mode"): ("tokens", "set features.photos instead: 0 = none, 1 = the cover"),
}
#: What a run that has it opens with all the same: it decided how the model was trained, or is in the vocabulary.
SETTLED: dict[str, tuple[str, ...]] = {
    "features": ("control_seed", "bins", "duration_buckets", "piece_start", "own_bert_steps"),
    "training": (
        "windows_per_user",
        "histories_per_user",
        "photo_rate",
        "live_photos",
        "weight_decay",
        "clip",
        "collapse_after",
        "validation_queries",
    ),
}
#: A user encoder that is gone.
READOUT = "readout"
#: Numbers of photos that take the place of modes.
PHOTOS = {"none": 0, "cover": 1}


def check_removed(given: Any) -> None:
    """Refuse settings that are gone.

    Raises:
        ValueError: one is given.
    """
    if isinstance(given, Mapping) and given.get("history") == READOUT:
        raise ValueError(f"history = '{READOUT}' was removed: it was never ahead of the others; leave it out")
    for (table, key), (_, advice) in REMOVED.items():
        content = given.get(table) if isinstance(given, Mapping) else None
        if isinstance(content, Mapping) and key in content:
            raise ValueError(f"{table}.{key} was removed: {advice}")
    for table, keys in SETTLED.items():
        content = given.get(table) if isinstance(given, Mapping) else None
        for key in keys:
            if isinstance(content, Mapping) and key in content:
                raise ValueError(f"{table}.{key} was removed: no value gained anything; leave it out")


def stored_settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a stored run without those that are gone.

    Raises:
        VibesError: one has a value under which this version cannot open the run.
    """
    found = {name: dict(value) if isinstance(value, Mapping) else value for name, value in content.items()}
    if found.get("history") == READOUT:
        raise VibesError(
            f"history is '{READOUT}', which was removed; train the run again, or use the version that wrote it"
        )
    features = found.get("features")
    if isinstance(features, dict) and features.get("photo_mode") in PHOTOS:
        features["photos"] = PHOTOS[features.pop("photo_mode")]
    for (table, key), (default, _) in REMOVED.items():
        part = found.get(table)
        if isinstance(part, dict) and part.pop(key, default) != default:
            value = content[table][key]
            raise VibesError(
                f"{table}.{key} is {value!r}, which was removed; train the run again, or use the version that wrote it"
            )
    for table, keys in SETTLED.items():
        for key in keys:
            if isinstance(part := found.get(table), dict):
                part.pop(key, None)
    return found
