"""Experiments of simulated users: `python -m tests.benchmarks.experiment [--experiments 1000] [--sessions 2000] [--json]`.

The people of the demo market (`core/listing_vibes/demo/choice.py`) open what pleases them most of a list of ten, or close the page. Two
rankers know what pleases them but for noise of their own, drawn anew for each session. Where both have the same noise neither
is better, and an alarm at any look is a false one; the test looks after every session. Planted differences: less noise, and a
ranker that does not know what is seen on the photos. Interleaved, a session decides for whoever put there the first listing
that is opened; split, a user decides by asking about it, which takes a listing that pleases more than most.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator

import numpy as np

from listing_vibes.demo.choice import matches, utility
from listing_vibes.demo.world import World
from listing_vibes.evaluation.sequential import LEVEL, log_evidence, needed

K, CANDIDATES, POOL, CHUNK = 10, 20, 2000, 50_000
Ranker = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def drafted(one: np.ndarray, two: np.ndarray, k: int, coins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(S, k) listings and teams (0, 1, -1 of both) of S lists drafted from rankings (S, C), by coins (S, k): what
    `listing_vibes.serving.experiment.draft` does one by one."""
    rows, size = np.arange(len(one)), np.zeros(len(one), np.int64)
    listing, team = np.zeros((len(one), k + 1), np.int64), np.full((len(one), k + 1), -2)
    taken = np.zeros(one.shape, bool)
    at = [size.copy(), size.copy()]

    def best(which: int, ranking: np.ndarray) -> np.ndarray:
        while True:
            found = ranking[rows, at[which]]
            gone = taken[rows, found]
            if not gone.any():
                return found
            at[which] += gone

    def put(found: np.ndarray, of: np.ndarray, joins: np.ndarray) -> None:
        place = np.where(joins & (size < k), size, k)  # the last column is thrown away
        listing[rows, place], team[rows, place] = found, of
        taken[rows, found] |= place < k
        size[:] += place < k

    for turn in range(k):
        x, y, coin = best(0, one), best(1, two), coins[:, turn]
        both = x == y
        put(np.where(coin == 1, y, x), np.where(both, -1, coin), size < k)
        put(np.where(coin == 1, x, y), 1 - coin, ~both)
    return listing[:, :k], team[:, :k]


class People:
    """Sessions of the demo's people: what C listings that fit are worth to whoever searches."""

    def __init__(self, seed: int) -> None:
        world, rng = World.draw(), np.random.default_rng(seed)
        users, days = np.nonzero(world.people.visits)
        drawn = rng.permutation(len(users))[: 2 * POOL]
        user, day = users[drawn], days[drawn] + 0.8
        fits = matches(world.stock, world.people, user, day, world.parameters) & world.stock.live(day)
        enough = np.flatnonzero(fits.sum(axis=1) >= CANDIDATES)[:POOL]
        user, day, fits = user[enough], day[enough], fits[enough]
        listing = np.argsort(np.where(fits, rng.random(fits.shape), np.inf), axis=1)[:, :CANDIDATES]
        self.value, self.blind = (  # (P, C) with what the photos show, and without
            np.take_along_axis(
                utility(world.stock, world.people, user, day, world.parameters, of), listing, 1
            )
            for of in (1.0, 0.0)
        )
        self.asking = float(np.quantile(self.value, 0.95))
        self.position = world.parameters.page.position
        self.outside = world.parameters.choice.outside

    def knowing(self, noise: float, photos: bool = True) -> Ranker:
        """A ranker (P',) sessions -> (P', C) rankings that knows what pleases but for `noise`."""

        def rank(session: np.ndarray, rng: np.random.Generator) -> np.ndarray:
            known = (self.value if photos else self.blind)[session]
            return np.argsort(rng.normal(0, noise, known.shape) - known, axis=1)

        return rank

    def opens(self, session: np.ndarray, shown: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(S,) the place of the first listing that is opened of `shown` (S, k); k: none."""
        value = np.take_along_axis(self.value[session], shown, axis=1) + rng.gumbel(0, 1, shown.shape)
        value -= self.position * np.log(np.arange(1, shown.shape[1] + 1))
        close = self.outside + rng.gumbel(0, 1, len(shown))
        return np.where(value.max(axis=1) > close, value.argmax(axis=1), shown.shape[1])


def interleaved(people: People, a: Ranker, b: Ranker, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count,) for whom each session decides: 0, 1, or -1 for nobody."""
    session = rng.integers(0, len(people.value), count)
    shown, team = drafted(a(session, rng), b(session, rng), K, rng.integers(0, 2, (count, K)))
    opened = people.opens(session, shown, rng)
    return np.take_along_axis(np.hstack([team, np.full((count, 1), -1)]), opened[:, None], axis=1)[:, 0]


def split(share: float) -> Callable[..., np.ndarray]:
    """As `interleaved`, of users who have one of the two, one session each; they decide by asking about what they opened."""

    def asked(people: People, a: Ranker, b: Ranker, count: int, rng: np.random.Generator) -> np.ndarray:
        session, arm = rng.integers(0, len(people.value), count), (rng.random(count) < share).astype(int)
        shown = np.where(arm[:, None] == 1, b(session, rng)[:, :K], a(session, rng)[:, :K])
        place = people.opens(session, shown, rng)
        listing = np.take_along_axis(shown, np.minimum(place, K - 1)[:, None], axis=1)[:, 0]
        asks = (place < K) & (people.value[session, listing] + rng.normal(0, 1, count) > people.asking)
        return np.where(asks, arm, -1)

    return asked


def parts(total: int) -> Iterator[int]:
    for first in range(0, total, CHUNK):
        yield min(CHUNK, total - first)


def ended(outcome: np.ndarray, null: float) -> tuple[np.ndarray, float, float]:
    """(E,) after how many sessions each of E experiments (E, N) had ended, N + 1: never; the share of 1 among those that
    decided, and how many did of all."""
    decided = outcome >= 0
    wins, count = np.cumsum(outcome == 1, axis=1), np.cumsum(decided, axis=1)
    over = log_evidence(wins, count, null, null) >= -np.log1p(-LEVEL)  # a look after every session
    first = np.where(over.any(axis=1), over.argmax(axis=1) + 1, outcome.shape[1] + 1)
    return first, float((outcome == 1).sum() / max(1, decided.sum())), float(decided.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--planted", type=int, default=200, help="experiments with a planted difference")
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    begin, rng, people = time.perf_counter(), np.random.default_rng(told.seed), People(told.seed)
    same, looks = people.knowing(1.0), [n for n in (100, 250, 500, 1000, 2000, 4000) if n <= told.sessions]
    cases = [
        ("interleaved", "alike", interleaved, same, 0.5, told.experiments),
        ("split in halves", "alike", split(0.5), same, 0.5, told.experiments),
        ("a fifth gets B", "alike", split(0.2), same, 0.2, told.experiments),
        ("interleaved", "B less noise: 0.7", interleaved, people.knowing(0.7), 0.5, told.planted),
        ("interleaved", "B no noise", interleaved, people.knowing(0.0), 0.5, told.planted),
        ("interleaved", "B blind to photos", interleaved, people.knowing(1.0, False), 0.5, told.planted),
        ("split in halves", "B no noise", split(0.5), people.knowing(0.0), 0.5, told.planted),
    ]
    found = []
    for design, difference, asked, other, null, experiments in cases:
        flat = [asked(people, same, other, n, rng) for n in parts(experiments * told.sessions)]
        first, share, decided = ended(np.concatenate(flat).reshape(experiments, -1), null)
        wanted = needed(share, null) if difference != "alike" else None
        found.append(
            {
                "design": design, "difference": difference, "experiments": experiments,
                "share_of_b": round(share, 4), "decided": round(decided, 3),
                "ended": {n: round(float((first <= n).mean()), 3) for n in looks},
                "foretold_for_80_percent": None if wanted is None else round(wanted / decided),
            }
        )  # fmt: skip
    document = {"sessions": told.sessions, "seconds": round(time.perf_counter() - begin, 1), "cases": found}
    if told.json:
        print(json.dumps(document))
        return
    print(
        f"{'design':<17}{'difference':<20}{'B':>7}{'decided':>9}  ended after "
        + "".join(f"{n:>7}" for n in looks)
        + "   80 % foretold"
    )
    for one in found:
        print(
            f"{one['design']:<17}{one['difference']:<20}{one['share_of_b']:>7.3f}{one['decided']:>9.3f}{'':>14}"
            + "".join(f"{value:>7.1%}" for value in one["ended"].values())
            + f"   {one['foretold_for_80_percent'] or '-'}"
        )
    print(f"{told.sessions} sessions an experiment, {document['seconds']} s")


if __name__ == "__main__":
    main()
