"""Rules of a robots.txt, each case as RFC 9309 has it."""

import time

import pytest

from listing_vibes.market.download.fetch import Robots

US = "our-shop (it@example.com)"


@pytest.mark.parametrize(
    "text, path, allowed",
    [
        ("", "/a.jpg", True),
        ("User-agent: *\nDisallow: /", "/a.jpg", False),
        ("\ufeffUser-agent: *\nDisallow: /", "/a.jpg", False),
        ("User-agent: *\n\nDisallow: /media/", "/media/a.jpg", False),
        ("User-agent: *\nDisallow:", "/a.jpg", True),
        ("User-agent: *\nDisallow: /\nAllow: /media/", "/media/a.jpg", True),  # the longest match
        ("User-agent: *\nDisallow: /a\nAllow: /a", "/a.jpg", True),  # of two as long
        ("User-agent: *\nDisallow: /*.jpg$", "/media/a.jpg", False),
        ("User-agent: *\nDisallow: /*.jpg$", "/media/a.jpg?size=2", True),
        ("User-agent: *\nDisallow: /a*b*c", "/a1b2b3c4", False),
        ("User-agent: *\nDisallow: /*a*$", "/bab", False),
        ("User-agent: *\nDisallow: /a$", "/ab", True),
        ("User-agent: *\nDisallow: /%7Eann/caf%c3%a9", "/~ann/caf%C3%A9/a.jpg", False),
        ("User-agent: *\nDisallow: /café", "/caf%C3%A9", False),
        ("User-agent: Our-Shop\nDisallow: /x\n\nUser-agent: *\nDisallow: /", "/a.jpg", True),
        ("User-agent: our-shop/2.1\nDisallow: /", "/a.jpg", False),
        ("User-agent: it\nDisallow: /", "/a.jpg", True),  # no part of a name
        ("User-agent: our-shop\nDisallow: /x\nUser-agent: our-shop\nDisallow: /media/", "/media/a", False),  # merged
        ("User-agent: other\nUser-agent: our-shop\nDisallow: /", "/a.jpg", False),
        ("User-agent: other\nDisallow: /\nSitemap: https://x/y.xml", "/a.jpg", True),
        ("Disallow: /", "/a.jpg", True),  # of no group
        ("User-agent: * # all\nDisallow: /b # not this", "/b/a.jpg", False),
    ],
)  # fmt: skip
def test_rules(text, path, allowed):
    assert Robots(text, US).allows(path) is allowed


def test_delays_may_have_decimals_and_be_none():
    delays = {"0.5": 0.5, "soon": None, "inf": None, "-1": None}
    for text, delay in delays.items():
        assert Robots(f"User-agent: *\nCrawl-delay: {text}", US).delay == delay
    assert Robots("User-agent: other\nCrawl-delay: 9", US).delay is None


def test_no_pattern_takes_long():
    robots = Robots("User-agent: *\nDisallow: /" + "a*" * 300 + "b$", US)
    began = time.process_time()
    assert robots.allows("/" + "a" * 2000)
    assert time.process_time() - began < 1
