"""The report's words: names of scorers, the method in plain words, and its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from listing_vibes.evaluation.notes import DRAWN, LEFT_OUT, RIVALS, WITHIN
from listing_vibes.market.leaks import leaks_by_name
from listing_vibes.model.settings import Resolved
from listing_vibes.run.describe import reader_sentence
from listing_vibes.scoring.baselines import in_order
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, uses_model
from listing_vibes.words import count, percent

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

NAMES = {
    **{one.name: one.label for one in in_order().values() if one.label},
    "oracle": "Ceiling: knows the simulated tastes",
}
CEILING = "oracle"  # of a simulated market: no rival, but what the best model could reach
NAMED = 6  # columns that are named in a sentence
SURE = 0.05  # corrected p-value from which a difference counts
USED_UP = (
    "The model was trained on every event of this market, so nothing is left to measure it on. The run that it repeats "
    "has the figures."
)
NO_QUERY = "There was no query to test on."
SPACES = {"model": "the trained model", "photos": "photos", "attributes": "attributes"}
PROTOCOLS = {
    "temporal": "Trained on earlier events and tested on later ones: for each test event, the model sees what the user did "
    "before it, ranks all listings that were live then and not yet touched, and is right where the one touched next is "
    "among the first 30.",
    "leave-one-out": "Each user's last event is foretold from those before it, among all listings.",
}


def rivals(differences: dict[str, Any], metric: str) -> dict[str, list[str]]:
    """The scorers that the model is above, below and not told apart from, by paired tests corrected for their number."""
    groups: dict[str, list[str]] = {"above": [], "below": [], "not told apart from": []}
    for pair, one in differences.items():
        subject, _, other = pair.partition(" - ")
        if subject != DEFAULT_RANKING or other == CEILING or uses_model(other) or metric not in one:
            continue
        sure = one[metric].get("p_holm", 1.0) < SURE
        word = "not told apart from" if not sure else "above" if one[metric]["value"] > 0 else "below"
        groups[word].append(other)
    return groups


def also_told(metrics: dict[str, Any]) -> str:
    """Sentences, each with a space before it: where a leave-one-out evaluation hid the histories, and what there is to
    know of how the model was trained, whether all users were asked, which rivals were left out."""
    hidden = metrics.get("protocol") == "leave-one-out" and metrics.get("history_hidden")
    notes = metrics.get("notes", {})
    told = " What they had touched before was not recommended." if hidden else ""
    if drawn := notes.get(DRAWN):
        told += f" Asked were {drawn}."
    if left_out := notes.get(LEFT_OUT):
        told += f" Not measured beside it: {left_out}."
    return f"{told} The {DEFAULT_RANKING} is {blend}." if (blend := notes.get(DEFAULT_RANKING)) else told


def bounds(low: float | None, high: float | None) -> str:
    """An interval of shares; empty where there is none."""
    return "" if low is None or high is None else f"{percent(low)} to {percent(high)}"


PHOTOS_READ = "Photos are first turned into numbers by a network that was trained on many other pictures."
BESIDE = "The methods beside it are popularity and models that count who touched what together. They {tuned}asked exactly the same questions."
UNTRAINED = (
    f"Listings are compared by their attributes and by their photos. {PHOTOS_READ}",
    "No model was trained here, so nothing is learned from what people touched: what lies near to a listing looks like it "
    "or has the like attributes.",
)


def method(settings: Resolved | None, metrics: dict[str, Any] | None = None) -> tuple[str, ...]:
    """How the model of these settings works, in plain words, and what it was measured beside; without a model, what listings are
    compared by."""
    if settings is None:
        return UNTRAINED
    return (
        "Every listing is read as a short text of its own: its attributes, its photos and its description. "
        + PHOTOS_READ,
        "A user is the sequence of the listings that they touched, in their order, with what they did and for how long. "
        + reader_sentence(settings),
        "So listings and users become points in the same space. The model is trained so that a user lies near to the "
        "listings that they touched next. What lies near to a user is recommended; what lies near to a listing is alike.",
        "The model knows no listing and no user by name. So it can place a listing that nobody has touched yet, and a user "
        "whom it has never seen.",
        *_measured_beside(metrics or {}),
    )


def _measured_beside(metrics: dict[str, Any]) -> list[str]:
    others = [name for name in metrics.get("results", {}) if not uses_model(name)]
    if set(others) <= {CEILING}:
        return []
    part = "validation weeks" if metrics.get("protocol") == "temporal" else "validation"
    note = metrics.get("notes", {}).get(RIVALS)
    if note == WITHIN:
        part = "last eighth of what trained"
    return [BESIDE.format(tuned="are " if note not in (None, WITHIN) else f"are tuned on the {part}, and ")]


def cold_sentence(run: Run) -> str:
    """What a cold listing or user is among the queries of this run."""
    if run.transferred:
        return "Cold means: in none of the events of this market that a training on it would have had; the model was trained on another."
    return "Cold means: not seen in training."


def limits(run: Run) -> list[str]:
    """What to keep in mind when reading the figures of a run."""
    market, lines = run.market, list(LIMITS)
    if run.metrics and run.metrics.get("protocol") == "leave-one-out":
        lines.append(
            "The test foretells each user's last event from those before, so it says nothing about the weeks to come."
        )
    if not len(market.photos):
        lines.append("This market has no photos, so nothing here is about how listings look.")
    if not len(market.events):
        lines.append("This market has no events, so nothing here is about what people touched.")
    if number := len(market.config.excluded):
        told = leaks_by_name(market.config.excluded)
        named = f": {', '.join(told[:NAMED])}{' and others' if len(told) > NAMED else ''}" if told else ""
        why = (
            f", {len(told)} of them because by name they tell the future or the answer{named}" if told else ""
        )
        lines.append(f"{count(number, 'column was', 'columns were')} kept from the model{why}.")
    return lines


LIMITS = (
    "A touch is not a purchase: the figures say how well the next touched listing is foretold, not how satisfied people were.",
    "People could only touch what they were shown then, so what was rarely shown is rarely right.",
    "Intervals are over users of this market; another market or another season may differ.",
    "Photos and attributes can stand for things that must not decide, such as who lives in a quarter. Look at the groups "
    "before you act on them.",
)
