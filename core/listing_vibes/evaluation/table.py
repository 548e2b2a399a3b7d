"""Evaluation results as plain text for a person."""

from collections.abc import Mapping
from html import escape

NAME = 18  # characters for a scorer's name
CELL = 12
SLICE = 10  # characters for a slice
AT_ONCE = 8  # slices beside one another: about a hundred characters a line
MOST_WEEKS = 12  # more weeks than these are left to the JSON document


def results_table(headline: str, results: Mapping[str, Mapping], differences: Mapping[str, Mapping]) -> str:
    """Two lines a scorer, the means and beneath them their 95 % intervals; then the differences on recall."""
    metrics = list(next(iter(results.values())))
    width = max([NAME, *(len(name) + 2 for name in results)])
    lines = [headline, "", _row("", [_title(metric) for metric in metrics], width)]
    for name, found in results.items():
        lines.append(_row(name, [_share(found[metric]["value"]) for metric in metrics], width))
        lines.append(_row("", [_range(found[metric]) for metric in metrics], width))
    lines += [
        "",
        "Means over users, not over queries; 95 % intervals over users in the second line; ties count against a scorer.",
    ]
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


def results_html(headline: str, results: Mapping[str, Mapping], notes: Mapping[str, str]) -> str:
    """The means of every scorer and their 95 % intervals as a table of HTML, for a notebook."""
    metrics = list(next(iter(results.values())))
    head = "".join(f"<th>{escape(_title(metric))}</th>" for metric in metrics)
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        + "".join(
            f"<td>{_share(found[metric]['value'])}<br><small>{_range(found[metric])}</small></td>" for metric in metrics
        )
        + "</tr>"
        for name, found in results.items()
    )  # fmt: skip
    said = "".join(f"<br>{escape(name)} = {escape(note)}" for name, note in notes.items())
    return (
        f"<p>{escape(headline)}</p><table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<p><small>95 % intervals over users; ties count against a scorer.{said}</small></p>"
    )


def slices_table(slices: Mapping[str, Mapping], scorers: list[str], metric: str) -> str:
    """One line a scorer and a column a slice, `AT_ONCE` of them at a time; weeks only where they are few."""
    weeks = [name for name in slices if name.startswith("week ")]
    others = [name for name in slices if name not in weeks]
    few = weeks if len(weeks) <= MOST_WEEKS else []
    width = max([NAME, *(len(name) + 2 for name in scorers)])
    lines = [metric]
    for names in (others, few):
        for first in range(0, len(names), AT_ONCE):
            lines += [*_block(slices, names[first : first + AT_ONCE], scorers, metric, width), ""]
    if len(weeks) > MOST_WEEKS:
        lines.append(f"The {len(weeks)} weeks after training: vibes evaluate RUN --json, under slices.")
    return "\n".join(lines).rstrip()


def _block(
    slices: Mapping[str, Mapping], names: list[str], scorers: list[str], metric: str, width: int
) -> list[str]:
    """The names of some slices on two lines, their queries, and a line a scorer."""
    parts = [name.split(" ", 1) if " " in name else ["", name] for name in names]
    lines = [_row("", [part[line] for part in parts], width, SLICE) for line in (0, 1)]
    lines.append(_row("queries", [f"{slices[name]['queries']:,}" for name in names], width, SLICE))
    for scorer in scorers:
        found = [slices[name]["results"].get(scorer) for name in names]
        cells = [_share(one[metric]["value"]) if one else "-" for one in found]
        lines.append(_row(scorer, cells, width, SLICE))
    return lines


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
