"""Parts of the method, two runs, and queries on which they differ."""

from app.server.pages import PageEntry

PAGE = PageEntry(
    "compare",
    "Compare",
    ":material/compare_arrows:",
    ("PlotlyChart", "DownloadButton", "Selectbox", "Slider"),
)
