"""What sets groups of listings apart: attributes by lift, words of their texts by class-based TF-IDF, and a name.

Class-based TF-IDF as in BERTopic (Grootendorst 2022, arXiv 2203.05794): all texts of a group are one document.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from listing_vibes.insight.map.naming import names_of
from listing_vibes.insight.map.traits import Held, Trait
from listing_vibes.market.attribute_types import Coded, type_of
from listing_vibes.market.market import Market
from listing_vibes.market.words import unspaced, words

TEXTS = 300  # texts read of each group
_MOST = 6  # telling words of a group
WORD_SHARE, WORD_LIFT, WORD_COMMON = 0.15, 1.5, 0.4
# Words that say nothing about a listing however rare they are.
_STOP = (
    "about across all also and any are available because been before both but can could each from for get has have "
    "here his her how into its just like many more most much not off one only other our out over own per please some "
    "such than that the their them then there these they this those too under until upon use very via was well were "
    "what when where which while who will with within without would you your must may might shall should see "
    "seen say says looks look let make makes made get let come words every both same such very still even new"
)
# Numbers tell how many, which attributes say better.
_NUMBERS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand first second third fourth fifth"
)
STOP = frozenset((_STOP + " " + _NUMBERS).split())
_DIGITS = re.compile(r"\d+")
_SHORTEST = 3  # letters of a word that tells; pieces of a script without spaces have two
_HTML = re.compile(r"<[^>]+>")


@dataclass(frozen=True)
class Portrait:
    """A group: what to call it, and why."""

    name: str
    traits: list[Trait] = field(default_factory=list)
    words: list[str] = field(default_factory=list)


def portraits(
    market: Market,
    rows: np.ndarray,
    groups: np.ndarray,
    seed: int = 0,
    coded: Sequence[Coded] | None = None,
    leading: Collection[str] = (),
) -> list[Portrait]:
    """A portrait of each group 0..G-1; `rows` (n,) are listings of `market`, `groups` (n,) theirs, -1 for none.

    No two names are alike. A group that nothing sets apart is called by its number. `coded` is
    `coded_attributes(market, rows)`, for those who ask for several groupings of the same listings. Names begin with the
    traits whose label is in `leading`.
    """
    held = Held(coded_attributes(market, rows) if coded is None else coded, groups)
    count = len(held.size)
    traits = [held.traits(number) for number in range(count)]
    telling = _words(market, rows, groups, count, seed)
    names = names_of(traits, telling, leading, held.finer, held.never_both)
    return [Portrait(*told) for told in zip(names, traits, telling, strict=True)]


def apart(
    market: Market,
    rows: np.ndarray,
    chosen: np.ndarray,
    seed: int = 0,
    coded: Sequence[Coded] | None = None,
) -> Portrait:
    """What sets the `chosen` (n,) bool of the listings `rows` (n,) apart from the others; `coded` as for `portraits`."""
    if not chosen.any():
        return Portrait("Nothing")
    return portraits(market, rows, np.where(chosen, 0, -1), seed, coded)[0]


def most_typical(vectors: np.ndarray, k: int) -> np.ndarray:
    """The `k` of a group's L2-normalised `vectors` (m, d) that are nearest to their mean."""
    nearness = vectors @ vectors.mean(axis=0)  # (m,)
    return np.argsort(-nearness, kind="stable")[:k]


def coded_attributes(market: Market, rows: np.ndarray) -> list[Coded]:
    """What portraits count of the listings `rows` (n,): the values of every attribute as numbers."""
    return list(_coded_attributes(market, rows))


def coded_among(coded: Sequence[Coded], kept: np.ndarray) -> list[Coded]:
    """The values of those listings alone where `kept` (n,) bool holds, by their places among these."""
    place = np.cumsum(kept) - 1  # (n,)
    found = []
    for label, told, places, codes in coded:
        mine = kept[places]
        found.append((label, told, place[places[mine]], codes[mine]))
    return found


def _coded_attributes(market: Market, rows: np.ndarray) -> Iterator[Coded]:
    for item in market.attributes:
        kind = type_of(item.kind)
        if not kind.has_traits or item.name == market.title:
            continue
        values = market.listings[item.name].iloc[rows].reset_index(drop=True)
        known = values[values.notna()]
        if len(known):
            yield kind.traits(item.label, known)


def _words(market: Market, rows: np.ndarray, groups: np.ndarray, count: int, seed: int) -> list[list[str]]:
    """The telling words of each group, the best first."""
    names = [item.name for item in market.attributes if type_of(item.kind).sentences]
    if market.title is not None and market.title not in names:
        names.append(market.title)
    if not names or not count:
        return [[] for _ in range(count)]
    said = _valued(market)
    rng = np.random.default_rng(seed)
    held: list[Counter[str]] = []  # in how many texts of each group a word stands
    read: list[list[str]] = []
    for number in [*range(count), -1]:
        members = np.flatnonzero(groups == number)
        if len(members) > TEXTS:
            members = np.sort(rng.choice(members, TEXTS, replace=False))
        told = market.listings[names].iloc[rows[members]].fillna("").astype(str)
        texts = [" ".join(row) for row in told.itertuples(index=False)]
        held.append(Counter(word for text in texts for word in set(_spoken(text)) - said))
        read.append(texts)
    everywhere: Counter[str] = Counter()
    for one in held:
        everywhere.update(one)
    total = sum(map(len, read))
    mean = sum(everywhere.values()) / max(1, count)
    found = []
    for one, texts in zip(held[:count], read[:count], strict=True):
        scores = {}
        for word, times in one.items():
            share = times / len(texts)
            elsewhere = (everywhere[word] - times) / max(1, total - len(texts))
            if share >= WORD_SHARE and share >= WORD_LIFT * elsewhere and elsewhere <= WORD_COMMON:
                scores[word] = share * np.log(1 + mean / everywhere[word]) * (1 - elsewhere / share)
        found.append(sorted(scores, key=lambda word: (-scores[word], word))[:_MOST])
    return found


def _valued(market: Market) -> set[str]:
    """The words in which categories and sets are told, which as traits say it better."""
    found: set[str] = set()
    for item in market.attributes:
        if item.name == market.title or type_of(item.kind).sentences or item.name not in market.listings:
            continue
        values = market.listings[item.name].dropna()
        if values.map(type).isin((str, list)).all():
            found.update(
                word for value in values.explode().dropna().astype(str).unique() for word in _spoken(value)
            )
    return found


def _spoken(text: str) -> list[str]:
    bare = _DIGITS.sub(" ", _HTML.sub(" ", text))
    return [word for word in words(bare) if word not in STOP and (len(word) >= _SHORTEST or unspaced(word))]
