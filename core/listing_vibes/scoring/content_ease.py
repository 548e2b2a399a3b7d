"""Content EASE: which listings users interacted with together, pulled to which listings are alike, in closed form.

`C` is EASE (Steck, WWW 2019) with the content of listings in place of users, and the weights `B` minimize
|X - X B|^2 + r (1 - s) |B|^2 + r s |B - C|^2 with a zero diagonal: one inverse each. The idea is that of L3AE (CIKM 2025) and of FEASE
(arXiv 2504.02288). Content has few dimensions, so C is never built: with F (L, d), M = inv(F'F + c I) and the leverage
h_j = f_j' M f_j, C_ij is f_i' M f_j / (1 - h_j), the ridge regression of listing j on all others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from listing_vibes.features.reduce import unit_rows
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries, Split, choosing
from listing_vibes.scoring.interactions import Interactions, history_matrix
from listing_vibes.scoring.ranking_metrics import CONTENT_EASE, smooth_recall
from listing_vibes.scoring.tuning import DECAYS, mean_over_users, validation_sample

#: The most listings with rows of their own, whose inverse takes 1.6 GB; beyond, those with most events have one.
MOST_LISTINGS = 20_000
#: Up to so many listings a fit takes seconds; beyond, each setting is tried once and only the first two penalties.
QUICK = 6_000
#: The values of each setting that are tried one setting after the other; the first one is used without validation.
GRID: dict[str, tuple[float, ...]] = {
    "share": (0.95, 0.8, 0.5, 0.98, 0.2, 0.0),
    "content_penalty": (10.0, 1.0, 3.0, 30.0, 100.0),
    "penalty": (100.0, 300.0, 30.0, 1000.0),
    "decay": DECAYS,
}
#: The weights of a space relative to the first one that are tried.
WEIGHTS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)
ROUNDS = 2
#: The most dimensions of a space; further ones are left out.
WIDTH = 256


@dataclass(frozen=True, eq=False)
class Content:
    """The likeness of L listings: C_ij = factor_i . columns_j for i != j."""

    factor: np.ndarray  # (L, d) float32
    columns: np.ndarray  # (L, d) float32
    diagonal: np.ndarray  # (L,) float32, factor_j . columns_j, which C leaves out

    @classmethod
    def fit(
        cls, spaces: Mapping[str, np.ndarray], known: np.ndarray, settings: Mapping[str, float]
    ) -> "Content":
        """Fit C on the listings `known` (L,) bool, by the vectors (L, d) of each space with a weight in `settings`."""
        weighted = [
            np.sqrt(np.float32(weight)) * vectors
            for name, vectors in spaces.items()
            if (weight := settings.get(name, 0.0)) > 0
        ]
        factor = unit_rows(np.hstack(weighted)).astype(np.float32)
        gram = (factor[known].T @ factor[known]).astype(np.float64)
        gram[np.diag_indices(len(gram))] += settings["content_penalty"]
        columns = factor @ np.linalg.inv(gram).astype(np.float32)
        leverage = np.einsum("ld,ld->l", factor, columns)
        rest = np.where(known, 1 - leverage, 1.0).astype(np.float32)  # An unknown listing is not in F'F.
        return cls(factor, columns / rest[:, None], leverage / rest)


@dataclass(frozen=True, eq=False)
class ContentEase:
    """Scores by `history @ B`, each listing of the history weighted by `decay ** age`.

    A listing without training events is predicted, and predicts others, by s C, which is B without any events.
    """

    interactions: Interactions = field(repr=False)
    content: Content = field(repr=False)
    settings: dict[str, float]
    inverse: np.ndarray = field(repr=False)  # (W, W) float32, inv(X'X + r I)
    spread: np.ndarray = field(repr=False)  # (W, d) float32, inverse @ F
    weights: np.ndarray | None = field(default=None, repr=False)  # (W, W) float32, B among warm listings
    name: str = CONTENT_EASE

    @classmethod
    def fit(
        cls,
        spaces: Mapping[str, np.ndarray],
        log: EventLog,
        train: np.ndarray,
        catalogue: Catalogue,
        settings: Mapping[str, float],
    ) -> "ContentEase":
        """Fit B on the events `train` (N,) bool with `settings`, as `tune` returned them.

        Args:
            spaces: (L, d) vectors of each listing, L2-normalized or zero.
        """
        known = known_listings(log, train, catalogue)
        narrow = {name: _narrow(vectors, known) for name, vectors in spaces.items()}
        interactions = _interactions(log, train)
        content = Content.fit(narrow, known, settings)
        inverse = _inverse(interactions, settings["penalty"])
        result = cls._of(interactions, content, dict(settings), inverse)
        return replace(result, weights=result._product())

    @classmethod
    def tune(
        cls,
        spaces: Mapping[str, np.ndarray],
        log: EventLog,
        split: Split,
        catalogue: Catalogue,
        seed: int = 0,
    ) -> "ContentEase":
        """Return the baseline with the settings of the best smooth validation recall@30, one setting after the other.

        Raises:
            VibesError: there are no training events.
        """
        used = choosing(split, log, catalogue)
        settings = {name: values[0] for name, values in GRID.items()}
        settings |= {name: float(not number) for number, name in enumerate(spaces)}
        queries = validation_sample(used, seed, log.listings)
        if len(queries):
            settings = _tuned(spaces, log, used, catalogue, queries, settings)
        return cls.fit(spaces, log, split.train, catalogue, settings)

    @classmethod
    def _of(
        cls, interactions: Interactions, content: Content, settings: dict[str, float], inverse: np.ndarray
    ) -> "ContentEase":
        return cls(interactions, content, settings, inverse, inverse @ content.factor[interactions.warm])

    def over(self, log: EventLog) -> "ContentEase":
        """Return the same baseline for the histories of another log over the same listings."""
        return replace(self, interactions=replace(self.interactions, log=log))

    @property
    def note(self) -> str:
        """Return the settings in words."""
        count = len(self.interactions.warm)
        few = f"; with rows of the {count:,} listings with most events" if count == MOST_LISTINGS else ""
        return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in self.settings.items()) + few

    @property
    def _pull(self) -> np.float32:
        return np.float32(self.settings["penalty"] * self.settings["share"])

    @property
    def _scale(self) -> np.ndarray:
        """Return (W,) the factor of the columns of the inverse, by which B has a zero diagonal."""
        warm = self.interactions.warm
        own, left = self.inverse.diagonal(), self.content.diagonal[warm]
        product = np.einsum("wd,wd->w", self.spread, self.content.columns[warm]) - own * left
        return np.asarray(self._pull * left + (1 + self._pull * product) / own)

    def _product(self) -> np.ndarray:
        """Return B (W, W) of the warm listings."""
        columns = self.content.columns[self.interactions.warm]
        result: np.ndarray = self.inverse * -self._scale
        for low in range(0, len(result), QUICK):
            rows = slice(low, low + QUICK)
            result[rows] += self._pull * (self.spread[rows] @ columns.T)
        np.fill_diagonal(result, 0.0)
        return result

    def score(self, batch: Queries) -> np.ndarray:
        """Return scores (B, L) float32."""
        log, warm, content = self.interactions.log, self.interactions.warm, self.content
        history = history_matrix(log, batch.start, batch.end, self.settings["decay"])
        known = history[:, warm]
        if self.weights is not None:
            among = known @ self.weights
        else:  # of a few queries, while settings are chosen
            among = self._pull * ((known @ self.spread) @ content.columns[warm].T) + known.toarray()
            among -= (known @ self.inverse) * self._scale
        if len(warm) == log.listings:
            return np.asarray(among, np.float32)
        share, cold = np.float32(self.settings["share"]), np.ones(log.listings, bool)
        cold[warm] = False
        among += share * ((history[:, cold] @ content.factor[cold]) @ content.columns[warm].T)
        scores: np.ndarray = np.empty((len(batch), log.listings), np.float32)
        scores[:, warm] = among
        scores[:, cold] = share * ((history @ content.factor) @ content.columns[cold].T)
        scores[:, cold] -= share * history[:, cold].multiply(content.diagonal[cold]).toarray()
        return scores


def known_listings(log: EventLog, train: np.ndarray, catalogue: Catalogue) -> np.ndarray:
    """Return (L,) bool: the listings that were published when the events `train` (N,) bool ended; all without timestamps."""
    if not log.timed or not train.any():
        return np.ones(log.listings, bool)
    return np.asarray((catalogue.since <= log.time[train].max()) | (log.counts(train) > 0))


def _narrow(vectors: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return vectors (L, d) in at most `WIDTH` dimensions, those with the largest inner products among the `known` listings."""
    vectors = np.asarray(vectors, np.float32)
    if vectors.shape[1] <= WIDTH:
        return vectors
    _, axes = np.linalg.eigh((vectors[known].T @ vectors[known]).astype(np.float64))
    return np.asarray(vectors @ axes[:, -WIDTH:].astype(np.float32))


def _interactions(log: EventLog, train: np.ndarray) -> Interactions:
    """Return the interactions with the `MOST_LISTINGS` listings of most users."""
    interactions = Interactions.of(log, train)
    if len(interactions.warm) <= MOST_LISTINGS:
        return interactions
    users = interactions.matrix.sum(axis=0)
    chosen = np.sort(np.argsort(-users, kind="stable")[:MOST_LISTINGS])
    return replace(interactions, matrix=interactions.matrix[:, chosen], warm=interactions.warm[chosen])


def _inverse(interactions: Interactions, penalty: float) -> np.ndarray:
    """Return inv(X'X + penalty I), (W, W) float32."""
    from scipy.linalg import lapack  # slow to import, and needed for a fit only

    gram = interactions.cooccurrence().toarray().astype(np.float32).T
    gram[np.diag_indices(len(gram))] += penalty
    factor, _ = lapack.spotrf(gram, lower=0, overwrite_a=1)
    inverse, _ = lapack.spotri(factor, lower=0, overwrite_c=1)  # Only the upper triangle is written.
    rows, columns = np.tril_indices(QUICK, -1)
    for low in range(0, len(inverse), QUICK):
        part = slice(low, low + QUICK)
        inverse[part, :low] = inverse[:low, part].T
        block = inverse[part, part]
        within = slice(None) if len(block) == QUICK else rows < len(block)
        block[rows[within], columns[within]] = block[columns[within], rows[within]]
    return np.asarray(inverse)


def _tuned(
    spaces: Mapping[str, np.ndarray],
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    queries: Queries,
    settings: dict[str, float],
) -> dict[str, float]:
    """Return the settings with the best smooth recall of `queries`."""
    known = known_listings(log, split.train, catalogue)
    narrow = {name: _narrow(vectors, known) for name, vectors in spaces.items()}
    interactions = _interactions(log, split.train)
    quick = len(interactions.warm) <= QUICK
    inverse: dict[float, np.ndarray] = {}
    fitted: dict[tuple[float, ...], ContentEase] = {}

    def reached(trial: dict[str, float]) -> float:
        if trial["penalty"] not in inverse:
            inverse.clear()  # one at a time: 1.6 GB at most
            inverse[trial["penalty"]] = _inverse(interactions, trial["penalty"])
        key = tuple(value for name, value in trial.items() if name not in ("share", "decay"))
        if key not in fitted:
            fitted.clear()
            content = Content.fit(narrow, known, trial)
            fitted[key] = ContentEase._of(interactions, content, trial, inverse[trial["penalty"]])
        scorer = replace(fitted[key], settings=trial)
        return mean_over_users(smooth_recall, scorer, log, queries, catalogue)

    best = reached(settings)
    for _ in range(ROUNDS if quick else 1):
        before = settings
        for name, value in _steps(list(spaces), quick):
            trial = settings | {name: value}
            if trial != settings and (value_of_trial := reached(trial)) > best:
                best, settings = value_of_trial, trial
        if settings == before:
            break
    return settings


def _steps(spaces: list[str], quick: bool) -> Iterator[tuple[str, float]]:
    """Yield each setting with each of its values; those that need another inverse last."""
    for name in ("share", "content_penalty", *spaces[1:], "decay", "penalty"):
        values = GRID.get(name, WEIGHTS)
        yield from ((name, value) for value in (values[:2] if name == "penalty" and not quick else values))
