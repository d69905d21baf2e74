"""Figures of forecasts against their definitions, written out in loops."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carrousel.models.forecaster import metrics

pytestmark = pytest.mark.tiny

NAN = float("nan")
values = st.floats(-100, 100).map(lambda value: round(value, 3))
pairs = st.integers(1, 12).flatmap(
    lambda n: st.tuples(arrays(np.float64, n, elements=values), arrays(np.float64, n, elements=values))
)


def loop_smape(y: np.ndarray, f: np.ndarray) -> float:
    return sum(0 if a == b == 0 else 200 * abs(a - b) / (abs(a) + abs(b)) for a, b in zip(y, f, strict=True)) / len(y)


def loop_kge(y: np.ndarray, f: np.ndarray) -> float:
    r = np.corrcoef(y, f)[0, 1]
    return 1 - math.sqrt((r - 1) ** 2 + (np.std(f) / np.std(y) - 1) ** 2 + (np.mean(f) / np.mean(y) - 1) ** 2)


def loop_pinball(y: np.ndarray, q: np.ndarray, level: float) -> float:
    return sum(level * (a - b) if a >= b else (1 - level) * (b - a) for a, b in zip(y, q, strict=True)) / len(y)


@given(pairs)
def test_errors_are_their_definitions(pair: tuple[np.ndarray, np.ndarray]) -> None:
    y, f = pair
    assert metrics.mae(y, f) == pytest.approx(sum(abs(a - b) for a, b in zip(y, f, strict=True)) / len(y))
    assert metrics.rmse(y, f) == pytest.approx(math.sqrt(sum((a - b) ** 2 for a, b in zip(y, f, strict=True)) / len(y)))
    assert metrics.smape(y, f) == pytest.approx(loop_smape(y, f))
    scale = np.arange(1, len(y) + 1).astype(np.float64)
    expected = sum(abs(a - b) / s for a, b, s in zip(y, f, scale, strict=True)) / len(y)
    assert metrics.mase(y, f, scale) == pytest.approx(expected)


@given(pairs)
def test_nse_and_kge_are_their_definitions(pair: tuple[np.ndarray, np.ndarray]) -> None:
    y, f = pair
    if len(y) > 1 and np.std(y) > 0.01 and np.std(f) > 0.01 and abs(np.mean(y)) > 0.01:
        spread = sum((a - np.mean(y)) ** 2 for a in y)
        expected = 1 - sum((a - b) ** 2 for a, b in zip(y, f, strict=True)) / spread
        assert metrics.nse(y, f) == pytest.approx(expected)
        assert metrics.kge(y, f) == pytest.approx(loop_kge(y, f), abs=1e-9)


def test_the_mean_has_nse_0_and_its_published_kge() -> None:
    y = np.array([1.0, 4, 2, 8])
    assert metrics.nse(y, np.full(4, y.mean())) == pytest.approx(0)
    assert metrics.kge(y, np.full(4, y.mean())) == pytest.approx(1 - math.sqrt(2))
    assert (metrics.nse(y, y), metrics.kge(y, y)) == (1, pytest.approx(1))


@given(pairs)
def test_pinball_is_its_definition_and_crps_of_a_point_is_its_absolute_error(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    y, f = pair
    levels = [0.1, 0.25, 0.5, 0.75, 0.9]
    quantiles: np.ndarray = f[:, None] + np.arange(5)
    expected = [loop_pinball(y, f + k, level) for k, level in enumerate(levels)]
    np.testing.assert_allclose(metrics.pinball(y, quantiles, levels), expected, atol=1e-9)
    point: np.ndarray = f[:, None] + np.zeros(5)
    assert metrics.crps_of_quantiles(y, point, levels) == pytest.approx(metrics.mae(y, f), abs=1e-9)


def test_crps_of_many_quantiles_is_that_of_the_distribution() -> None:
    levels = ((np.arange(999) + 1) / 1000).tolist()
    uniform = np.array(levels)[None]  # of the uniform distribution on 0 to 1, whose CRPS at y is y² - y + 1/3
    for y in (0.0, 0.3, 1.0):
        assert metrics.crps_of_quantiles(np.array([y]), uniform, levels) == pytest.approx(y**2 - y + 1 / 3, abs=1e-3)


def test_coverage_counts_the_ends() -> None:
    y = np.array([1.0, 2, 3, NAN, 9])
    assert metrics.coverage(y, np.full(5, 1.0), np.full(5, 3.0)) == 75


def test_what_was_not_observed_is_left_out() -> None:
    y, f = np.array([1.0, NAN, 3]), np.array([2.0, 50, 5])
    assert metrics.mae(y, f) == 1.5
    assert metrics.rmse(y, f) == pytest.approx(math.sqrt(2.5))
    assert metrics.smape(y, f) == pytest.approx((200 / 3 + 400 / 8) / 2)
    assert metrics.nse(y, f) == pytest.approx(1 - 5 / 2)
    nothing = np.array([NAN])
    found = [metrics.mae(nothing, f[:1]), metrics.nse(nothing, f[:1]), metrics.kge(nothing, f[:1])]
    assert all(math.isnan(value) for value in found)


def test_the_naive_error_is_that_of_seasonal_naive_in_training() -> None:
    y = np.array([1.0, 5, 2, 7, NAN, 6])
    assert metrics.naive_error(y, 2) == pytest.approx((1 + 2 + 1) / 3)
    assert math.isnan(metrics.naive_error(y, 6))
    assert math.isnan(metrics.naive_error(np.ones(5), 1))


@given(pairs, st.integers(1, 12))
def test_nse_and_kge_of_lots_are_those_of_all_steps(pair: tuple[np.ndarray, np.ndarray], size: int) -> None:
    y, f = pair
    if len(y) > 1 and np.std(y) > 0.01 and np.std(f) > 0.01 and abs(np.mean(y)) > 0.01:
        lots = [metrics.Together.of(y[k : k + size], f[k : k + size]) for k in range(0, len(y), size)]
        found = sum(lots, metrics.Together())
        assert found.nse == pytest.approx(metrics.nse(y, f), rel=1e-6)
        assert found.kge == pytest.approx(metrics.kge(y, f), rel=1e-6, abs=1e-6)
