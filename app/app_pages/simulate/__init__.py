"""A user played by hand."""

from app.server.pages import PageEntry

PAGE = PageEntry(
    "simulate",
    "Simulate a user",
    ":material/draw:",
    ("Checkbox", "DownloadButton", "FileUploader", "Pagination"),
)
