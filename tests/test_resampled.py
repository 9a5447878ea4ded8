"""Frames that were rotated, reprojected or resampled are found out; others are not."""

import astropy.units as u
import numpy as np
import pytest
from scipy import ndimage

from sunpy_superres.data import example_hmi_map, example_mdi_map
from sunpy_superres.exceptions import SuperResWarning
from sunpy_superres.maps.magnetogram import read_magnetogram
from sunpy_superres.maps.resampled import (
    check_resampling,
    jump_significance,
    noise_correlation,
    repeated_pixels,
)
from sunpy_superres.maps.simulation import simulate_mdi

SHAPE = (160, 160)


def white(noise=12.0, seed=0, shape=SHAPE):
    return noise * np.random.default_rng(seed).standard_normal(shape)


def everywhere(frame):
    return np.ones(frame.shape, bool)


def plage(seed=1, shape=SHAPE):
    """Strong field with the resolution of MDI, and noise of 12 G."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1.2)
    return 250 * field / field.std()


def turned(frame, angle, order, scale=1.0):
    """Rotate a frame about its middle, by nearest neighbours (0) or bilinear interpolation (1)."""
    angle = np.deg2rad(angle)
    matrix = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = (np.array(frame.shape) - 1) / 2
    offset = middle - matrix @ middle + (0.2, -0.3)
    return ndimage.affine_transform(frame, matrix, offset, order=order, mode="mirror")


# What is measured


def test_correlation_of_white_noise():
    correlation, count = noise_correlation(white(), np.ones(SHAPE, bool))
    assert correlation == pytest.approx(0, abs=0.03)
    assert count > 23000


@pytest.mark.parametrize(("shift", "expected"), [(0.5, 0.5), (0.25, 0.3), (0.1, 0.11)])
def test_correlation_after_a_shift(shift, expected):
    """Neighbours that share a pixel: p (1 - p) / (p^2 + (1 - p)^2)."""
    frame = ndimage.shift(white(), (shift, shift), order=1, mode="mirror")
    assert noise_correlation(frame, everywhere(frame))[0] == pytest.approx(expected, abs=0.03)


def test_correlation_leaves_out_the_field_and_what_is_not_good():
    frame, good = white(), np.ones(SHAPE, bool)
    frame[40:70, 40:70] += 5000 * plage(shape=(30, 30))
    good[:, ::31] = False
    frame[~good] = 0
    assert noise_correlation(frame, good)[0] == pytest.approx(0, abs=0.04)
    good[:] = False
    assert np.isnan(noise_correlation(frame, good)[0])
    assert np.isnan(noise_correlation(np.zeros(SHAPE), np.ones(SHAPE, bool))[0])


def test_repeated_pixels_are_not_those_that_rounding_makes_equal():
    rounded = np.round(white())
    assert np.mean(rounded[1:] == rounded[:-1]) > 0.02
    assert repeated_pixels(rounded, everywhere(rounded))[0] == pytest.approx(0, abs=0.003)
    share, _ = repeated_pixels(turned(rounded, 30, 0), everywhere(rounded))
    assert share == pytest.approx((1 - np.cos(np.pi / 6)) * (1 - np.sin(np.pi / 6)), abs=0.006)
    assert np.isnan(repeated_pixels(rounded + 100, everywhere(rounded))[0])


@pytest.mark.parametrize(("angle", "scale"), [(2.0, 1.0), (-4.0, 1.0), (0.0, 1.03), (0.0, 0.96)])
def test_jumps_of_displaced_pixels(angle, scale):
    frame, noise = plage() + white(), np.full(SHAPE, 12.0)
    assert jump_significance(frame, everywhere(frame), noise) < 7
    assert jump_significance(turned(frame, angle, 0, scale), everywhere(frame), noise) > 9


def test_jumps_need_strong_field():
    assert jump_significance(white(), np.ones(SHAPE, bool), np.full(SHAPE, 12.0)) == 0


# What is said


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("noise", [6.0, 24.0])
def test_nothing_is_said_of_clean_frames(noise, seed):
    frame = white(noise, seed)
    frame[20:80, 20:80] += plage(seed, (60, 60)) * np.hanning(60)[:, None] * np.hanning(60)
    levels = np.full(SHAPE, noise)
    for smooth in (np.round(frame), frame[:40, -48:]):
        cut = tuple(slice(n) for n in smooth.shape)
        assert check_resampling(smooth, everywhere(smooth), levels[cut]) == []
    for exact in (frame, np.rot90(frame), np.rot90(frame, 2)):
        assert check_resampling(exact, everywhere(exact), levels) == []


@pytest.mark.parametrize(
    ("angle", "order", "words"),
    [
        (1.5, 1, "interpolation does"),
        (77.0, 1, "interpolation does"),
        (30.0, 0, "repeat the one beside them"),
    ],
)
def test_rotated_frames_are_named(angle, order, words):
    frame = white(seed=3)
    frame += plage(7) * np.clip(np.arange(160) / 40 - 1, 0, 1)
    (note,) = check_resampling(turned(frame, angle, order), everywhere(frame), np.full(SHAPE, 12.0))
    assert words in note
    assert note.startswith("The frame looks resampled")
    assert note.endswith("with target_wcs.")


@pytest.mark.parametrize("angle", [3.0, 93.0])
def test_displaced_pixels_are_named(angle):
    frame = turned(plage() + white(), angle, 0)
    (note,) = check_resampling(frame, everywhere(frame), np.full(SHAPE, 12.0))
    assert "breaks at regular distances" in note


@pytest.mark.filterwarnings("ignore:.*of the disk is missing", "ignore:INTERVAL = 300")
def test_a_rotated_map_warns_and_says_so_in_its_remarks():
    smap = example_mdi_map()
    assert read_magnetogram(smap).remarks == []
    rotated = smap.rotate(12 * u.deg, order=1, missing=np.nan)
    with pytest.warns(SuperResWarning, match="looks resampled: the noise"):
        read = read_magnetogram(rotated)
    assert "target_wcs" in read.remarks[0]


@pytest.mark.parametrize("kind", ["bilinear", "nearest"])
def test_simulated_frames_that_were_resampled_are_found_out(kind):
    options = {"seed": 3, "angle": 25 * u.deg}
    assert read_magnetogram(simulate_mdi(example_hmi_map(), **options)).remarks == []
    with pytest.warns(SuperResWarning, match="looks resampled"):
        read_magnetogram(simulate_mdi(example_hmi_map(), **options, resampling=kind))


@pytest.mark.filterwarnings("ignore:INTERVAL = 300")
def test_simulated_frames_without_noise_are_not_judged():
    assert read_magnetogram(simulate_mdi(example_hmi_map(), noise=0 * u.G)).remarks == []
