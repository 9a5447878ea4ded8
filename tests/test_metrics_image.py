"""Image metrics against their definitions, other libraries and what must not change them."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage, stats

from sunpy_superres import metrics


@pytest.fixture(scope="module")
def maps(mdi_header):
    """A field of 60 x 72 pixels near disk centre, and the same with an error."""
    rng = np.random.default_rng(3)
    header = mdi_header((60, 72), corner=(480, 490))
    truth = ndimage.gaussian_filter(rng.normal(size=(60, 72)), 2) * 1500
    other = truth * 0.9 + rng.normal(5, 20, truth.shape)
    return sunpy.map.Map(other, header), sunpy.map.Map(truth, header)


def test_errors_are_their_definitions(maps):
    smap, truth = maps
    error = smap.data - truth.data
    assert metrics.rmse(*maps).to_value(u.G) == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    assert metrics.mae(*maps).to_value(u.G) == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert metrics.correlation(*maps) == pytest.approx(
        np.corrcoef(smap.data.ravel(), truth.data.ravel())[0, 1], abs=1e-6
    )


def test_psnr_and_ssim_are_those_of_scikit_image(maps):
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    smap, truth = maps
    expected = peak_signal_noise_ratio(truth.data, smap.data, data_range=6000)
    assert metrics.psnr(*maps).to_value(u.dB) == pytest.approx(expected, rel=1e-5)
    image = structural_similarity(
        smap.data, truth.data, data_range=1000, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True,
    )[1]  # fmt: skip
    # Where the window of 11 x 11 pixels is complete.
    expected = image[5:-5, 5:-5].mean()
    assert metrics.ssim(*maps, data_range=1000 * u.G) == pytest.approx(expected, abs=1e-5)


def test_a_tenth_of_the_range_is_twenty_decibel(maps):
    smap, _ = maps
    moved = sunpy.map.Map(smap.data + 600, smap.meta)
    assert metrics.psnr(moved, smap).to_value(u.dB) == pytest.approx(20, abs=1e-3)
    assert metrics.psnr(moved, smap, data_range=600 * u.G).to_value(u.dB) == pytest.approx(
        0, abs=1e-3
    )


def test_equal_maps_are_perfect(maps):
    _, truth = maps
    assert metrics.rmse(truth, truth) == 0 * u.G
    assert np.isinf(metrics.psnr(truth, truth).value)
    assert metrics.ssim(truth, truth) == pytest.approx(1, abs=1e-6)
    assert metrics.correlation(truth, truth) == pytest.approx(1)
    assert metrics.gradient_ratio(truth, truth) == 1


def test_a_blur_lowers_the_gradient_as_the_transfer_function_says(mdi_header):
    """A wave of wavelength 12 pixels under a Gaussian of sigma 1.5."""
    x = np.arange(96)
    wave = np.broadcast_to(np.sin(2 * np.pi * x / 12), (96, 96)) * 100
    header = mdi_header((96, 96), corner=(460, 460))
    truth = sunpy.map.Map(wave, header)
    blurred = sunpy.map.Map(ndimage.gaussian_filter(wave, 1.5, mode="wrap"), header)
    expected = np.exp(-0.5 * (2 * np.pi / 12 * 1.5) ** 2)
    assert metrics.gradient_ratio(blurred, truth) == pytest.approx(expected, rel=5e-3)


@given(st.integers(0, 3), st.booleans(), st.booleans())
def test_turning_and_flipping_both_changes_nothing(maps, turns, mirrored, negative):
    def changed(smap):
        data = np.rot90(smap.data, turns) * (-1 if negative else 1)
        data = data[:, ::-1] if mirrored else data
        meta = dict(smap.meta, crpix1=data.shape[1] / 2, crpix2=data.shape[0] / 2)
        return sunpy.map.Map(np.ascontiguousarray(data), meta)

    for name in ("rmse", "mae", "psnr", "ssim", "correlation", "gradient_ratio"):
        function = getattr(metrics, name)
        before, after = function(*maps), function(*map(changed, maps))
        assert u.Quantity(after).value == pytest.approx(u.Quantity(before).value, rel=1e-4), name


def test_missing_and_masked_pixels_do_not_count(maps):
    smap, truth = maps
    broken = smap.data.copy()
    broken[10:20, 30:40] = np.nan
    mask = np.zeros(truth.data.shape, bool)
    mask[40:50, 5:15] = True
    wild = np.where(mask, 1e4, truth.data)
    found = metrics.rmse(
        sunpy.map.Map(broken, smap.meta), sunpy.map.Map(wild, truth.meta, mask=mask)
    )
    used = np.isfinite(broken) & ~mask
    assert found.value == pytest.approx(np.sqrt(((smap.data - truth.data)[used] ** 2).mean()), 1e-5)


def test_units_are_converted(maps):
    smap, truth = maps
    kilo = sunpy.map.Map(truth.data / 1000, dict(truth.meta, bunit="kG"))
    assert metrics.rmse(smap, kilo).value == pytest.approx(metrics.rmse(*maps).value, rel=1e-4)
    flux = sunpy.map.Map(truth.data, dict(truth.meta, bunit="Mx/cm^2"))
    assert metrics.rmse(smap, flux).value == pytest.approx(metrics.rmse(*maps).value, rel=1e-6)


def test_a_region_is_a_mask_or_two_corners(maps):
    smap, truth = maps
    mask = np.zeros(smap.data.shape, bool)
    mask[12:31, 20:51] = True
    expected = np.sqrt(((smap.data - truth.data)[mask] ** 2).mean())
    assert metrics.rmse(*maps, region=mask).value == pytest.approx(expected, rel=1e-5)
    corners = [smap.wcs.pixel_to_world(20, 12), smap.wcs.pixel_to_world(50, 30)]
    assert metrics.rmse(*maps, region=corners).value == pytest.approx(expected, rel=1e-5)
    both = SkyCoord(corners)
    assert metrics.rmse(*maps, region=both).value == pytest.approx(expected, rel=1e-5)


def test_a_rolled_reference_is_turned_onto_the_map(mdi_header, bipole):
    """The same smooth field in an image rolled by 180 degrees: equal after reprojection."""
    shape = (64, 64)
    header = mdi_header(shape, corner=(480, 480))
    data = bipole(shape, noise=0.0)
    smap = sunpy.map.Map(data, header)
    rolled = dict(header, crota2=180.0)
    for axis in "12":
        rolled["crpix" + axis] = 65 - header["crpix" + axis]
    turned = sunpy.map.Map(data[::-1, ::-1].copy(), rolled)
    assert metrics.rmse(smap, turned).value < 0.5
    assert metrics.rmse(smap, sunpy.map.Map(data[::-1, ::-1].copy(), header)).value > 50


def test_a_shifted_grid_is_resampled(mdi_header):
    """A smooth wave sampled half a pixel away: splines bring it back to a fraction."""

    def wave(offset):
        x = np.arange(80) + offset
        return np.broadcast_to(np.sin(2 * np.pi * x / 16) * 100, (80, 80)).copy()

    header = mdi_header((80, 80), corner=(470, 470))
    moved = dict(header, crpix1=header["crpix1"] - 0.5)
    smap, other = sunpy.map.Map(wave(0.0), header), sunpy.map.Map(wave(0.5), moved)
    assert metrics.rmse(smap, other).value < 0.3
    assert metrics.rmse(smap, sunpy.map.Map(wave(0.5), header)).value > 10


def test_a_finer_reference_is_averaged(mdi_header):
    """Pixels a quarter as large: their mean, and so white noise is reduced fourfold."""
    header = mdi_header((48, 48), corner=(490, 490))
    fine = dict(header, naxis1=192, naxis2=192)
    for axis in "12":
        fine["cdelt" + axis] = header["cdelt" + axis] / 4
        fine["crpix" + axis] = (header["crpix" + axis] - 0.5) * 4 + 0.5
    noise = np.random.default_rng(0).normal(0, 40, (192, 192))
    zero = sunpy.map.Map(np.zeros((48, 48)), header)
    assert 5 < metrics.rmse(zero, sunpy.map.Map(noise, fine)).value < 11
    constant = sunpy.map.Map(np.full((192, 192), 70.0), fine)
    assert metrics.rmse(zero, constant).value == pytest.approx(70, rel=1e-4)


def test_off_disk_pixels_do_not_count(mdi_header):
    shape = (40, 40)
    header = mdi_header(shape, corner=(975, 490))  # the west limb runs through it
    rng = np.random.default_rng(0)
    data = rng.normal(0, 10, shape)
    smap = sunpy.map.Map(data, header)
    x, y = np.meshgrid(np.arange(40), np.arange(40))
    tx, ty = smap.wcs.pixel_to_world_values(x, y)
    off = np.hypot(tx, ty) * 3600 > smap.rsun_obs.value + 1
    assert off.any()
    other = sunpy.map.Map(np.where(off, 5e3, data), header)
    assert metrics.rmse(smap, other).value == 0


def test_wrong_input_is_refused(maps):
    smap, truth = maps
    with pytest.raises(TypeError, match="sunpy Map"):
        metrics.rmse(smap.data, truth)
    with pytest.raises(TypeError, match="magnetic"):
        metrics.rmse(smap, sunpy.map.Map(truth.data, dict(truth.meta, bunit="K")))
    with pytest.raises(ValueError, match="boolean mask"):
        metrics.rmse(*maps, region=np.ones((3, 3), bool))
    with pytest.raises(ValueError, match="two corners"):
        metrics.rmse(*maps, region=[smap.wcs.pixel_to_world(1, 1)] * 3)
    with pytest.raises(ValueError, match="positive field"):
        metrics.psnr(*maps, data_range=-1 * u.G)
    celestial = dict(truth.meta, ctype1="RA---TAN", ctype2="DEC--TAN", wcsname="")
    with pytest.raises(ValueError, match="CTYPE"):
        metrics.rmse(sunpy.map.Map(truth.data, celestial), truth)
    with pytest.raises(ValueError, match="No pixel"):
        metrics.rmse(sunpy.map.Map(np.full((60, 72), 1e6), smap.meta), truth)
    far = sunpy.map.Map(truth.data, dict(truth.meta, crpix1=truth.meta["crpix1"] + 300))
    with pytest.raises(ValueError, match="in common"):
        metrics.rmse(smap, far)


def test_wasserstein_distance_is_that_of_scipy(maps):
    smap, truth = maps
    expected = stats.wasserstein_distance(smap.data.ravel(), truth.data.ravel())
    assert metrics.wasserstein_distance(*maps).to_value(u.G) == pytest.approx(expected, rel=1e-4)
    moved = sunpy.map.Map(truth.data[::-1].copy() + 30, truth.meta)
    assert metrics.wasserstein_distance(moved, truth).value == pytest.approx(30, rel=1e-4)
