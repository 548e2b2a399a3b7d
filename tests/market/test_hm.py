"""The importer of H&M on a small hand-written source in the layout of the Kaggle competition."""

import gzip

import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.importers import import_market
from listing_vibes.market.market import Market

HEAD = (
    "article_id,product_code,prod_name,product_type_no,product_type_name,product_group_name,graphical_appearance_no,"
    "graphical_appearance_name,colour_group_code,colour_group_name,perceived_colour_value_id,"
    "perceived_colour_value_name,perceived_colour_master_id,perceived_colour_master_name,department_no,department_name,"
    "index_code,index_name,index_group_no,index_group_name,section_no,section_name,garment_group_no,garment_group_name,"
    "detail_desc\n"
)
REST = "1,Solid,9,{},4,Dark,5,{},16,Basic,A,Ladieswear,1,Ladieswear,16,Everyday,10,Jersey,{}\n"
ARTICLES = (
    HEAD
    + "0108775015,108775,Strap top,253,Vest top,Upper body,"
    + REST.format("Black", "Black", "A jersey top.")
    + "0108775044,108775,Strap top,253,Vest top,Upper body,"
    + REST.format("White", "White", "")
    + "0110065001,110065,OP T-shirt,306,Bra,Underwear,"
    + REST.format("Black", "Black", "A bra.")
)
BOUGHT = """t_dat,customer_id,article_id,price,sales_channel_id
2020-09-16,anna,0108775015,0.01,2
2020-09-16,anna,0108775044,0.01,2
2020-09-17,bert,0108775015,0.01,1
"""


@pytest.fixture
def shop(tmp_path):
    path = tmp_path / "shop"
    for article, suffix in (("0108775015", "webp"), ("0108775044", "jpg"), ("0110065001", "jpg")):
        picture = path / "images" / article[:3] / f"{article}.{suffix}"
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(article.encode())
    (path / "articles.csv.gz").write_bytes(gzip.compress(ARTICLES.encode()))
    (path / "transactions_train.csv").write_text(BOUGHT)
    return path


def test_the_competition_s_folder_becomes_a_market(shop, tmp_path):
    import_market("hm", shop, tmp_path / "market")
    market = Market.open(tmp_path / "market")
    # what nobody bought is left out, and a number keeps its zeros
    assert market.listings["listing_id"].tolist() == ["0108775015", "0108775044"]
    assert market.listings["product_code"].tolist() == ["108775", "108775"]
    kinds = {attribute.name: attribute.kind for attribute in market.attributes}
    assert (kinds["prod_name"], kinds["description"]) == ("text", "text")
    assert {kind for name, kind in kinds.items() if name not in ("prod_name", "description")} == {"category"}
    assert "colour_group_name" in kinds
    assert not any(name.endswith(("_no", "_id")) for name in kinds)
    assert market.config.title == "prod_name"
    assert market.photos["path"].tolist() == ["images/010/0108775015.webp", "images/010/0108775044.jpg"]
    assert (market.path / "images/010/0108775044.jpg").read_bytes() == b"0108775044"
    assert not (market.path / "images/011").exists()
    assert market.defects == []


def test_a_day_of_a_customer_is_one_moment(shop, tmp_path):
    import_market("hm", shop, tmp_path / "market")
    events = Market.open(tmp_path / "market").events
    assert events.columns.tolist() == ["user_id", "listing_id", "timestamp"]
    assert events["user_id"].tolist() == ["anna", "anna", "bert"]
    days = pd.to_datetime(["2020-09-16", "2020-09-16", "2020-09-17"], utc=True)
    assert (events["timestamp"] == days).all()


def test_one_of_several_files_of_purchases_is_named(shop, tmp_path):
    (shop / "transactions_week.csv.gz").write_bytes(gzip.compress(BOUGHT.replace("bert", "cora").encode()))
    with pytest.raises(
        VibesError, match=r"transactions_train\.csv and transactions_week\.csv\.gz; give the one"
    ):
        import_market("hm", shop, tmp_path / "market")
    assert not (tmp_path / "market").exists()
    import_market("hm", shop / "transactions_week.csv.gz", tmp_path / "market")
    assert set(Market.open(tmp_path / "market").events["user_id"]) == {"anna", "cora"}


def test_a_source_without_a_file_or_with_another_s_purchases_is_one_sentence(shop, tmp_path):
    other = BOUGHT.replace(",01", ",77")
    (shop / "transactions_train.csv").write_text(other)
    with pytest.raises(VibesError, match="has no purchase of an article of"):
        import_market("hm", shop, tmp_path / "market")
    (shop / "transactions_train.csv").unlink()
    with pytest.raises(VibesError, match=r"holds no transactions\*\.csv\*; give the folder"):
        import_market("hm", shop, tmp_path / "market")
    with pytest.raises(VibesError, match=r"articles.csv.gz lacks the column 't_dat'"):
        import_market("hm", shop / "articles.csv.gz", tmp_path / "market")
    (shop / "articles.csv.gz").unlink()
    (shop / "transactions_train.csv").write_text(BOUGHT)
    with pytest.raises(VibesError, match=r"holds no articles\.csv\.gz or"):
        import_market("hm", shop, tmp_path / "market")
    assert not (tmp_path / "market").exists()


def test_a_shop_without_pictures_is_a_market(shop, tmp_path):
    import shutil

    shutil.rmtree(shop / "images")
    import_market("hm", shop, tmp_path / "market")
    assert len(Market.open(tmp_path / "market").photos) == 0
