"""Texts that are written as HTML, as plain text."""

import html
import re

#: What marks a text as HTML: an end tag, or one of the tags that stand alone; "a < b" and "<3" do not.
_HTML = re.compile(r"</[a-z][a-z0-9]*\s*>|<(?:br|p|li|hr)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_HIDDEN = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.IGNORECASE | re.DOTALL)


def plain_text(text: str) -> str:
    """Return HTML without tags, entities and scripts, white space as single spaces."""
    return " ".join(html.unescape(_TAG.sub(" ", _HIDDEN.sub(" ", text))).split())


def without_markup(text: str) -> str:
    """Return a text as it stands, or plain where it holds tags.

    >>> without_markup("<p>Tom&nbsp;&amp; <b>Ann</b></p>"), without_markup("a < b &amp; c > d")
    ('Tom & Ann', 'a < b &amp; c > d')
    """
    return plain_text(text) if "<" in text and _HTML.search(text) else text
