"""What the table of a log that grows month after month says of steps and of what is forgotten."""

import re

import numpy as np
from tests.benchmarks.continual import ANEW, BEFORE, FORGOTTEN, FROM, METRIC, table

from listing_vibes.evaluation.intervals import paired_difference


def line(until, *others: str, gain: float = 0.0) -> dict:
    users = np.random.default_rng(int(10 * until) if until != FORGOTTEN else 1).random((len(others) + 1, 40))
    values = dict(zip((FROM, *others), users, strict=True))
    values[FROM] = values[others[0]] + gain + 0.1 * (users[0] - 0.5)
    return {
        "until": until,
        "queries": 40,
        "processor_s": {},
        METRIC: {name: float(of.mean()) for name, of in values.items()},
        "by user": {name: of.tolist() for name, of in values.items()},
    }


def p_of(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"p ([\d.]+) after Holm", text)]


def test_what_is_forgotten_is_a_question_of_its_own():
    steps, past = [line(0.6, ANEW, gain=0.01), line(0.7, ANEW)], line(FORGOTTEN, ANEW, BEFORE)
    alone, both = table(steps), table([*steps, past])
    assert both.startswith(alone) and len(p_of(both)) == 4
    raw = [
        paired_difference(*(np.array(past["by user"][name]) for name in (FROM, other))).p_value
        for other in (ANEW, BEFORE)
    ]
    low, high = sorted(raw)
    assert sorted(p_of(both)[2:]) == [round(min(1, 2 * low), 4), round(max(min(1, 2 * low), high), 4)]
