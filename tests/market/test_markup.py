"""HTML as plain text."""

import pytest

from listing_vibes.market.markup import without_markup


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<p>Tom&nbsp;&amp; <b>Ann</b></p><style>p {}</style>", "Tom & Ann"), ("Fine<br/>flat<!-- no -->", "Fine flat"), ("<li>a<li>b<script>x", "a b"),
        ("a < b &amp; c > d", "a < b &amp; c > d"), ("<3 km, i <b and c> d", "<3 km, i <b and c> d"), ("<unknown>", "<unknown>"),
        ("<p>&lt;b&gt;bold&lt;/b&gt;</p>", "bold"),
    ],
)  # fmt: skip
def test_tags_are_left_out_where_a_text_holds_some(text, plain):
    assert without_markup(text) == plain
    assert without_markup(plain) == plain
