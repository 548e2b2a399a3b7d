"""The report's words: names of scorers, the method in plain words, and its limits."""

from typing import Any

NAMES = {
    "model": "Model",
    "itemknn": "ItemKNN",
    "ease": "EASE",
    "als": "Implicit ALS",
    "oracle": "Ceiling: knows the simulated tastes",
}
SERVED = "model +"  # the model and what serving adds to it: no rival of the model
CEILING = "oracle"  # of a simulated market: no rival, but what the best model could reach
SURE = 0.05  # corrected p-value from which a difference counts
USED_UP = (
    "The model was trained on every event of this market, so nothing is left to measure it on. The run that it repeats "
    "has the figures."
)
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
        if subject != "model" or other == CEILING or other.startswith(SERVED) or metric not in one:
            continue
        sure = one[metric].get("p_holm", 1.0) < SURE
        word = "not told apart from" if not sure else "above" if one[metric]["value"] > 0 else "below"
        groups[word].append(other)
    return groups


def also_told(metrics: dict[str, Any]) -> str:
    """Sentences, each with a space before it: where a leave-one-out evaluation hid the histories, and what there is to
    know of how the model was trained."""
    hidden = metrics.get("protocol") == "leave-one-out" and metrics.get("history_hidden")
    trained = metrics.get("notes", {}).get("model")
    told = " What they had touched before was not recommended." if hidden else ""
    return f"{told} The model was {trained}." if trained else told


METHOD = (
    "Every listing is read as a short text of its own: its attributes, its photos and its description. Photos are first "
    "turned into numbers by a network that was trained on many other pictures.",
    "A user is the sequence of the listings that they touched, in their order, with what they did and for how long.",
    "One network, a Longformer, turns listings and users into points in the same space. It is trained so that a user lies "
    "near to the listings that they touched next. What lies near to a user is recommended; what lies near to a listing "
    "is alike.",
    "The model knows no listing and no user by name. So it can place a listing that nobody has touched yet, and a user "
    "whom it has never seen.",
    "The methods beside it are popularity and models that count who touched what together. They are tuned on the "
    "validation weeks, and asked exactly the same questions.",
)
LIMITS = (
    "A touch is not a purchase: the figures say how well the next touched listing is foretold, not how satisfied people were.",
    "People could only touch what they were shown then, so what was rarely shown is rarely right.",
    "Intervals are over users of this market; another market or another season may differ.",
    "Photos and attributes can stand for things that must not decide, such as who lives in a quarter. Look at the groups "
    "before you act on them.",
)
