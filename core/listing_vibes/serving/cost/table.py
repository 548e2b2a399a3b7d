"""The arithmetic from measured constants to markets of any size, as the lines of a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from listing_vibes.model.readers import READERS
from listing_vibes.search.index.approximate import EFFORT, lists_of
from listing_vibes.search.index.choose import EXACT_TO, HNSW_TO, SKETCH_TO
from listing_vibes.serving.cost.measure import Constants, K, Peak

SIZES = (1_000_000, 100_000_000)
NIGHT_H = 8.0
#: Up to so many listings all pairs are computed; beyond it that work, which grows with the square, is left to an index.
ALL_PAIRS_TO = SKETCH_TO
#: Bytes of a listing's id beside its product-quantised code of a byte for every four numbers.
ID_BYTES = 8
#: Bytes of a listing's links in HNSW with 32 a node: 64 at the lowest level, and a few above.
LINK_BYTES = 4 * 64 * 1.1
#: Assumed and not measured here: a data-centre GPU's bfloat16 peak, and the share of it that an encoder reaches.
GPU_FLOPS, GPU_SHARE = 312e12, 0.3


@dataclass(frozen=True)
class Scale:
    """What a market of `size` listings and as many users takes.

    Attributes:
        embed_h, users_h, exact_h: core-hours to encode all listings, all users, and to compare all pairs exactly.
        lists_h: core-hours, at least, to score every listing for each user; None where lists need not.
        index_h: core-hours to put all listings into the lists of IVF-PQ and to ask it once a listing.
        gpu_h: hours of one GPU to encode both, from the assumed peak.
        vectors_gb, codes_gb: of all listings in float32, and quantised.
        output_gb: of `vibes batch --kind listings` with 30 places a list, compressed.
        cores: that do the encoding and the comparing, exact or by the index, in one night.
    """

    size: int
    embed_h: float
    users_h: float
    exact_h: float
    lists_h: float | None
    index_h: float
    gpu_h: float
    vectors_gb: float
    codes_gb: float
    output_gb: float

    @property
    def exact(self) -> bool:
        """Whether all pairs are computed."""
        return self.size <= ALL_PAIRS_TO

    @property
    def cores(self) -> int:
        """Cores for one night of encoding and comparing."""
        hours = (
            self.embed_h + self.users_h + (self.exact_h if self.exact else self.index_h) + (self.lists_h or 0)
        )
        return max(1, -int(-hours // NIGHT_H))

    @property
    def index(self) -> str:
        """Which index the size asks for, and what it holds in memory."""
        if self.size <= EXACT_TO:
            return f"exact, {self.vectors_gb:,.2g} GB"
        if self.size <= SKETCH_TO:
            return f"all pairs, {self.vectors_gb * 1.25:,.2g} GB"
        if self.size <= HNSW_TO:
            return f"HNSW, {self.vectors_gb + self.size * LINK_BYTES / 1e9:,.2g} GB"
        return f"IVF-PQ, {self.codes_gb:,.2g} GB"


def scale(found: Constants, size: int) -> Scale:
    """The arithmetic for `size` listings and as many users; every hour is of one core like the measured one."""
    hour, lists = 3600.0, lists_of(size)
    tokens = found.listing_tokens + (
        found.events if READERS[found.history].reads == "vectors" else found.listing_tokens * found.events
    )
    return Scale(
        size=size,
        embed_h=size / found.listings_s / hour,
        users_h=size / found.users_s / hour,
        exact_h=size * size / found.pairs_s / hour,
        lists_h=size * size / found.pairs_s / hour if found.scores_all else None,
        index_h=size * (2 * lists / found.pairs_s + EFFORT * size / lists / found.codes_s) / hour,
        gpu_h=size * tokens * found.token_flops / (GPU_FLOPS * GPU_SHARE) / hour,
        vectors_gb=size * found.width * 4 / 1e9,
        codes_gb=size * (found.width // 4 + ID_BYTES) / 1e9,
        output_gb=size * K * found.row_bytes / 1e9,
    )


def lines(found: Constants) -> list[list[str]]:
    """The table's rows: what, on what it rests, and one cell a size."""
    sizes = [scale(found, size) for size in SIZES]

    def row(what: str, rests: str, cell: Callable[[Scale], str]) -> list[str]:
        return [what, rests, *(cell(one) for one in sizes)]

    def peak(one: Peak) -> Callable[[Scale], str]:
        return lambda s: "-" if (asked := one.at(s.size)) is None else f"{asked / 2**30:,.3g} GiB"

    return [
        row("Encode all listings", f"{found.listings_s:,.0f} a second and core", lambda s: _hours(s.embed_h)),
        row("Encode all users", f"{found.users_s:,.0f} a second and core", lambda s: _hours(s.users_h)),
        row("Compare all pairs exactly", f"{found.pairs_s / 1e6:,.0f} million pairs a second and core", lambda s: _hours(s.exact_h)),
        row("or ask an IVF-PQ index for each", f"{found.codes_s / 1e6:,.0f} million codes a second and core, {EFFORT} lists a query", lambda s: _hours(s.index_h)),
        *([row("Score every listing for each user", "as what lists add asks, at least one product a pair; no index shortens it", lambda s: _hours(s.lists_h or 0))] if found.scores_all else []),
        row("Index in memory", f"all pairs (in int8, the best again in float32) to {ALL_PAIRS_TO / 1e6:.0f} million, HNSW to {HNSW_TO / 1e6:.0f} million, then codes, with the vectors on disk or in Milvus", lambda s: s.index),
        row("Cores for one night", f"{NIGHT_H:.0f} hours for encoding and for comparing as the index does", lambda s: f"{s.cores:,}"),
        row("One GPU to encode all", f"its arithmetic alone, assumed: {GPU_FLOPS / 1e12:.0f} TFLOP/s, {GPU_SHARE:.0%} of it reached", lambda s: _hours(s.gpu_h, "")),
        row("Vectors", f"{found.width} numbers of 4 bytes", lambda s: f"{s.vectors_gb:,.3g} GB"),
        row("Lists on disk", f"{K} places a listing, {found.row_bytes:.1f} bytes each", lambda s: f"{s.output_gb:,.3g} GB"),
        *(row(f"Memory of {name}", _rests(one), peak(one)) for name, one in found.memory.items()),
    ]  # fmt: skip


def _rests(one: Peak) -> str:
    """What the memory of a command was here, and what a listing adds."""
    here = f"{one.bytes / 2**30:.2f} GiB at {one.listings:,} listings"
    if one.each is not None:
        return f"{here}, {one.each / 1000:,.3g} kB each with its users, events and photos"
    if one.part_bytes is None:
        return f"{here}, measured at this size alone"
    return f"{here}, hardly more than at {one.part_listings:,}"


def measured_on(found: Constants) -> str:
    """Where the constants were measured, and what is arithmetic."""
    return (
        f"Measured on one core of {found.machine} ({found.cores} cores), preset {found.preset} in {found.inference}: listings of "
        f"{found.listing_tokens:.0f} tokens, histories of {found.events:.0f} events, vectors of {found.width} numbers. The rest is "
        "arithmetic for so many listings and as many users: encoding grows with the market, comparing all pairs with its square."
    )


def size_titles() -> list[str]:
    """The sizes in words, in the order of a line's cells."""
    return [f"{size / 1e6:,.0f} million" for size in SIZES]


def as_text(found: Constants) -> str:
    """The same table for a terminal."""
    rows = [["", *(f"{size:,}" for size in SIZES), "rests on"]]
    rows += [[what, *cells, rests] for what, rests, *cells in lines(found)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _hours(hours: float, of: str = "core-") -> str:
    if hours < 1:
        return f"{hours * 60:,.1f} {of}minutes" if hours >= 1 / 60 else f"{hours * 3600:,.1f} {of}seconds"
    return f"{hours:,.1f} {of}hours" if hours < 100 else f"{hours:,.0f} {of}hours"
