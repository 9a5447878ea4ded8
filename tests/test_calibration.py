"""Calibration from scores, and the recovery and registration of real pairs."""

import numpy as np
import pytest
from scipy import ndimage

from sunpy_superres.training.export import extended
from sunpy_superres.training.pairs import native_frame, registered_origin
from sunpy_superres.training.scores import Scores, calibrate


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


def interpolated(frame, size, period, phase):
    """Bilinear interpolation of ``frame`` to finer pixels."""
    where = [(np.arange(size) - phase[axis]) / period for axis in (0, 1)]
    return ndimage.map_coordinates(frame, np.meshgrid(*where, indexing="ij"), order=1)


def test_native_pixels_are_recovered_from_an_interpolated_frame():
    rng = np.random.default_rng(0)
    frame = rng.normal(0, 30, (60, 60))
    fine = interpolated(frame, 120, 2.7317, (-1.2, -0.4))
    found, period, origin, misfit = native_frame(fine)
    np.testing.assert_allclose(period, 2.7317, atol=1e-4)
    assert misfit < 1e-2
    # Pixel 0 of the result is some pixel of the frame: the first one that is seen.
    first = np.round((origin - (-1.2, -0.4)) / period).astype(int)
    inner = found[3:-3, 3:-3]
    rows, columns = (slice(f + 3, f + 3 + n) for f, n in zip(first, inner.shape, strict=True))
    np.testing.assert_allclose(inner, frame[rows, columns], atol=0.5)


def test_registration_finds_a_known_shift():
    """HMI at 0.73 arcsec, seen by MDI with its origin two and a half pixels off."""
    noise = np.random.default_rng(3).standard_normal((200, 200))
    hmi = (3200 * ndimage.gaussian_filter(noise, 3)).astype("f4").astype(float)
    period, origin = np.array([2.7, 2.7]), np.array([-1.0, 0.5])
    image = ndimage.uniform_filter(ndimage.gaussian_filter(hmi, 1.7), 3)
    true = origin + (2.5, -1.25)
    where = [np.arange(70) * step + first for step, first in zip(period, true, strict=True)]
    frame = 1.4 * ndimage.map_coordinates(image, np.meshgrid(*where, indexing="ij"), order=1)
    np.testing.assert_allclose(registered_origin(hmi, frame, period, origin), true, atol=0.05)


def test_calibration_goes_on_where_the_held_out_regions_end():
    held_out = {"mean_weight": 0.9, "field": [5.0, 400.0], "factor": [1.0, 1.1]}
    trained = {"mean_weight": 0.5, "field": [5.0, 500.0, 700.0], "factor": [3.0, 2.0, 0.8]}
    assert extended(held_out, trained) == {
        "mean_weight": 0.9,
        "field": [5.0, 400.0, 700.0],
        "factor": [1.0, 1.1, 0.8],
    }
