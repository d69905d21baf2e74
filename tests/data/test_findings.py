"""What was found out, as text."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrousel.data.findings import Findings, num_repeated, percent, spread, tally

pytestmark = pytest.mark.tiny


def test_lines_tell_facts_then_doubts_then_baselines():
    findings = Findings(Path("x.csv"), "tagger", "sentences")
    findings.facts |= {"words": "12", "a name that is long": "3"}
    assert findings.lines() == [
        "x.csv: sentences, for the kind tagger",
        "  words          12",
        "  a name that is long 3",
    ]
    findings.leak(1, 8, "sentences")
    findings.baselines["one tag"] = ({"accuracy": 0.25, "f1": 0.123456}, "X for all")
    assert findings.lines()[3:] == [
        "To look at",
        "  1 of 8 held-out sentences (12.5 %) are in the training part, too: figures on them flatter.",
        "Without a network, on the held-out part",
        "  one tag        accuracy 0.25, f1 0.1235 (X for all)",
    ]


def test_no_leak_is_no_doubt():
    findings = Findings(Path("x.csv"), "tagger", "sentences")
    findings.leak(0, 0, "sentences")
    assert (findings.doubts, findings.numbers) == ([], {"leaked": 0})


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_a_spread_has_95_percent_up_to_its_third_number(values: list[int]):
    text = spread(values, "steps")
    if min(values) == max(values):
        assert text == f"{min(values)} step{'' if min(values) == 1 else 's'} each"
        return
    low, high = text.split(" steps ")[0].split(" to ")
    most = int(text.split("up to ")[1].rstrip(")"))
    assert (int(low), int(high)) == (min(values), max(values))
    assert sum(value <= most for value in values) >= 0.95 * len(values)
    assert sum(value < most for value in values) < 0.95 * len(values)


def test_a_tally_shows_the_most_frequent_twelve():
    assert tally({}) == "0: "
    assert tally({f"{k:02}": k for k in range(14)}).endswith("03 3, 02 2 and 2 more")


def test_parts_and_repetitions():
    assert percent(0.12345) == "12.3 %"
    assert num_repeated("abcabca") == 4
