"""Texts of the report: comparisons, the method in plain words, and its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from listing_vibes.evaluation.intervals import SIGNIFICANT
from listing_vibes.evaluation.result import DRAWN, LEFT_OUT, TUNED, WITHIN
from listing_vibes.insight.rankings import METRIC, best_baseline
from listing_vibes.market.leaks import leaks_by_name
from listing_vibes.model.settings import Resolved
from listing_vibes.run.describe import user_encoder_sentence
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, ORACLE, uses_model
from listing_vibes.words import count

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

BETTER, WORSE, NOT_DIFFERENT = "significantly better", "significantly worse", "not significantly different"
NAMED = 6  # maximum number of columns named in a sentence
USED_UP = (
    "The model was trained on every event of this market, so nothing is left to measure it on. The run that it repeats "
    "has the figures."
)
SPACES = {"model": "the trained model", "photos": "photos", "attributes": "attributes"}
PROTOCOLS = {
    "temporal": "Trained on earlier events and tested on later ones: for each test event, the model sees what the user did "
    "before it, ranks all listings that were active then and new to the user, and is right where the next one is "
    "among the first 30.",
    "leave-one-out": "Each user's last event is predicted from those before it, among all listings.",
}


def describe_difference(metrics: dict[str, Any], baseline: str, metric: str = METRIC) -> str:
    """Return the difference of the default ranking to a baseline in words, with its interval and corrected verdict."""
    result = metrics.get("differences", {}).get(f"{DEFAULT_RANKING} - {baseline}", {}).get(metric)
    if not result or result.get("low") is None:
        return ""
    value, low, high = (f"{100 * result[name]:+.1f}".replace("-", "−") for name in ("value", "low", "high"))
    corrected = " after the correction for the number of methods" if "p_holm" in result else ""
    return f"Difference: {value} points ({low} to {high}), {_verdict(result)}{corrected}."


def compare_methods(differences: dict[str, Any], metric: str = METRIC) -> dict[str, list[str]]:
    """Return the baselines that the default ranking is better than, worse than and not significantly different from."""
    words = {BETTER: f"{BETTER} than", WORSE: f"{WORSE} than", NOT_DIFFERENT: f"{NOT_DIFFERENT} from"}
    groups: dict[str, list[str]] = {text: [] for text in words.values()}
    for pair, result in differences.items():
        subject, _, other = pair.partition(" - ")
        if subject == DEFAULT_RANKING and other != ORACLE and not uses_model(other) and metric in result:
            groups[words[_verdict(result[metric])]].append(other)
    return groups


def _verdict(result: dict[str, Any]) -> str:
    if result.get("p_holm", 1.0) >= SIGNIFICANT:
        return NOT_DIFFERENT
    return BETTER if result["value"] > 0 else WORSE


def describe_notes(metrics: dict[str, Any]) -> str:
    """Return sentences, each preceded by a space: hidden histories, sampled users, baselines that were left out, and the
    default ranking.
    """
    notes = metrics.get("notes", {})
    hidden = metrics.get("protocol") == "leave-one-out" and metrics.get("history_hidden")
    sentences = [
        "What users had seen before was not recommended." if hidden else "",
        f"Users: {notes[DRAWN]}." if notes.get(DRAWN) else "",
        f"Not measured: {notes[LEFT_OUT]}." if notes.get(LEFT_OUT) else "",
        f"The {DEFAULT_RANKING} is {notes[DEFAULT_RANKING]}." if notes.get(DEFAULT_RANKING) else "",
    ]
    return "".join(f" {sentence}" for sentence in sentences if sentence)


def not_measured(run: Run) -> str:
    """Return why a run has no results."""
    if run.metrics and run.metrics.get("results"):
        return "The evaluation has no test query."
    if run.trained_on_everything:
        return USED_UP
    if not len(run.market.events):
        return "This run was not measured: its market has no events to test lists on. Similar listings need none."
    why = "it has not been evaluated" if run.has_model else "it has no trained model"
    return f"This run was not measured: {why}."


PHOTOS_READ = "Photos are first turned into numbers by a network that was trained on many other pictures."
UNTRAINED = (
    f"Listings are compared by their attributes and by their photos. {PHOTOS_READ}",
    "No model was trained here, so nothing is learned from what people did: what is near a listing looks like it "
    "or has similar attributes.",
)


def describe_method(settings: Resolved | None, metrics: dict[str, Any]) -> tuple[str, ...]:
    """Describe the model of these settings in plain words; without a model, the comparison of listings."""
    if settings is None:
        return UNTRAINED
    sentences = (
        f"Every listing is read as a short text: its attributes, its photos and its description. {PHOTOS_READ}",
        "A user is the sequence of the listings that they interacted with, in order, with what they did and for how long. "
        + user_encoder_sentence(settings),
        "So listings and users become points in the same space. The model is trained so that a user is near the "
        "listings that they interacted with next. What is near a user is recommended; what is near a listing is similar.",
        "The model knows no listing and no user by name. So it can place a new listing and a new user.",
    )
    if best_baseline(metrics.get("results", {})) is None:
        return sentences
    note = metrics.get("notes", {}).get(TUNED)
    part = "validation weeks" if metrics.get("protocol") == "temporal" else "validation"
    part = "last eighth of what trained" if note == WITHIN else part
    tuned = f"tuned on the {part}, and " if note in (None, WITHIN) else ""
    baselines = "The baselines are popularity and models that count which users did what together."
    return (*sentences, f"{baselines} They are {tuned}tested on exactly the same queries.")


def describe_cold(run: Run) -> str:
    """Define cold listings and users for the queries of this run."""
    if run.transferred:
        return "Cold means: without an event in the training period of this market; the model was trained on another market."
    return "Cold means: not seen in training."


def describe_limits(run: Run) -> list[str]:
    """Return the limits of the results of a run."""
    market, lines = run.market, list(LIMITS)
    if run.metrics and run.metrics.get("protocol") == "leave-one-out":
        lines.append(
            "The test predicts each user's last event from those before, so it says nothing about the weeks to come."
        )
    if not len(market.photos):
        lines.append("This market has no photos, so nothing here is about how listings look.")
    if not len(market.events):
        lines.append("This market has no events, so nothing here is about what people did.")
    if excluded := market.config.excluded:
        leaks = leaks_by_name(excluded)
        more = " and others" if len(leaks) > NAMED else ""
        names = f"their names reveal the future or the answer: {', '.join(leaks[:NAMED])}{more}"
        why = f", {len(leaks)} of them because {names}" if leaks else ""
        lines.append(f"{count(len(excluded), 'column was', 'columns were')} kept from the model{why}.")
    return lines


LIMITS = (
    "A view is not a purchase: the figures say how well the next listing is predicted, not how satisfied people were.",
    "People could only choose among what they were shown then, so what was rarely shown is rarely right.",
    "Intervals are over users of this market; another market or another season may differ.",
    "Photos and attributes can stand for things that must not decide, such as who lives in a quarter. Look at the groups "
    "before you act on them.",
)
