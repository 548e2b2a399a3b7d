"""Words of a text in any script: Python's letters alone would cut Hindi at its vowels, and read a Chinese sentence as one word."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import islice, permutations

#: Scripts without spaces between words. Chinese and Japanese are read two letters at a time, as search engines read them (CJK
#: bigrams), the letters of Thai, Lao, Burmese and Khmer, which say less, three at a time.
_PAIRS = "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
_TRIPLES = "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff"
_ENOUGH = 1_000  # texts that say which script is meant
_LETTERS = {"pairs": 2, "triples": 3}
_USUAL = re.compile(r"[^\W_]+")
#: ASCII in small letters, what is no letter as a space: a text of it alone is parted three times as fast without a pattern.
_ASCII = "".join(sign.lower() if sign.isalnum() else " " for sign in map(chr, range(128)))
_UNSPACED = re.compile(f"[{_PAIRS}{_TRIPLES}]+")


def words(text: str) -> list[str]:
    """Lower-case words of a text, punctuation stripped; numbers stay. A script without spaces gives overlapping letters.

    >>> words("Sunny flat, 2 rooms"), words("東京駅近く")
    (['sunny', 'flat', '2', 'rooms'], ['東京', '京駅', '駅近', '近く'])
    """
    if text.isascii():
        return text.translate(_ASCII).split()
    text, found = text.lower(), []
    if not unusual(text):
        return _USUAL.findall(text)
    for match in _careful()[0].finditer(text):
        word, size = match[0], _LETTERS.get(match.lastgroup or "", 0)
        found += (
            [word[at : at + size] for at in range(len(word) - size + 1)] if 0 < size < len(word) else [word]
        )
    return found


def joined(pieces: list[str], texts: list[str]) -> list[str]:
    """Words as they are to be read: pieces of a script without spaces are put together where most of the texts do so.

    >>> joined(["京駅", "pool", "東京"], ["東京駅の前"])
    ['東京駅', 'pool']
    """
    texts = [text.lower() for text in texts]
    times = {piece: sum(piece in text for text in texts) for piece in pieces}
    read = list(pieces)
    while True:
        for first, second in permutations(filter(unspaced, read), 2):
            whole = next((first + second[size:] for size in (2, 1) if first.endswith(second[:size])), "")
            times[whole] = sum(whole in text for text in texts) if whole else 0
            if 2 * times[whole] > max(times[first], times[second]):
                read[min(read.index(first), read.index(second))] = whole
                read = [one for one in read if one not in (first, second)]
                break
        else:
            return read


def unusual(text: str) -> bool:
    """Whether a text has letters that splitting at what is no letter would not read."""
    return not text.isascii() and _careful()[1].search(text) is not None


def unspaced(text: str) -> bool:
    """Whether a text has letters of a script without spaces."""
    return not text.isascii() and _UNSPACED.search(text) is not None


def gaps(text: str) -> int:
    """How often one word ends and another begins: at spaces, and at one in three letters of a script without them."""
    return text.count(" ") + len("".join(_UNSPACED.findall(text))) // 3


def latin(texts: Iterable[str]) -> bool:
    """Whether most letters of the texts, as far as the first thousand tell, are Latin; so where there is none."""
    letters = [letter for text in islice(texts, _ENOUGH) for letter in text if letter.isalpha()]
    return 2 * sum(letter < "\u0250" or "\u1e00" <= letter <= "\u1eff" for letter in letters) >= len(letters)


@cache
def _careful() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A word of any script, and a letter for which it is needed; made once somebody asks, since it takes some 20 ms."""
    # What belongs to the letter before it, which Python calls no letter: accents, the vowels of Hebrew, Arabic, India.
    marks = [sign for sign in map(chr, range(0x300, 0x3000)) if unicodedata.category(sign) in ("Mn", "Mc")]
    signs = "".join(sign for sign in marks if not _UNSPACED.match(sign))
    own = f"(?:(?![{_PAIRS}{_TRIPLES}])[^\\W_][{signs}]*)+"
    word = re.compile(f"(?P<pairs>[{_PAIRS}]+)|(?P<triples>[{_TRIPLES}]+)|{own}")
    return word, re.compile(f"[{_PAIRS}{_TRIPLES}{signs}]")
