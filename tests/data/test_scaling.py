"""Scaling: fitted on the training part, undone exactly, kept as JSON."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrousel.data.ragged import Ragged
from carrousel.data.scaling import METHODS, Scaling
from carrousel.errors import ConfigError

pytestmark = pytest.mark.tiny

NAN = float("nan")
VALUES = Ragged.of([np.array([[1.0, 5], [3, NAN], [8, 5], [99, 99]]), np.array([[-4.0, 7], [0, 9], [50, 50]])])
ENDS = np.array([3, 2])


def test_all_series_together() -> None:
    found = Scaling.fit(VALUES, ENDS)
    train = [1.0, 3, 8, -4, 0]
    assert found.shift.tolist() == [[np.mean(train), 6.5]]
    np.testing.assert_allclose(found.scale, [[np.std(train), np.std([5, 5, 7, 9])]], rtol=1e-15)


@pytest.mark.parametrize(
    ("method", "shift", "scale"),
    [
        ("standard", [4, 5], [np.std([1, 3, 8]), 1]),
        ("robust", [3, 5], [(5.5 - 2) / 1.3489795003921634, 1]),
        ("min-max", [1, 5], [7, 1]),
        ("none", [0, 0], [1, 1]),
    ],
)
def test_each_series_by_itself(method: str, shift: list[float], scale: list[float]) -> None:
    found = Scaling.fit(VALUES, ENDS, method, ("a", "b"))
    np.testing.assert_allclose(found.shift[0], shift, rtol=1e-15)
    np.testing.assert_allclose(found.scale[0], scale, rtol=1e-15)


@given(st.sampled_from(METHODS), st.floats(-1e6, 1e6), st.booleans())
def test_changing_the_future_changes_nothing(method: str, future: float, by_series: bool) -> None:
    changed = Ragged(VALUES.values.copy(), VALUES.offsets)
    changed[0][3:] = future
    changed[1][2:] = future
    names = ("a", "b") if by_series else ()
    assert Scaling.fit(changed, ENDS, method, names).to_dict() == Scaling.fit(VALUES, ENDS, method, names).to_dict()


@given(st.sampled_from(METHODS), st.booleans())
def test_the_inverse_undoes_it(method: str, by_series: bool) -> None:
    found = Scaling.fit(VALUES, ENDS, method, ("a", "b") if by_series else ())
    for k in range(2):
        np.testing.assert_allclose(found.inverse(found.apply(VALUES[k], k), k), VALUES[k], rtol=1e-12)


def test_training_values_have_mean_0_and_deviation_1() -> None:
    found = Scaling.fit(VALUES, ENDS, "standard", ("a", "b"))
    scaled = found.apply(VALUES[0], 0)[:3, 0]
    np.testing.assert_allclose([scaled.mean(), scaled.std()], [0, 1], atol=1e-15)


def test_it_comes_back_from_json() -> None:
    for names in ((), ("a", "b")):
        found = Scaling.fit(VALUES, ENDS, "robust", names)
        assert Scaling.from_dict(json.loads(json.dumps(found.to_dict()))).to_dict() == found.to_dict()
    with pytest.raises(ValueError, match="of 3 series"):
        Scaling.from_dict({**Scaling.fit(VALUES, ENDS).to_dict(), "names": ["a", "b", "c"]})


def test_a_new_series_is_fitted_on_what_is_known_of_it() -> None:
    found = Scaling.fit(VALUES, ENDS, "min-max", ("a", "b"))
    other = Ragged.of([np.array([[2.0, 0], [4, 1], [60, 60]]), np.array([[70.0, 70], [80, 80]])])
    rows = found.rows(("new", "a"), other, np.array([2, 1]))
    assert rows.shift.tolist() == [[2, 0], [1, 5]]
    assert rows.scale.tolist() == [[2, 1], [7, 1]]
    assert Scaling.fit(VALUES, ENDS).rows(("new", "a"), other, np.array([2, 1])).shift.tolist() == [[1.6, 6.5]]


def test_a_channel_without_values_stays_as_it_is() -> None:
    found = Scaling.fit(Ragged.of([np.full((3, 1), NAN)]), np.array([3]))
    assert (found.shift.tolist(), found.scale.tolist()) == ([[0]], [[1]])


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        Scaling.fit(VALUES, ENDS, "log")
    assert str(caught.value) == "Scaling: method is 'log', expected one of standard, robust, min-max, none. Choose one."
