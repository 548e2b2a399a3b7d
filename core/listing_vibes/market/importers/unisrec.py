"""UniSRec's processed data (Hou et al. 2022): `PREFIX.{train,valid,test}.inter`, `.text`, `.item2index`, `.user2index`."""

import csv
from collections import defaultdict
from pathlib import Path

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.importers import Importer
from listing_vibes.market.writer import write_market

USER, HISTORY, ITEM = "user_id:token", "item_id_list:token_seq", "item_id:token"
TEXT = "text:token_seq"
ATTRIBUTES = {"text": AttributeConfig(kind="text", label="Text")}

Row = tuple[list[str], str]  # a history, oldest first, and the next item


class UniSRec(Importer):
    """Write the market of the one data set in the folder `path`, with the original user and item names.

    Items are numbered by their first occurrence in the events, which leaks what comes next, so the listings are
    written in the order of their names.
    """

    def write(self, path: Path, target: Path) -> None:
        prefix = _find_prefix(path)
        users, items = (_read_index(path / f"{prefix}.{kind}2index") for kind in ("user", "item"))
        texts = _read(path / f"{prefix}.text", [ITEM, TEXT])
        sequences = rebuild(
            [_read_rows(path / f"{prefix}.{part}.inter") for part in ("train", "valid", "test")]
        )
        rows = [
            (user, item, position)
            for user, sequence in sequences.items()
            for position, item in enumerate(sequence)
        ]
        events = pd.DataFrame(rows, columns=[C.USER, C.LISTING, C.POSITION])
        for column, names, kind in ((C.USER, users, "user"), (C.LISTING, items, "item")):
            named = events[column].map(names)
            if named.isna().any():
                number = events[column][named.isna()].iloc[0]
                raise VibesError(
                    f"{path / prefix}.{kind}2index lacks the number {number} that the .inter files use; download it again."
                )
            events[column] = named
        text = dict(zip(texts[ITEM], texts[TEXT].fillna("").str.strip(), strict=True))
        listed = sorted({*items.values(), *text})
        listings = pd.DataFrame({C.LISTING: listed, "text": [text.get(name) or None for name in listed]})
        config = MarketConfig(name=prefix, title="text", attributes=ATTRIBUTES)
        write_market(target, config, listings, events=events)


def rebuild(parts: list[dict[str, list[Row]]]) -> dict[str, list[str]]:
    """Rebuild each user's sequence from the rows of the three files, whose histories may lack their oldest items.

    Raises:
        VibesError: the rows of a user do not form one sequence.
    """
    train, valid, test = parts
    sequences = {}
    for user in dict.fromkeys([*train, *valid, *test]):
        rows = train.get(user, [])
        if rows and len(rows[0][0]) > len(rows[-1][0]):  # the file has the longest history first
            rows = rows[::-1]
        rows = rows + valid.get(user, []) + test.get(user, [])
        sequence = list(rows[0][0])
        for history, item in rows:
            if sequence[len(sequence) - len(history) :] != history:
                raise VibesError(f"The rows of user {user} are not one sequence; download the files again.")
            sequence.append(item)
        sequences[user] = sequence
    return sequences


def _find_prefix(path: Path) -> str:
    prefixes = sorted(file.name.removesuffix(".train.inter") for file in path.glob("*.train.inter"))
    if len(prefixes) != 1:
        raise VibesError(
            f"{path} must hold exactly one file *.train.inter (it holds {', '.join(prefixes) or 'none'}); give another folder."
        )
    return prefixes[0]


def _read(path: Path, columns: list[str], header: int | None = 0) -> pd.DataFrame:
    """Read tab-separated text whose cells may hold quotes."""
    try:
        table = pd.read_csv(
            path, sep="\t", dtype="str", na_values=[""], keep_default_na=False, quoting=csv.QUOTE_NONE, header=header,
            names=None if header == 0 else columns, index_col=False, lineterminator="\n",
        )  # fmt: skip
    except (OSError, ValueError) as error:  # pandas' parsing and decoding errors are ValueErrors
        raise VibesError(f"{path} cannot be read ({error}); download it again.") from error
    if list(table.columns) != columns or table.drop(columns=TEXT, errors="ignore").isna().any(axis=None):
        raise VibesError(f"{path} lacks some of the columns {', '.join(columns)}; download it again.")
    return table


def _read_rows(path: Path) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = defaultdict(list)
    table = _read(path, [USER, HISTORY, ITEM])
    for user, history, item in table.itertuples(index=False):
        rows[user].append((history.split(), item))
    return rows


def _read_index(path: Path) -> dict[str, str]:
    """Return the original names by number."""
    table = _read(path, ["name", "number"], header=None)
    return dict(zip(table["number"].str.strip(), table["name"], strict=True))
