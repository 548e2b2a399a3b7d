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
from listing_vibes.market.raw import moments_or_text, source_table
from listing_vibes.market.tables import require
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
PURCHASES = "transactions*.csv*"
PICTURES = (".jpg", ".webp")


class HM(Importer):
    """Write the market of `articles.csv[.gz]`, purchases `transactions*.csv[.gz]` and pictures `images/` in a folder.

    The path is the folder, or one of several purchase files in it. Articles without a purchase in that file are excluded:
    the source does not say when an article was on sale, so that an excerpt of a week would be ranked against articles
    of other years. Numeric columns that repeat a text column are excluded, and so are price and
    channel, which belong to a purchase and not to an article.
    """

    def write(self, path: Path, target: Path) -> None:
        folder, source = (path, purchases_of(path)) if path.is_dir() else (path.parent, path)
        needed = [RENAMED.get(name, name) for name in ATTRIBUTES]
        articles = source_table(folder, "articles", ("article_id", *needed))
        bought = read_table(source)
        require(bought, source, ("t_dat", "customer_id", "article_id"))
        articles = articles[articles["article_id"].isin(bought["article_id"].unique())].reset_index(drop=True)
        if articles.empty:
            raise VibesError(
                f"{source} has no purchase of an article of {folder}; give both files of the same source."
            )
        listings = pd.DataFrame({C.LISTING: articles["article_id"]})
        for name in ATTRIBUTES:
            listings[name] = articles[RENAMED.get(name, name)]
        events = pd.DataFrame(
            {
                C.USER: bought["customer_id"],
                C.LISTING: bought["article_id"],
                C.TIMESTAMP: moments_or_text(bought["t_dat"]),
            }
        )
        config = MarketConfig(name="H&M", title="prod_name", attributes=ATTRIBUTES)
        write_market(target, config, listings, _pictures(folder, articles["article_id"]), events, folder)


def purchases_of(folder: Path) -> Path:
    """Return the single purchase file in a folder.

    Raises:
        VibesError: there is none, or there are several.
    """
    files = sorted(folder.glob(PURCHASES))
    if not files:
        raise VibesError(
            f"{folder} holds no {PURCHASES}; give the folder that holds it, or the file itself as PATH."
        )
    if len(files) > 1:
        names = " and ".join(file.name for file in files)
        raise VibesError(f"{folder} holds {names}; give the one to import as PATH, for example {files[0]}.")
    return files[0]


def _pictures(folder: Path, articles: pd.Series) -> pd.DataFrame | None:
    """Return the cover of each article that has one, `images/010/0108775015.jpg` for 0108775015; None where there are none."""
    files = [file for file in sorted((folder / "images").glob("*/*")) if file.suffix in PICTURES]
    pictures = {file.stem: file.relative_to(folder).as_posix() for file in files}
    paths = articles.map(pictures)
    photos = pd.DataFrame({C.LISTING: articles, C.POSITION: 0, C.PATH: paths})[paths.notna()]
    return None if photos.empty else photos
