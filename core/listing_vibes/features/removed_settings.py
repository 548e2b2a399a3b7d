"""Removed settings: errors for those who still set them, and defaults for runs of earlier versions that stored them."""

from collections.abc import Mapping
from typing import Any

from listing_vibes.errors import VibesError

CONTROL = "use `control` in a variant of an ablation; leave it out"
#: By table and key: the value with which a stored run can still be opened, and what to do instead. `assets/docs/research` says why.
REMOVED: dict[tuple[str, str], tuple[Any, str]] = {
    ("training", "token_dropout"): (0.0, "it did not improve the results; leave it out"),
    ("training", "positive_vectors"): ("fresh", "positives are encoded with gradient; leave it out"),
    ("training", "negatives"): ("apart", "leave it out, or set training.bank_size = 0 for fresh ones alone"),
    ("features", "photo_start"): ("identity", "the photo layer starts as the identity; leave it out"),
    ("features", "photo_control"): ("none", CONTROL),
    ("features", "text_control"): ("none", CONTROL),
    ("features", "meta_control"): ("none", CONTROL),
    ("features", "listing_tokens"): (64, "a listing has at most 64 word tokens; leave it out"),
    ("features", "attribute_tokens"): (32, "an attribute has at most 32 tokens; leave it out"),
    ("features", "photo_mode"): ("tokens", "set features.photos instead: 0 = none, 1 = the cover"),
}
#: Defaults for a run that stored other values: they only affected training, or are in the vocabulary.
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
#: The blend as versions until 2026-11 stored it; now `[resolved.blend]`.
BLEND = ("recency_served", "recency_fit", "neighbours_served", "neighbours_weighed", "neighbours_nearest")
#: Numbers of photos by removed mode.
PHOTOS = {"none": 0, "cover": 1}


def check_removed(given: Any) -> None:
    """Raise an error for removed settings.

    Raises:
        ValueError: one is set.
    """
    if not isinstance(given, Mapping):
        return
    if given.get("history") == "readout":
        raise ValueError("history = 'readout' was removed: it was never better than the others; leave it out")
    advice = {place: how for place, (_, how) in REMOVED.items()}
    advice |= {
        (table, key): "no value improved the results; leave it out"
        for table, keys in SETTLED.items()
        for key in keys
    }
    advice |= {("training", key): "training chooses the blend; leave it out" for key in BLEND}
    for (table, key), how in advice.items():
        content = given.get(table)
        if isinstance(content, Mapping) and key in content:
            raise ValueError(f"{table}.{key} was removed: {how}")


def stored_settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a stored run in the form of this version.

    Raises:
        VibesError: a setting has a value with which this version cannot open the run.
    """
    values = {name: dict(value) if isinstance(value, Mapping) else value for name, value in content.items()}
    if values.get("history") == "readout":
        raise VibesError("history is 'readout', which was removed; train the run again")
    features, training = values.get("features"), values.get("training")
    if isinstance(features, dict) and features.get("photo_mode") in PHOTOS:
        features["photos"] = PHOTOS[features.pop("photo_mode")]
    for (table, key), (default, _) in REMOVED.items():
        part = values.get(table)
        if isinstance(part, dict) and (value := part.pop(key, default)) != default:
            raise VibesError(f"{table}.{key} is {value!r}, which was removed; train the run again")
    for table, keys in SETTLED.items():
        for key in keys:
            if isinstance(part := values.get(table), dict):
                part.pop(key, None)
    if values.get("inference") == "plain":
        values["inference"] = "float32"
    if isinstance(training, dict):
        blend = _stored_blend(training)
        values |= {} if blend is None or "blend" in values else {"blend": blend}
        training |= {"value_rate": 1.0} if training.get("value_rate") == "auto" else {}
        training |= {"late_itself": True} if training.get("late_itself") == "auto" else {}
    return values


def _stored_blend(training: dict[str, Any]) -> dict[str, Any] | None:
    """Return the blend of a run as versions until 2026-11 stored it, and remove its keys from `training`."""
    served, fit = training.pop("recency_served", False), training.pop("recency_fit", None)
    share, nearest = training.pop("neighbours_served", 0.0), training.pop("neighbours_nearest", False)
    training.pop("neighbours_weighed", None)
    if not served:
        return None
    late, days = training.get("late_interaction", 0.0), training.get("recency_days", 0)
    if fit is not None:
        days, weight = fit
    elif share:
        weight = 1.2
    else:
        weight = training.get("temperature", 0.05) / (1 + (0.0 if late == "auto" else late))
    days = 60 if days in (0, "auto") else days
    return {"days": days, "weight": weight, "neighbors": share, "nearest": nearest and share > 0}
