"""Evaluation results as plain text for a person."""

from collections.abc import Mapping

NAME = 18  # characters for a scorer's name
CELL = 12
MOST_WEEKS = 12  # more weeks than these are left to the JSON document


def results_table(headline: str, results: Mapping[str, Mapping], differences: Mapping[str, Mapping]) -> str:
    """Two lines a scorer, the means and beneath them their 95 % intervals; then the differences on recall."""
    metrics = list(next(iter(results.values())))
    width = max([NAME, *(len(name) + 2 for name in results)])
    lines = [headline, "", _row("", [_title(metric) for metric in metrics], width)]
    for name, found in results.items():
        lines.append(_row(name, [_share(found[metric]["value"]) for metric in metrics], width))
        lines.append(_row("", [_range(found[metric]) for metric in metrics], width))
    lines += ["", "95 % intervals over users in the second line; ties count against a scorer."]
    if differences:
        metric = "recall@30" if "recall@30" in metrics else metrics[0]
        lines += ["", f"Paired differences of {metric} (p-values with Holm's correction):"]
        width = max(len(pair) for pair in differences)
        for pair, found in differences.items():
            one = found[metric]
            lines.append(
                f"{pair:<{width}}  {one['value']:+.3f}  ({_range(one, signed=True)})  p {_p(one['p_holm'])}"
            )
    return "\n".join(lines)


def slices_table(slices: Mapping[str, Mapping], scorers: list[str], metric: str) -> str:
    """One line a slice: how many queries it has, and `metric` of every scorer; weeks only where they are few."""
    cell = max(map(len, scorers), default=0) + 2
    lines = [metric, _row("", ["queries", *scorers], NAME, cell)]
    weeks = [name for name in slices if name.startswith("week ")]
    for name, found in slices.items():
        if len(weeks) > MOST_WEEKS and name in weeks:
            continue
        cells = [_share(found["results"][scorer][metric]["value"]) for scorer in scorers if found["results"]]
        lines.append(_row(name, [f"{found['queries']:,}", *cells], NAME, cell))
    if len(weeks) > MOST_WEEKS:
        lines.append(f"{len(weeks)} weeks after training: see --json.")
    return "\n".join(lines)


def _row(name: str, cells: list[str], width: int, cell: int = CELL) -> str:
    return (f"{name:<{width}}" + "".join(f"{text:>{cell}}" for text in cells)).rstrip()


def _title(metric: str) -> str:
    return metric.replace("ndcg", "NDCG").replace("mrr", "MRR")


def _share(value: float) -> str:
    return f"{value:.3f}"


def _range(estimate: Mapping, signed: bool = False) -> str:
    if estimate["low"] is None:
        return "one user"
    if signed:
        return f"{estimate['low']:+.3f} to {estimate['high']:+.3f}"
    return f"{estimate['low']:.3f}-{estimate['high']:.3f}".replace("0.", ".")


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
