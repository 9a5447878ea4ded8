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


@pytest.mark.parametrize("roll", [0, 7, 45, 100])
def test_corners_are_in_their_own_frame(mdi_header, roll):
    """A box of 80 x 40 arcsec holds the same area of the sky however the image is rolled."""
    header = mdi_header((101, 101), crpix1=51.0, crpix2=51.0, crota2=float(roll))
    smap = sunpy.map.Map(np.full((101, 101), 100.0), header)
    box = SkyCoord([-40, 40] * u.arcsec, [-20, 20] * u.arcsec, frame=smap.coordinate_frame)
    x, y = np.meshgrid(np.arange(101), np.arange(101))
    world = smap.wcs.pixel_to_world(x, y)
    tx, ty = (
        a.wrap_at(180 * u.deg).to_value(u.arcsec) for a in (world.Tx, world.Ty.view(type(world.Tx)))
    )
    inside = (np.abs(tx) <= 40) & (np.abs(ty) <= 20)
    zero = sunpy.map.Map(np.zeros((101, 101)), header)
    marked = sunpy.map.Map(np.where(inside, 0.0, 500.0), header)
    assert metrics.rmse(zero, marked, region=box).value < 40
    assert metrics.rmse(zero, sunpy.map.Map(np.where(inside, 500.0, 0.0), header), region=box) == (
        500 * u.G
    )


def test_heliographic_corners_and_the_far_side(mdi_header):
    from sunpy.coordinates import frames

    header = mdi_header((256, 256), corner=(384, 384))
    smap = sunpy.map.Map(np.zeros((256, 256)), header)
    x, y = np.meshgrid(np.arange(256), np.arange(256))
    frame = frames.HeliographicStonyhurst(obstime=smap.date)
    where = smap.wcs.pixel_to_world(x, y).transform_to(frame)
    lon, lat = where.lon.to_value(u.deg), where.lat.to_value(u.deg)
    inside = (lon >= -5) & (lon <= 8) & (lat >= 2) & (lat <= 9)
    box = SkyCoord([-5, 8] * u.deg, [2, 9] * u.deg, frame=frame)
    marked = sunpy.map.Map(np.where(inside, 0.0, 500.0), header)
    assert metrics.rmse(smap, marked, region=box).value < 20
    far = SkyCoord([150, 170] * u.deg, [2, 9] * u.deg, frame=frame)
    with pytest.raises(ValueError, match="in the region"):
        metrics.rmse(smap, smap, region=far)


def test_corners_that_mean_nothing_are_refused(maps):
    smap, _ = maps
    stars = SkyCoord([0, 10] * u.deg, [0, 10] * u.deg)
    with pytest.raises(ValueError, match="observer"):
        metrics.rmse(*maps, region=stars)
    nowhere = SkyCoord([0, 10] * u.arcsec, [0, 10] * u.arcsec, frame="helioprojective")
    with pytest.raises(ValueError, match="observer"):
        metrics.rmse(*maps, region=[nowhere[0], stars[0]])


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
    assert metrics.rmse(zero, sunpy.map.Map(noise, fine)).value == pytest.approx(10, rel=0.05)
    blocks = sunpy.map.Map(noise.reshape(48, 4, 48, 4).mean(axis=(1, 3)), header)
    assert metrics.rmse(blocks, sunpy.map.Map(noise, fine)).value < 1e-2
    constant = sunpy.map.Map(np.full((192, 192), 70.0), fine)
    assert metrics.rmse(zero, constant).value == pytest.approx(70, rel=1e-4)


def test_a_hole_in_the_reference_does_not_ring(mdi_header):
    header = mdi_header((60, 60), corner=(480, 480))
    data = np.full((60, 60), 1000.0)
    data[20:30, 20:30] = np.nan
    moved = dict(header, crpix1=header["crpix1"] - 0.5)
    zero = sunpy.map.Map(np.full((60, 60), 1000.0), header)
    assert metrics.rmse(zero, sunpy.map.Map(data, moved)).value < 1e-2


def test_carrington_grids_of_two_times_are_the_same_places(mdi_header):
    """The Sun's rotation between the two does not shift what is fixed to it."""
    header = mdi_header((50, 60), corner=(490, 480))
    for name in ("hgln_obs", "wcsname", "crota2"):
        header.pop(name, None)
    header |= {
        "ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "deg", "cunit2": "deg",
        "cdelt1": 0.12, "cdelt2": 0.12, "crpix1": 30.5, "crpix2": 25.5,
        "crval1": header["crln_obs"] + 3, "crval2": 12.0,
    }  # fmt: skip
    rng = np.random.default_rng(2)
    data = ndimage.gaussian_filter(rng.normal(size=(50, 60)), 1) * 500
    later = header | {
        "date-obs": "2010-10-15T01:00:26.000", "crln_obs": header["crln_obs"] - 0.55,
        "t_obs": None,
    }  # fmt: skip
    del later["t_obs"]
    first, second = sunpy.map.Map(data, header), sunpy.map.Map(data, later)
    assert metrics.correlation(first, second) == pytest.approx(1, abs=1e-6)


def test_maps_of_different_times_are_warned_about(mdi_header, bipole):
    from sunpy_superres import SuperResWarning

    header = mdi_header((64, 64), corner=(480, 480), t_obs=None)
    first = sunpy.map.Map(bipole((64, 64)), header)
    second = sunpy.map.Map(
        bipole((64, 64)), header | {"date-obs": "2010-10-15T02:00:26.000", "crpix1": 20.0}
    )
    with pytest.warns(SuperResWarning, match="120 minutes"):
        metrics.rmse(first, second)


def test_the_roll_of_an_old_header_is_seen(mdi_header, bipole):
    """lev1.8 tells it in SOLAR_P0 alone."""
    header = mdi_header((64, 64), crpix1=32.5, crpix2=32.5, crota2=None)
    smap = sunpy.map.Map(bipole((64, 64)), header | {"crota2": 180.0})
    old = sunpy.map.Map(bipole((64, 64)), header | {"p_angle": 180.0})
    assert metrics.correlation(smap, old) == pytest.approx(
        metrics.correlation(smap, smap), abs=1e-6
    )


def test_pixels_that_are_not_square_are_refused(maps):
    smap, truth = maps
    flat = sunpy.map.Map(smap.data, dict(smap.meta, cdelt2=2 * smap.meta["cdelt2"]))
    with pytest.raises(ValueError, match="square"):
        metrics.power_spectrum(flat)
    with pytest.raises(ValueError, match="square"):
        metrics.split_scales(flat)
    assert metrics.unsigned_flux(flat).value == pytest.approx(
        2 * metrics.unsigned_flux(smap).value, rel=0.02
    )


def test_fill_values_and_overflow_do_not_count(maps):
    smap, truth = maps
    broken = smap.data.copy()
    broken[3, 4], broken[5, 6], broken[7, 8] = -32768, 1e300, np.inf
    found = metrics.rmse(sunpy.map.Map(broken, smap.meta), truth)
    assert found.value == pytest.approx(metrics.rmse(*maps).value, rel=0.01)


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
