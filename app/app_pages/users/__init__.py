"""A user's history, and what is recommended as of any moment in it."""

from app.server.pages import PageEntry

PAGE = PageEntry(
    "users",
    "Users",
    ":material/group:",
    ("NumberInput", "Slider", "DataFrame"),
)
