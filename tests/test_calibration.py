"""Calibration from scores, and registration."""

import numpy as np
import pytest
from scipy import ndimage

from interpolated_frames import register_pixels
from sunpy_superres.datasets.registration import register_grid
from sunpy_superres.evaluation.calibration import calibrate
from sunpy_superres.evaluation.scores import Scores
from sunpy_superres.training.export import extend_calibration


def _bins(values):
    return np.array([*values, *[0.0] * (10 - len(values))])


def test_calibration_is_error_over_spread_by_field():
    pixels, strength = _bins([5000, 4000, 3000, 100, 2500]), _bins([5, 20, 40, 80, 150])
    error = pixels * 4.0 * np.linspace(1, 2, 10) ** 2
    scores = Scores()
    scores.add(
        maps=1, members=8, field_pixels=pixels, field_strength=pixels * strength,
        field_variance=pixels * 4.0, field_mean_error=error, field_ensemble_error=9 * error,
        field_cross_error=error,
    )  # fmt: skip
    table = calibrate(scores)
    assert table["mean_weight"] == 1.0  # the ensemble's additional error is noise
    assert table["field"][:2] == [5.0, 20.0]
    assert len(table["factor"]) == 4  # the small bin joined its neighbour, empty ones are left out
    assert table["factor"][0] == pytest.approx(1.0)
    assert table["factor"][1] == pytest.approx(1 + 1 / 9, abs=1e-3)


def test_calibrated_mean_weight_has_the_least_error():
    """Regression and ensemble with independent errors of 1 and 2: weights 4/5 and 1/5."""
    pixels = _bins([5000.0])
    scores = Scores()
    scores.add(
        maps=2, members=16, field_pixels=pixels, field_strength=pixels, field_variance=pixels,
        field_mean_error=pixels * 1.0, field_ensemble_error=pixels * 4.0,
        field_cross_error=pixels * 0.0,
    )  # fmt: skip
    table = calibrate(scores)
    assert table["mean_weight"] == pytest.approx(0.8)
    expected = np.sqrt(0.8 / (1 + 0.2**2 / 8))
    assert table["factor"] == [pytest.approx(expected, abs=1e-4)]


def observed(hmi, matrix, origin, size=70):
    """HMI at 0.73 arcsec, seen by MDI with the given pixels."""
    image = ndimage.uniform_filter(ndimage.gaussian_filter(hmi, 1.7), 3)
    index = np.mgrid[:size, :size].reshape(2, -1)
    where = np.asarray(origin)[:, None] + np.asarray(matrix) @ index
    return 1.4 * ndimage.map_coordinates(image, where, order=3).reshape(size, size)


@pytest.fixture(scope="module")
def hmi():
    noise = np.random.default_rng(3).standard_normal((200, 200))
    field = (3200 * ndimage.gaussian_filter(noise, 3)).astype("f4").astype(float)
    # Weak structure everywhere, and one spot that must not rule the fit.
    y, x = np.mgrid[:200, :200]
    return field + 1500 * np.exp(-((y - 130) ** 2 + (x - 120) ** 2) / 300)


@pytest.mark.parametrize("turn", [0.0, 0.25], ids=["shifted", "shifted, turned and stretched"])
def test_registration_finds_known_pixels(hmi, turn):
    """The origin two and a half pixels off; the roll a quarter of a degree, the scale 0.6 %."""
    period, origin = np.array([2.7, 2.7]), np.array([-1.0, 0.5])
    angle = np.deg2rad(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    true = np.diag(period) @ rotation * (1.006 if turn else 1.0)
    start = origin + (2.5, -1.25)
    frame = observed(hmi, true, start)
    frame = frame + np.random.default_rng(0).normal(0, 9, frame.shape)
    matrix, found = register_pixels(hmi, frame, period, origin)
    corners = np.array([[0, 0], [0, 69], [69, 0], [69, 69]]).T
    off = (found[:, None] + matrix @ corners) - (start[:, None] + true @ corners)
    assert np.abs(off).max() < 0.15  # of a fine pixel: 0.05 of MDI's


def test_registration_leaves_a_frame_without_structure_as_it_is(hmi):
    frame = np.random.default_rng(1).normal(0, 9, (70, 70))
    good, start = np.ones(frame.shape, bool), [0.0, 0.0]
    matrix, origin = register_grid(frame, good, hmi, np.diag([2.7, 2.7]), start)
    np.testing.assert_allclose(matrix / 2.7, np.eye(2), atol=0.02)
    middle = np.full(2, 34.5)
    np.testing.assert_allclose(origin + matrix @ middle, 2.7 * middle, atol=2.7)


def test_registration_of_what_says_nothing_is_refused(hmi):
    frame, good = np.ones((70, 70)), np.zeros((70, 70), bool)
    with pytest.raises(ValueError, match="at least 64"):
        register_grid(frame, good, hmi, 2.7 * np.eye(2), [0.0, 0.0])
    hmi = np.where(hmi > 1000, np.nan, hmi)
    with pytest.raises(ValueError, match="not finite"):
        register_grid(frame, ~good, hmi, 2.7 * np.eye(2), [0.0, 0.0])


def test_calibration_goes_on_where_the_held_out_regions_end():
    held_out = {"mean_weight": 0.9, "field": [5.0, 400.0], "factor": [1.0, 1.1]}
    trained = {"mean_weight": 0.5, "field": [5.0, 500.0, 700.0], "factor": [3.0, 2.0, 0.8]}
    assert extend_calibration(held_out, trained) == {
        "mean_weight": 0.9,
        "field": [5.0, 400.0, 700.0],
        "factor": [1.0, 1.1, 0.8],
    }
