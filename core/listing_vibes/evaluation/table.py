"""Evaluation results as frames of text cells, for the screen and for a notebook."""

from collections.abc import Mapping, Sequence

import pandas as pd

from listing_vibes.tables import write_interval, write_p

MOST_WEEKS = 12  # more weeks are in the JSON document only


def results_frame(results: Mapping[str, Mapping]) -> pd.DataFrame:
    """Return one row per scorer and one column per metric: the mean and its 95 % interval."""
    rows = [
        {"": name}
        | {
            metric.replace("ndcg", "NDCG").replace(
                "mrr", "MRR"
            ): f"{item['value']:.3f} {write_interval(item)}"
            for metric, item in result.items()
        }
        for name, result in results.items()
    ]
    return pd.DataFrame(rows)


def differences_frame(differences: Mapping[str, Mapping], metric: str, p: str = "p_holm") -> pd.DataFrame:
    """Return one row per pair: the paired difference of a metric, its 95 % interval and its p-value."""
    rows = [
        {
            "": pair,
            "difference": f"{result[metric]['value']:+.3f}",
            "95 % interval": write_interval(result[metric], signed=True),
            "p": write_p(result[metric][p]),
        }
        for pair, result in differences.items()
    ]
    return pd.DataFrame(rows)


def slices_frames(slices: Mapping[str, Mapping], scorers: Sequence[str], metric: str) -> list[pd.DataFrame]:
    """Return one row per scorer and one column per slice, with the number of queries on top; weeks, if few, have a separate frame."""
    weeks = [name for name in slices if name.startswith("week ")]
    groups = [[name for name in slices if name not in weeks], weeks if len(weeks) <= MOST_WEEKS else []]
    frames = []
    for names in filter(None, groups):
        rows = [{"": "queries"} | {name: f"{slices[name]['queries']:,}" for name in names}]
        for scorer in scorers:
            values = {name: slices[name]["results"].get(scorer) for name in names}
            cells = {name: f"{item[metric]['value']:.3f}" if item else "-" for name, item in values.items()}
            rows.append({"": scorer} | cells)
        frames.append(pd.DataFrame(rows))
    return frames
