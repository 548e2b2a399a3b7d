"""H&M in the layout of its Kaggle competition: articles, purchases by day, one picture for each article.

The purchases of a customer on one day are one basket: they have a date and no time, so that their order is unknown.
"""

from pathlib import Path

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.importers import Importer
from listing_vibes.market.io import read_table
from listing_vibes.market.tables import moments_or_text, require, source_table
from listing_vibes.market.writer import write_market

ATTRIBUTES = {
    "prod_name": AttributeConfig(kind="text", label="Name"),
    "product_code": AttributeConfig(kind="category", label="Product"),  # shared by its other colors
    "product_type_name": AttributeConfig(kind="category", label="Type"),
    "product_group_name": AttributeConfig(kind="category", label="Group"),
    "graphical_appearance_name": AttributeConfig(kind="category", label="Pattern"),
    "colour_group_name": AttributeConfig(kind="category", label="Colour"),
    "perceived_colour_value_name": AttributeConfig(kind="category", label="Shade"),
    "perceived_colour_master_name": AttributeConfig(kind="category", label="Main colour"),
    "department_name": AttributeConfig(kind="category", label="Department"),
    "index_name": AttributeConfig(kind="category", label="Index"),
    "index_group_name": AttributeConfig(kind="category", label="Index group"),
    "section_name": AttributeConfig(kind="category", label="Section"),
    "garment_group_name": AttributeConfig(kind="category", label="Garment group"),
    C.DESCRIPTION: AttributeConfig(kind="text", label="Description"),
}
#: The market's column names where they differ from the source's.
RENAMED = {C.DESCRIPTION: "detail_desc"}
PICTURES = (".jpg", ".webp")


class HM(Importer):
    """Write the market of one file of purchases, next to which lie `articles.csv[.gz]` and the pictures `images/`.

    Articles without a purchase in that file are excluded:
    the source does not say when an article was on sale, so that an excerpt of a week would be ranked against articles
    of other years. Numeric columns that repeat a text column are excluded, and so are price and
    channel, which belong to a purchase and not to an article.
    """

    def write(self, path: Path, target: Path) -> None:
        if path.is_dir():
            raise VibesError(
                f"{path} is a folder; give a file of purchases in it, such as transactions_train.csv."
            )
        bought, folder = read_table(path), path.parent
        require(bought, path, ("customer_id", "article_id", "t_dat"))
        columns = ["article_id", *(RENAMED.get(name, name) for name in ATTRIBUTES)]
        articles = source_table(folder, "articles", tuple(columns))
        articles = articles[articles["article_id"].isin(bought["article_id"].unique())].reset_index(drop=True)
        if articles.empty:
            raise VibesError(
                f"{path} has no purchase of an article of {folder}; give both files of the same source."
            )
        listings = articles[columns].set_axis([C.LISTING, *ATTRIBUTES], axis=1)
        events = bought[["customer_id", "article_id", "t_dat"]].set_axis(
            [C.USER, C.LISTING, C.TIMESTAMP], axis=1
        )
        events[C.TIMESTAMP] = moments_or_text(events[C.TIMESTAMP])
        config = MarketConfig(name="H&M", title="prod_name", attributes=ATTRIBUTES)
        write_market(target, config, listings, _pictures(folder, articles["article_id"]), events, folder)


def _pictures(folder: Path, articles: pd.Series) -> pd.DataFrame | None:
    """Return the cover of each article that has one, `images/010/0108775015.jpg` for 0108775015; None where there are none."""
    files = [file for file in sorted((folder / "images").glob("*/*")) if file.suffix in PICTURES]
    pictures = {file.stem: file.relative_to(folder).as_posix() for file in files}
    paths = articles.map(pictures)
    photos = pd.DataFrame({C.LISTING: articles, C.POSITION: 0, C.PATH: paths})[paths.notna()]
    return None if photos.empty else photos
