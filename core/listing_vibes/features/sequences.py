"""Token sequences of listings and of histories, as the model reads them.

The sequence of a listing is `[CLS]` and its tokens. That of a history is `[CLS]` and its listings, newest first, each with
its item position and, where the market has them, an action and a duration token (the event features).

Example: listing 0 has two tokens (price, photo), listing 1 has one (price); a user saved 0, then 1, without
durations. B = 1 sequence of n = 6 tokens, newest listing first:

    token     [CLS]  1.price  1.saved  0.price  0.photo  0.saved
    position  0      1        0        1        2        0
    item      0      1        1        2        2        2
    type      CLS    ATTR     META     ATTR     CONTENT  META

Batches are not padded here: B sequences are flat arrays of n tokens and `length` (B,), so that every array is filled in
one pass without a Python loop over listings.
"""

from dataclasses import dataclass

import numpy as np

from listing_vibes.features.tokens.tabular import (
    ACTION,
    CLS,
    DURATION,
    TYPE_ATTRIBUTE,
    TYPE_CLS,
    TYPE_CONTENT,
    TYPE_META,
    ListingTokens,
    sizes_of,
)
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.log import ranges


@dataclass(frozen=True, eq=False)
class Sequences:
    """B sequences as n flat tokens, concatenated, each starting with `[CLS]`."""

    length: np.ndarray  # (B,) int64 tokens of each sequence
    key: np.ndarray  # (n,) int32
    value: np.ndarray  # (n,) int32
    bin: np.ndarray  # (n,) int32
    fraction: np.ndarray  # (n,) float32
    photo: np.ndarray  # (n,) int32
    text: np.ndarray  # (n,) int32
    set_offset: np.ndarray  # (n + 1,) int64
    set_member: np.ndarray  # (m,) int32
    position: np.ndarray  # (n,) int32 position inside the listing, [CLS] 0
    #: (n,) int32, 1 the newest listing of a history, 2 the one before, 0 [CLS] or a single listing
    item: np.ndarray
    type: np.ndarray  # (n,) int32 token type


@dataclass(frozen=True, eq=False)
class Meta:
    """The event features of a history: value ids of the action and duration tokens, 0 = no token."""

    action: np.ndarray  # (N,) int32, by event row
    duration: np.ndarray  # (N,) int32, by event row

    @classmethod
    def of(
        cls, vocabulary: Vocabulary, actions: list[str], action: np.ndarray, duration: np.ndarray
    ) -> "Meta":
        """Return the event features of action numbers (N,) into `actions` (-1 unknown) and durations (N,) in seconds (NaN unknown).

        The value ids follow those of the attributes: first the actions, then the duration buckets.
        """
        available = {name: vocabulary.size + place for place, name in enumerate(vocabulary.actions)}
        ids = np.array([*(available.get(name, 0) for name in actions), 0], np.int32)  # the last for action -1
        edges, first = vocabulary.duration_edges, vocabulary.size + len(vocabulary.actions)
        bucket = first + np.searchsorted(edges, np.nan_to_num(duration), "right")
        return cls(
            action=ids[action],
            duration=np.where(np.isfinite(duration) & (len(edges) > 0), bucket, 0).astype(np.int32),
        )


def listing_sequences(tokens: ListingTokens, rows: np.ndarray) -> Sequences:
    """Return sequences of the single listings `rows` (B,)."""
    sizes, none = sizes_of(tokens.offset, rows), np.zeros(len(rows), np.int32)
    return _assemble(tokens, len(rows), rows, np.arange(len(rows)), none, sizes, none, none)


def history_sequences(
    tokens: ListingTokens,
    listing: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    meta: Meta | None,
    max_listings: int,
    max_tokens: int,
) -> Sequences:
    """Return sequences of histories: events `start[b] : end[b]` of a log, oldest first there, newest first here.

    Args:
        listing: (N,) the listing row of every event of the log.
        max_listings: only the newest ones are used, up to this number.
        max_tokens: the most tokens of a sequence, `[CLS]` included; the oldest listings that do not fit are left out completely.
    """
    taken = np.minimum(end - start, max_listings)
    event = np.repeat(end - 1, taken) - ranges(np.zeros_like(taken), taken)  # newest first
    owner = np.repeat(np.arange(len(start)), taken)
    item = ranges(np.ones_like(taken), taken)
    rows = listing[event]
    none = np.zeros(len(event), np.int32)
    action, duration = (none, none) if meta is None else (meta.action[event], meta.duration[event])
    sizes = sizes_of(tokens.offset, rows)
    block = sizes + (action > 0) + (duration > 0)
    # The cumulative size from the newest decides, so that all listings before one that does not fit are left out, too.
    fits = (_within(block, owner) + block <= max_tokens - 1) | (item == 1)
    columns = (rows, owner, item, sizes, action, duration)
    return _assemble(tokens, len(start), *(column[fits] for column in columns))


def _assemble(
    tokens: ListingTokens,
    count: int,
    rows: np.ndarray,
    owner: np.ndarray,
    item: np.ndarray,
    sizes: np.ndarray,
    action: np.ndarray,
    duration: np.ndarray,
) -> Sequences:
    """Fill [CLS], then each listing's tokens, its action and its duration, in one pass over flat arrays."""
    block = sizes + (action > 0) + (duration > 0)
    length = 1 + np.bincount(owner, weights=block, minlength=count).astype(np.int64)
    n = int(length.sum())
    # In the example of the module: block [2, 3], head [0], place [1, 3]; then source (rows of the market's flat tokens)
    # is [1.price, 0.price, 0.photo] and target (where they go) is [1, 3, 4]: 2 and 5 are for the event features.
    head = np.cumsum(length) - length  # (B,) position of each [CLS]
    place = head[owner] + 1 + _within(block, owner)  # (blocks,) position of each listing's first token
    source = ranges(tokens.offset[rows], sizes)
    target = ranges(place, sizes)

    def filled(values: np.ndarray, empty: float) -> np.ndarray:
        column = np.full(n, empty, values.dtype)
        column[target] = values[source]
        return column

    key, value = filled(tokens.key, 0), filled(tokens.value, 0)
    key[head] = CLS
    position, items, kind = np.zeros(n, np.int32), np.zeros(n, np.int32), np.full(n, TYPE_ATTRIBUTE, np.int32)
    position[target] = 1 + ranges(np.zeros_like(sizes), sizes)
    items[target] = np.repeat(item, sizes)
    kind[head] = TYPE_CLS
    kind[target[(tokens.photo[source] >= 0) | (tokens.text[source] >= 0)]] = TYPE_CONTENT
    for ids, name, shift in ((action, ACTION, 0), (duration, DURATION, action > 0)):
        has = ids > 0
        spot = (place + sizes + shift)[has]
        key[spot], value[spot], items[spot], kind[spot] = name, ids[has], item[has], TYPE_META
    set_size = np.zeros(n, np.int64)
    in_set = sizes_of(tokens.set_offset, source)
    set_size[target] = in_set
    return Sequences(
        length=length,
        key=key,
        value=value,
        bin=filled(tokens.bin, 0),
        fraction=filled(tokens.fraction, 0),
        photo=filled(tokens.photo, -1),
        text=filled(tokens.text, -1),
        set_offset=np.concatenate([[0], np.cumsum(set_size)]),
        set_member=tokens.set_member[ranges(tokens.set_offset[source], in_set)],
        position=position,
        item=items,
        type=kind,
    )


def _within(block: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Return for each block the total size of the earlier blocks of the same owner (owners are sorted)."""
    before: np.ndarray = np.cumsum(block) - block
    return np.asarray(before - before[np.searchsorted(owner, owner)])
