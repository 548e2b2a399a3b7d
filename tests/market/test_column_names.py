"""Tables whose columns market.toml maps are read everywhere as if they had the market's names."""

import json
from pathlib import Path

import pandas as pd
import pytest

from helpers.commands import vibes
from listing_vibes.errors import VibesError
from listing_vibes.market.importers import import_market
from listing_vibes.market.market import Market
from listing_vibes.market.rejects import market_rejects
from listing_vibes.market.user_names import UserNames
from listing_vibes.run.conditions import attribute_name
from listing_vibes.run.spaces import embed_market
from listing_vibes.serving.forget import forget

NAMES = {
    "listings": {"listing_id": "ID", "price": "Preis"},
    "photos": {"listing_id": "ID", "path": "file"},
    "events": {"listing_id": "ID", "user_id": "customer", "timestamp": "at"},
}


@pytest.fixture(params=[".parquet", ".csv"])
def both(request, tiny_market, tmp_path) -> tuple[Path, Path]:
    """A market, and the same one with other column names."""
    plain, folder = tiny_market(), tmp_path / "mapped"
    folder.mkdir()
    (folder / "photos").symlink_to(plain / "photos")
    lines = [f"photo_root = '{plain / 'photos'}'", (plain / "market.toml").read_text()]
    for name, names in NAMES.items():
        lines += [f"[columns.{name}]", *(f"{column} = '{in_file}'" for column, in_file in names.items())]
        table = pd.read_parquet(plain / f"{name}.parquet").rename(columns=names)
        if request.param == ".csv":
            if "amenities" in table:
                table["amenities"] = table["amenities"].map(lambda cell: json.dumps(list(cell)))
            table.to_csv(folder / f"{name}.csv", index=False)
        else:
            table.to_parquet(folder / f"{name}.parquet", index=False)
    (folder / "market.toml").write_text("\n".join(lines))
    return plain, folder


def test_a_mapped_market_is_read_imported_and_forgets_a_user(both, tmp_path):
    plain, other = (Market.open(path) for path in both)
    assert not other.issues and other.attributes == plain.attributes
    assert other.listings[["listing_id", "price"]].equals(plain.listings[["listing_id", "price"]])
    assert other.photos["path"].tolist() == plain.photos["path"].tolist()
    assert other.events["user_id"].tolist() == plain.events["user_id"].tolist()
    light = Market.open(other.path, events_too=False)
    assert light.events.empty and light.after_last_event == plain.after_last_event > 1
    assert attribute_name(other, "price", "Rule same") == "price"
    assert "review_scores_rating" in vibes("check", other.path).stdout
    import_market("tables", other.path, tmp_path / "copy", photo_root=plain.path)
    copy = Market.open(tmp_path / "copy")
    assert copy.events["user_id"].tolist() == plain.events["user_id"].tolist()
    assert (copy.path / copy.photos["path"].iloc[0]).is_file()
    embed_market(other, tmp_path / "run", None)
    user = other.events["user_id"].iloc[0]
    forget(tmp_path / "run", [user])
    assert user not in Market.open(other.path).events["user_id"].tolist()
    assert user.encode() not in next(other.path.glob("events.*")).read_bytes()


def test_rejected_rows_show_hashed_users(both):
    path = both[1]
    (path / "market.toml").write_text((path / "market.toml").read_text() + "\n[privacy]\nusers = 'hashed'\n")
    file = next(path.glob("events.*"))
    table = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)
    table.loc[0, "ID"] = "gone"
    table.to_parquet(file) if file.suffix == ".parquet" else table.to_csv(file, index=False)
    (cells,) = market_rejects(Market.open(path))["cells"]
    assert json.loads(cells)["user_id"] == UserNames(path, True).of(str(table.loc[0, "customer"]))


@pytest.mark.parametrize(
    ("columns", "toml", "says"),
    [
        ("Id,price", "listing_id = 'ID'", r"\[columns\.listings\].*'ID' to 'listing_id', and .* has Id, price"),
        ("ID,price\na,2", "listing_id = 'ID'", "column ID, row 2: 'a'"), ("ID,listing_id", "listing_id = 'ID'", "has both"),
        ("ID,price", "listing_id = 'ID'\nprice = 'ID'", "'ID' to 'price'"),
    ],
)  # fmt: skip
def test_an_invalid_mapping_is_one_sentence(tmp_path, columns, toml, says):
    (tmp_path / "listings.csv").write_text(f"{columns}\na,1\n")
    (tmp_path / "market.toml").write_text(f"[columns.listings]\n{toml}\n")
    with pytest.raises(VibesError, match=says):
        Market.open(tmp_path)


def test_issues_name_the_columns_of_the_file_and_the_usual_names_need_no_mapping(tmp_path):
    (tmp_path / "listings.csv").write_text("ID,Breite,longitude\na,95,8\nb,48,9\n")
    (tmp_path / "events.csv").write_text("ID,wer,timestamp\nc,u,2024-01-01\na,u,2024-01-02\n")
    (tmp_path / "market.toml").write_text(
        "[columns.listings]\nlisting_id = 'ID'\nlatitude = 'Breite'\n[columns.events]\nlisting_id = 'ID'\nuser_id = 'wer'\n"
    )
    issues = {(issue.column, issue.file_column) for issue in Market.open(tmp_path).issues}
    assert issues == {("latitude", "Breite"), ("listing_id", "ID")}
    assert "listings.csv, column Breite, row 1" in vibes("check", tmp_path).stdout
    (tmp_path / "listings.csv").write_text("listing_id,latitude,longitude\na,48,8\n")
    assert Market.open(tmp_path).listings["listing_id"].tolist() == ["a"]
    homes = pd.DataFrame({"ID": [1, 2], "rooms": [1, 2]})
    market = Market.from_frames(homes, columns={"listings": {"listing_id": "ID"}})
    assert Market.open(market.path).listings["listing_id"].tolist() == ["1", "2"]
