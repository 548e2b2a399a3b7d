"""A run's model for other engines, in a folder with what tells how to use it.

out/export.json    what is there: by format the graphs and their inputs, the model they are of, the checks
out/listings.*     bare listings to vectors
out/histories.*    histories to vectors, unless those go through the same graph
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.market.documents import read_json, write_json
from listing_vibes.market.durable import sweep_left
from listing_vibes.model.export.formats import FORMATS
from listing_vibes.model.export.graph import PaddedGraph, graphs_of
from listing_vibes.model.export.inputs import Arrays, history_inputs, listing_inputs
from listing_vibes.model.export.trace import write_graph
from listing_vibes.progress import Counted, Report
from listing_vibes.run.prepared import weights_digest
from listing_vibes.run.run import Run

MANIFEST = "export.json"
SAMPLE = 8  # rows that a graph is traced with


def export_run(run: Run, out: Path, format: str, report: Report | None = None) -> list[Path]:
    """Write the model of `run` into `out` in one format; returns the files.

    Raises:
        VibesError: no model, no events to trace it with, or a library is missing.
    """
    engine, config = run.engine, run.engine.settings.encoder_config()
    if not len(run.log):
        raise VibesError(
            f"{run.market.path} has no events, so no history can be traced; export on one that has."
        )
    sweep_left(out)
    listings, histories = graphs_of(engine.model)
    graphs = {"listings": listings} | ({} if histories is listings else {"histories": histories})
    way = FORMATS[format]()
    files = {kind: out / f"{kind}{way.suffix}" for kind in graphs}
    for number, (kind, graph) in enumerate(graphs.items()):
        if report is not None:
            report(Counted(f"{format}: {kind}", number, len(graphs)))
        sample = _listing_sample(run) if kind == "listings" else _history_sample(run)
        longest = config.max_items - 1 if "table" in sample else config.max_tokens
        write_graph(graph, sample, files[kind], format, longest)
    names = {"listings": files["listings"].name, "histories": files.get("histories", files["listings"]).name}
    _note(run, out, format, names, graphs)
    return list(files.values())


def _listing_sample(run: Run) -> Arrays:
    """The listings with the most tokens."""
    inputs = run.engine.inputs(run.log)
    order = np.argsort(-inputs.listing_lengths(np.arange(len(run.listing_ids))), kind="stable")
    rows = np.resize(order[:SAMPLE], SAMPLE)
    return listing_inputs(run.engine.model, inputs, rows, run.engine.featurizer.vocabulary)


def _history_sample(run: Run) -> Arrays:
    """The longest histories."""
    log, engine = run.log, run.engine
    users = np.resize(np.argsort(-np.diff(log.start), kind="stable")[:SAMPLE], SAMPLE)
    start, end = log.start[users], log.start[users + 1]
    vocabulary = engine.featurizer.vocabulary
    return history_inputs(engine.model, engine.inputs(log), start, end, vocabulary, run.vectors("model"))


def _note(run: Run, out: Path, format: str, names: dict[str, str], graphs: dict[str, PaddedGraph]) -> None:
    """Add one format to `export.json`; graphs of an older model are no longer named there."""
    weights, before = weights_digest(run.folder), read_manifest(out)
    if before.get("weights") != weights:
        before = {"graphs": {}, "checks": {}}
    before["checks"].pop(format, None)
    manifest = {
        "version": 1,
        "weights": weights,
        "history": run.engine.model.history,
        "width": run.engine.featurizer.width,
        "inputs": {
            kind: {name: [axis or "width" for axis in axes] for name, axes in graph.inputs.items()}
            for kind, graph in graphs.items()
        },
        "graphs": before["graphs"] | {format: names},
        "checks": before["checks"],
    }
    save_manifest(out, manifest)


def read_manifest(out: Path) -> dict[str, Any]:
    """What `export.json` in `out` says; empty where there is none.

    Raises:
        VibesError: it is damaged.
    """
    return read_json(out / MANIFEST, "remove it and export again") or {}


def save_manifest(out: Path, manifest: dict[str, Any]) -> None:
    """Write `export.json`."""
    write_json(out / MANIFEST, manifest, indent=1)
