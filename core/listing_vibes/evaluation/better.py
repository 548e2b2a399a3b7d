"""Whether another list of a run's model is surely better than the one that is made unasked."""

from collections.abc import Mapping

#: What an evaluation calls the note.
BETTER = "surely better"
LEVEL = 0.05
METRIC = "recall@30"


def surely_better(differences: Mapping[str, Mapping], asked: Mapping[str, str], subject: str) -> str:
    """The list that is furthest ahead of `subject`, of those that surely are, and how it is asked for; empty where none is.

    Args:
        differences: of `subject - other` by metric, with `p_holm`.
        asked: what `--blend` takes for each row that it knows.
    """
    behind = {
        name: found[METRIC]["value"]
        for name in asked
        if METRIC in (found := differences.get(f"{subject} - {name}", {}))
        and found[METRIC]["value"] < 0
        and found[METRIC]["p_holm"] < LEVEL
    }
    if not behind:
        return ""
    name = min(behind, key=lambda one: behind[one])
    return f"{name}, by {-behind[name]:.3f} of {METRIC}: ask for such lists with `--blend {asked[name]}`"
