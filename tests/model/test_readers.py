"""Ways to read a history, found by their files."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from listing_vibes.model.readers import READERS
from listing_vibes.model.settings import Resolved


def test_every_reader_says_what_it_feeds_on_and_how():
    feeds = {name: READERS[name].reads for name in READERS}
    assert (feeds["cls"], feeds["listing-vectors"]) == ("sequence", "vectors")
    assert all(READERS[name].sentence[0].islower() and READERS[name].sentence[-1] != "." for name in READERS)


def test_settings_name_a_reader_and_refuse_another():
    assert Resolved.model_validate({"history": "cls"}).history == "cls"
    with pytest.raises(ValidationError, match=r"Input should be .*'cls'.*'listing-vectors'"):
        Resolved.model_validate({"history": "backwards"})


def test_the_names_are_known_without_torch():
    code = "import sys; from listing_vibes.model.readers import READERS; print(len(READERS), 'torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert told == f"{len(READERS)} False\n"
