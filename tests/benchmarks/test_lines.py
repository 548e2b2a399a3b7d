"""Every line of the table of speed has the options that it is called with, and answers in JSON."""

from pathlib import Path

import pytest
from tests.benchmarks.__main__ import LINES


@pytest.mark.parametrize("name", LINES)
def test_every_line_has_the_options_that_it_is_called_with(name):
    text = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    named = [word for options in LINES[name] for word in options if word.startswith("--")]
    assert "json.dumps(" in text and all(f'{option[2:]}"' in text for option in named)
