"""Does a name tell its group? `python -m tests.benchmarks.group_names RUN [--halves 5] [--space NAME] [--json]`.

A rater who has learned what the words of names mean from one half of the listings (one logistic regression a word, from the
vectors of photos and of attributes) is shown eight listings of a group from the other half, and picks its name among four:
its own and those of three other groups of the map. Names are made of the first half alone. Today's rule beside the one before
it: traits in order, no tones of the covers, words of titles whatever they say. Chance is one in four. How many names of the whole
map are a number, or end in one, is told too.
"""

import argparse
import json
import re
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from sklearn.linear_model import LogisticRegression

from listing_vibes.insight.map import cluster_names
from listing_vibes.insight.map.cluster_looks import coded_looks
from listing_vibes.insight.map.cluster_names import Coded, Portrait, coded_attributes, portraits
from listing_vibes.insight.map.tones import COLUMNS, LABEL, coded_tones
from listing_vibes.insight.map.vibe_map import map_frame, read_map
from listing_vibes.insight.search.photo_search import PhotoSearch
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.run import Run

SHOWN, AMONG, TURNS = 8, 4, 40
AXES = 48  # of each kind of vectors that the rater sees
LEAST = 3  # listings of a group in the held-out half
NUMBERED = re.compile(r"^Group \d+$|\(\d+\)$")
#: Words that the rule before left out: no numbers, and none of the later ones.
FORMER_STOP = frozenset(cluster_names._STOP.partition(" must may ")[0].split())


def _former(traits, words, *_others) -> list[str]:  # type: ignore[no-untyped-def]
    taken: set[str] = set()
    found = []
    for number, (mine, spoken) in enumerate(zip(traits, words, strict=True)):
        pieces = list(dict.fromkeys(trait.piece for trait in mine))
        quoted = [f"“{word}”" for word in spoken]
        kept = pieces[:2] + quoted[: 1 if pieces else 3]
        spare = pieces[2:5] + quoted[len(kept) - len(pieces[:2]) : 5]
        while " · ".join(kept) in taken and spare:
            kept.append(spare.pop(0))
        if " · ".join(kept) in taken:
            kept[-1:] = [f"{''.join(kept[-1:])} ({number + 1})"]
        name = " · ".join(kept)
        taken.add(name)
        found.append(name[:1].upper() + name[1:] or f"Group {number + 1}")
    return found


def named(
    run: Run, rows: np.ndarray, group: np.ndarray, coded: list[Coded], space: str, rule: str
) -> list[Portrait]:
    """The groups of listings `rows` by a rule; `coded` with the tones of the covers last."""
    if rule == "today":
        leading = (LABEL,) if space == "photos" else ()
        return portraits(run.market, rows, group, coded=coded, leading=leading)
    with (
        mock.patch.object(cluster_names, "STOP", FORMER_STOP),
        mock.patch.object(cluster_names, "_valued", lambda _market: set()),
        mock.patch.object(cluster_names, "names_of", _former),
    ):
        return portraits(run.market, rows, group, coded=[one for one in coded if one[0] != LABEL])


def holds(run: Run, rows: np.ndarray, coded: list[Coded]) -> dict[str, np.ndarray]:
    """(n,) bool by piece of a name: for which listings it holds."""
    found: dict[str, np.ndarray] = {}
    for _, pieces, place, code in coded:
        for at, (_, piece) in enumerate(pieces):
            found.setdefault(_key(piece), np.zeros(len(rows), bool))[place[code == at]] = True
    return found


def says(run: Run, rows: np.ndarray, word: str) -> np.ndarray:
    """(n,) bool: whose texts have a word."""
    market = run.market
    names = [one.name for one in market.attributes if cluster_names.kind_of(one.kind).sentences]
    names += [market.config.title] if market.config.title and market.config.title not in names else []
    texts = market.listings[names].iloc[rows].fillna("").astype(str).agg(" ".join, axis=1).str.lower()
    return texts.str.contains(rf"\b{word}\b", regex=True).to_numpy(bool)


def measure(run: Run, halves: int, spaces: list[str]) -> dict[str, Any]:
    """By space, rule and what the rater sees: the share of right picks, over halves."""
    frame = read_map(run)
    frame = map_frame(run) if frame is None else frame
    search = PhotoSearch.open(run)
    found: dict[str, Any] = {}
    for space in spaces:
        mine = frame[(frame["space"] == space) & frame[C.LISTING].isin(run.market.listing_row)]
        rows = mine[C.LISTING].map(run.market.listing_row).to_numpy(np.int64)
        group, tones = mine["cluster"].to_numpy(int), mine.reindex(columns=list(COLUMNS))
        groups = int(group.max(initial=-1)) + 1
        if groups < AMONG:
            continue
        seen = {name: run.vectors(name)[rows] for name in ("photos", "attributes") if name in run.spaces}
        shares: dict[tuple[str, str], list[float]] = {}
        example: dict[str, list[str]] = {}
        numbered: dict[str, int] = {}
        for half in range(halves):
            rng = np.random.default_rng(half)
            learned = np.zeros(len(rows), bool)
            learned[rng.permutation(len(rows))[: len(rows) // 2]] = True
            # What holds is coded for all listings at once, so that thirds of numbers are the market's; names see one half.
            coded = [*coded_attributes(run.market, rows), *coded_tones(tones.reset_index(drop=True))]
            if search is not None:
                coded.append(coded_looks(search.looks, run.market, rows))
            known, half_coded = holds(run, rows, coded), [_of(one, learned) for one in coded]
            eyes_on = {name: _main_axes(vectors, learned) for name, vectors in seen.items()}
            if len(eyes_on) > 1:
                eyes_on["both"] = np.concatenate(list(eyes_on.values()), axis=1)
            evidence: dict[str, dict[str, np.ndarray]] = {eyes: {} for eyes in eyes_on}
            turns = _turns(group, ~learned, groups, rng)
            if not half:
                for rule in ("before", "today"):
                    told = named(run, rows, group, coded, space, rule)
                    numbered[rule] = sum(bool(NUMBERED.search(one.name)) for one in told)
            for rule in ("before", "today"):
                told = named(run, rows[learned], group[learned], half_coded, space, rule)
                names = [one.name for one in told]
                example.setdefault(rule, names)
                for eyes, vectors in eyes_on.items():
                    shares.setdefault((rule, eyes), []).append(
                        _right(run, rows, names, known, vectors, learned, turns, evidence[eyes])
                    )
        found[space] = {
            "groups": groups,
            "right": {
                f"{rule}, sees {eyes}": {
                    "mean": float(np.mean(values)),
                    "low": min(values),
                    "high": max(values),
                }
                for (rule, eyes), values in shares.items()
            },
            "names": example,
            "numbered": numbered,
        }
    return found


def _of(one: Coded, chosen: np.ndarray) -> Coded:
    label, pieces, place, code = one
    number = np.cumsum(chosen) - 1
    kept = chosen[place]
    return label, pieces, number[place[kept]], code[kept]


def _turns(
    group: np.ndarray, free: np.ndarray, groups: int, rng: np.random.Generator
) -> list[tuple[np.ndarray, list[int]]]:
    """What is shown and the four groups that are asked about, the right one first."""
    found = []
    for number in range(groups):
        members = np.flatnonzero((group == number) & free)
        if len(members) < LEAST:
            continue
        others = [other for other in range(groups) if other != number]
        for _ in range(TURNS):
            shown = rng.choice(members, min(SHOWN, len(members)), replace=False)
            found.append((shown, [number, *rng.choice(others, AMONG - 1, replace=False).tolist()]))
    return found


def _right(
    run: Run,
    rows: np.ndarray,
    names: list[str],
    known: dict[str, np.ndarray],
    vectors: np.ndarray,
    learned: np.ndarray,
    turns: list[tuple[np.ndarray, list[int]]],
    evidence: dict[str, np.ndarray],
) -> float:
    """The share of turns in which the rater picks the right name; of names that say as much each is picked as often.

    `evidence` is filled by piece, for another rule's names.
    """
    scores = np.zeros((len(names), len(rows)))
    told = [[_key(piece) for piece in name.partition(" (")[0].split(" · ")] for name in names]
    for pieces in told:
        for piece in pieces:
            if piece not in evidence:
                holding = known.get(piece)
                if holding is None and piece.startswith("“"):
                    holding = says(run, rows, piece.strip("“”"))
                evidence[piece] = _evidence(vectors, holding, learned)
    for number, pieces in enumerate(told):
        scores[number] = np.mean([evidence[piece] for piece in pieces], axis=0)
    right = 0.0
    for shown, asked in turns:
        mean = scores[asked][:, shown].mean(axis=1)
        best = np.flatnonzero(mean >= mean.max() - 1e-9)
        right += (0 in best) / len(best)
    return right / len(turns)


def _evidence(vectors: np.ndarray, holding: np.ndarray | None, learned: np.ndarray) -> np.ndarray:
    """(n,) how much more a listing looks like one for which a piece holds than listings do, in log odds; 0 of what says nothing."""
    if holding is None or not 2 <= holding[learned].sum() <= learned.sum() - 2:
        return np.zeros(len(vectors))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=0.1, max_iter=100).fit(vectors[learned], holding[learned])
    odds = model.decision_function(vectors)
    found: np.ndarray = np.clip(odds, -6, 6) - np.clip(odds[learned], -6, 6).mean()
    return found


def _main_axes(vectors: np.ndarray, learned: np.ndarray) -> np.ndarray:
    """(n, AXES) float32: the greatest variance of the half that is learned from, each axis of unit variance."""
    mean = vectors[learned].mean(axis=0)
    _, scale, axes = np.linalg.svd(vectors[learned] - mean, full_matrices=False)
    found: np.ndarray = (
        (vectors - mean) @ axes[:AXES].T / np.maximum(scale[:AXES], 1e-6) * np.sqrt(learned.sum())
    )
    return found


def _key(piece: str) -> str:
    return piece[:1].lower() + piece[1:]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--halves", type=int, default=5)
    parser.add_argument("--space", action="append", help="of the map; by default all of the run")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    run = Run.open(given.run)
    found = measure(run, given.halves, given.space or run.spaces)
    if given.json:
        print(json.dumps(found, indent=1))
        return
    for space, one in found.items():
        print(f"{space}: {one['groups']} groups")
        for said, share in one["right"].items():
            print(f"  {said:24} {share['mean']:.3f} ({share['low']:.3f} to {share['high']:.3f})")
        for rule, names in one["names"].items():
            print(f"  {rule}, {one['numbered'][rule]} numbered: {'; '.join(names)}")


if __name__ == "__main__":
    main()
