"""Texts that are written as HTML, as plain text."""

import html
import re

_NAMES = (
    "a|abbr|address|article|b|big|blockquote|body|br|center|code|dd|del|div|dl|dt|em|figure|font|footer|form|h[1-6]|head|header|hr|html|i|"
    "iframe|img|ins|li|main|mark|meta|nobr|ol|p|pre|q|s|script|section|small|span|strike|strong|style|sub|sup|table|tbody|td|tfoot|th|"
    "thead|title|tr|u|ul|video"
)
#: By which a text is known to be HTML: "a < b", "<3" and "<b and c>" are none.
_KNOWN = re.compile(rf"</?(?:{_NAMES})(?:\s[^<>=]*=[^<>]*)?\s*/?>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
#: What nobody reads, up to the end where that is left out.
_UNSEEN = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.IGNORECASE | re.DOTALL)
_MOST = 3  # times that a text may be HTML in HTML


def plain_text(text: str) -> str:
    """HTML without tags, entities and scripts, white space as single blanks."""
    return " ".join(html.unescape(_TAG.sub(" ", _UNSEEN.sub(" ", text))).split())


def without_markup(text: str) -> str:
    """A text as it is read: as it stands, or plain where it holds tags.

    >>> without_markup("<p>Tom&nbsp;&amp; <b>Ann</b></p>"), without_markup("a < b &amp; c > d")
    ('Tom & Ann', 'a < b &amp; c > d')
    """
    for _ in range(_MOST):
        if "<" not in text or not _KNOWN.search(text):
            break
        text = plain_text(text)
    return text
