"""Results on another grid: power, larger pixels, holes, and grids of another time."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from scipy import ndimage
from sunpy.coordinates import HeliographicCarrington, propagate_with_solar_surface

from sunpy_superres import SuperResWarning, metrics, super_resolve
from sunpy_superres.maps.resampling import Resampler
from sunpy_superres.maps.target import TargetGrid, write_cards
from sunpy_superres.metrics.spectrum import sum_band_powers

QUICK = {"n_samples": 2, "num_steps": 1, "seed": 1, "progress": False}
_NOISE = 20.0


@pytest.fixture
def wide(mdi_header):
    """A grid of HMI-like pixels, 240 x 240, near disk centre."""
    header = mdi_header((240, 240), corner=(480, 480))
    header |= {"cdelt1": 0.4965, "cdelt2": 0.4965, "crpix1": 120.5, "crpix2": 120.5}
    return sunpy.map.Map(np.zeros((240, 240), np.float32), header).wcs


def regrid(wcs, image, known=None, *, scale=1.0, shift=0.0, shape=None, **how):
    """Resample an image to pixels ``scale`` times as large, shifted along both axes."""
    target = wcs.deepcopy()
    target.wcs.cdelt = wcs.wcs.cdelt * scale
    shape = shape or tuple(int(n / scale) for n in image.shape)
    target.wcs.crpix = [(n + 1) / 2 + shift for n in shape[::-1]]
    known = np.isfinite(image) if known is None else known
    resample = Resampler(target, shape, wcs, known, **how)
    return resample.embed(resample(image))


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.5), (1.0157, 0.3)])
def test_power_is_kept_on_pixels_of_similar_size(wide, scale, shift):
    rng = np.random.default_rng(0)
    image = 100 * ndimage.gaussian_filter(rng.standard_normal((240, 240)), 1.5)
    image = (image + 5 * rng.standard_normal(image.shape)).astype(np.float32)
    bands = [1.2, 2, 3, 4, 6]
    ratio = {}
    for how in ("auto", "adaptive"):
        moved = regrid(wide, image, scale=scale, shift=shift, resampling=how)
        powers = [
            sum_band_powers([np.nan_to_num(v)], np.isfinite(v), pixel, bands)[0] / v.size**2
            for v, pixel in ((moved, 0.4965 * scale), (image, 0.4965))
        ]
        ratio[how] = powers[0] / powers[1]
    np.testing.assert_allclose(ratio["auto"][1:], 1, atol=0.02)
    assert ratio["auto"][0] == pytest.approx(1, abs=0.06)
    assert (ratio["adaptive"][:2] < 0.7).all()


def test_larger_pixels_hold_their_mean(wide):
    noise = _NOISE * np.random.default_rng(1).standard_normal((240, 240)).astype(np.float32)
    moved = regrid(wide, noise, scale=4.0)
    mean = noise.reshape(60, 4, 60, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(moved, mean, atol=1e-2)


def test_the_average_follows_the_size_of_the_pixel_without_a_step(wide):
    noise = _NOISE * np.random.default_rng(2).standard_normal((240, 240)).astype(np.float32)
    spread = [np.nanstd(regrid(wide, noise, scale=s)) for s in (1.02, 1.08, 1.2, 1.35, 1.5, 2.0)]
    assert spread[0] > 0.88 * _NOISE  # splines lose what is finer than 2.4 pixels
    assert (np.diff(spread) < 0.3).all()
    assert (np.diff(spread) > -0.4 * _NOISE).all()
    assert spread[-1] == pytest.approx(_NOISE / 2, rel=0.1)


def test_a_hole_neither_grows_nor_rings(wide):
    image = np.full((240, 240), 1000, np.float32)
    image[:, 120:] = -1000
    image[100:110, 100:120] = np.nan
    moved = regrid(wide, image, shift=0.25)
    there = np.isnan(moved)
    assert there.sum() == pytest.approx(200, abs=40)
    beside = ndimage.binary_dilation(there, iterations=4) & ~there
    beside[:, 112:] = False  # the step itself rings, with or without a hole
    np.testing.assert_allclose(moved[beside], 1000, atol=2)


def test_a_large_grid_holds_the_same_as_a_small_one(mdi_header):
    small = sunpy.map.Map(
        12 * np.random.default_rng(0).standard_normal((24, 28)),
        mdi_header((24, 28), corner=(480, 480)),
    )
    near = super_resolve(small, **QUICK).hmi_like.wcs
    near.wcs.crpix += 0.3
    far = near.deepcopy()
    far.wcs.crpix += [401, 203]
    near.array_shape, far.array_shape = (96, 112), (700, 900)
    first, second = (super_resolve(small, target_wcs=w, **QUICK).hmi_like for w in (near, far))
    assert np.isfinite(second.data).sum() >= np.isfinite(first.data).sum()
    both = np.isfinite(first.data)
    np.testing.assert_allclose(second.data[203:299, 401:513][both], first.data[both], atol=0.02)


def spot(mdi_header, **cards):
    rows, columns = np.mgrid[:40, :48]
    field = 900 * np.exp(-((rows - 18) ** 2 + (columns - 22) ** 2) / 18)
    field += 12 * np.random.default_rng(0).standard_normal(field.shape)
    return sunpy.map.Map(field, mdi_header((40, 48), corner=(480, 440), **cards))


def place(smap):
    """World coordinates of the spot."""
    weight = np.where(np.nan_to_num(smap.data) > 250, smap.data, 0)
    y, x = ndimage.center_of_mass(weight)
    return smap.wcs.pixel_to_world(x, y)


def test_a_target_of_another_time_is_told_and_known(mdi_header):
    frame = spot(mdi_header)
    later = dict(frame.meta, crln_obs=frame.meta["crln_obs"] - 0.825)
    later |= {"date-obs": "2010-10-15T01:30:26", "t_obs": "2010.10.15_01:33:30_TAI"}
    target = sunpy.map.Map(frame.data, later)
    with pytest.warns(SuperResWarning, match=r"90 minutes later .*0\.83 deg, 14 arcsec"):
        moved = super_resolve(frame, target_wcs=target.wcs, **QUICK).hmi_like
    assert moved.date == frame.date
    assert abs(place(moved).Tx - place(frame).Tx) < 0.4 * u.arcsec
    with pytest.warns(SuperResWarning, match="90 minutes apart.*14 arcsec"):
        metrics.correlation(moved, target)
    with propagate_with_solar_surface():
        turned = super_resolve(frame, target_wcs=target.wcs, **QUICK).hmi_like
        expected = place(frame).transform_to(turned.coordinate_frame)
        metrics.correlation(turned, target)
    assert turned.date == target.date
    assert turned.meta["srtobs"].startswith("2010-10-15T00:02:")
    assert abs(expected.Tx - place(turned).Tx) < 0.6 * u.arcsec
    assert expected.Tx - place(frame).Tx > 12 * u.arcsec


@pytest.mark.parametrize(
    "dates",
    [
        {"date-obs": "2010-10-15", "time-obs": "06:00:00"},
        {"date-obs": None, "date_obs": "2010-10-15T06:00:00"},
        {"date-obs": None, "date_obs": "2010-10-15", "time_obs": "06:00:00"},
        {"date-obs": None, "t_rec": "2010.10.15_06:00:34_TAI"},
        {"date-obs": "15-Oct-2010 06:00:00"},
    ],
)
def test_the_time_of_a_target_is_read_as_that_of_a_frame(mdi_header, dates):
    """In the forms of SolarSoft and JSOC: told about, and turned to."""
    frame = sunpy.map.Map(np.zeros((32, 32), np.float32), mdi_header((32, 32)))
    grid = dict(frame.meta) | dict(naxis=2, naxis1=32, naxis2=32, t_obs=None, t_rec=None)
    grid = {k: v for k, v in (grid | dates).items() if v is not None}
    hours = (Time("2010-10-15T06:00:00") - frame.date).to_value(u.min)
    with pytest.warns(SuperResWarning, match=f"{hours:.0f} minutes later"):
        assert not TargetGrid.read(grid, frame).turned
    with propagate_with_solar_surface():
        target = TargetGrid.read(grid, frame)
    assert target.turned
    meta, _ = target.replace_cards(dict(frame.meta))
    result = sunpy.map.Map(np.zeros((32, 32), np.float32), meta)
    assert abs((result.date - Time("2010-10-15T06:00:00")).to_value(u.s)) < 1.5


@pytest.mark.parametrize("change", [{}, {"date-obs": "2010-10-15T00:00:32"}, {"date-obs": None}])
def test_simultaneous_targets_are_not_told_about(mdi_header, change):
    frame = spot(mdi_header)
    header = {k: v for k, v in (dict(frame.meta) | change).items() if v is not None}
    header |= {"naxis1": 48, "naxis2": 40, "dsun_obs": 1.4937e11, "cdelt1": 2.0, "cdelt2": 2.0}
    moved = super_resolve(frame, target_wcs=header, **QUICK).hmi_like
    assert moved.date == frame.date


def test_a_carrington_grid_of_another_time_keeps_the_longitude(mdi_header):
    frame = spot(mdi_header)
    where = place(frame).transform_to(
        HeliographicCarrington(obstime=frame.date, observer=frame.observer_coordinate)
    )
    grid = {
        "ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "deg", "cunit2": "deg",
        "cdelt1": 0.06, "cdelt2": 0.06, "crpix1": 100.5, "crpix2": 100.5, "naxis1": 200,
        "naxis2": 200, "crval1": where.lon.deg, "crval2": 0.0, "dsun_obs": 1.4794e11,
        "crln_obs": frame.meta["crln_obs"] - 6.6, "hglt_obs": 5.916, "rsun_ref": 6.96e8,
        "date-obs": "2010-10-15T12:00:26",
    }  # fmt: skip
    moved = super_resolve(frame, target_wcs=grid, **QUICK).hmi_like
    assert place(moved).lon.deg == pytest.approx(where.lon.deg, abs=0.03)
    assert moved.date == frame.date


def test_the_cards_of_the_grid_are_in_arcsec_and_those_of_the_input_are_gone(mdi_header):
    frame = spot(mdi_header, ctype1a="RA---TAN", crpix1a=1.0, pc1_1a=1.0, wcsnamea="sky")
    target = frame.wcs
    moved = super_resolve(frame, target_wcs=target, **QUICK).hmi_like
    assert moved.meta["cunit1"] == "arcsec"
    assert moved.meta["cdelt1"] == pytest.approx(frame.meta["cdelt1"], rel=1e-11)
    assert not [card for card in moved.meta if card.endswith("1a") or card == "wcsnamea"]
    assert "SRRESAMP" in {card.upper() for card in moved.meta}
    cards = write_cards(moved.wcs)
    assert cards["crval1"] == pytest.approx(moved.meta["crval1"], abs=1e-9)


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
def test_an_alternate_wcs_of_a_file_is_the_main_one_of_the_result(mdi_header):
    """By its letter, its cards would not place the result."""
    frame = spot(mdi_header)
    grid = {k: frame.meta[k] for k in ("rsun_ref", "dsun_obs", "crln_obs", "crlt_obs", "date-obs")}
    for card in ("ctype1", "ctype2", "cunit1", "cunit2", "crpix1", "crpix2", "cdelt1", "cdelt2"):
        grid[f"{card}a"] = frame.meta[card]
    grid |= {"crval1a": 0.0, "crval2a": 0.0, "ctype1": "LINEAR", "ctype2": "LINEAR"}
    target = WCS(fits.Header(grid), key="A")
    target.array_shape = frame.data.shape
    moved = super_resolve(frame, target_wcs=target, **QUICK).hmi_like
    assert moved.meta["ctype1"] == "HPLN-TAN"
    assert not [card for card in moved.meta if card.endswith("1a")]
    for axis in ("Tx", "Ty"):
        assert abs(getattr(place(moved), axis) - getattr(place(frame), axis)) < 0.5 * u.arcsec
    assert target.wcs.alt == "A"


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
def test_a_target_with_a_distortion_is_refused(mdi_header):
    """The cards of a result would not say where its distorted pixels lie."""
    frame = spot(mdi_header)
    grid = {k: v for k, v in frame.meta.items() if isinstance(v, int | float) and v is not None}
    grid |= {"ctype1": "HPLN-TAN-SIP", "ctype2": "HPLT-TAN-SIP", "a_order": 2, "b_order": 2}
    grid |= {"a_2_0": 2e-4, "b_0_2": 1e-4, "cunit1": "arcsec", "cunit2": "arcsec"}
    grid |= {"naxis": 2, "naxis1": 48, "naxis2": 40}
    with pytest.raises(ValueError, match="target_wcs has a distortion"):
        super_resolve(frame, target_wcs=grid, **QUICK)


def test_an_unknown_resampling_is_refused(mdi_header):
    with pytest.raises(ValueError, match="auto, interpolation, adaptive"):
        super_resolve(spot(mdi_header), resampling="cubic", **QUICK)


def test_sunpy_keeps_no_card_when_it_reprojects(mdi_header):
    """The page hmi_grid.rst shows how the cards are put back."""
    result = super_resolve(spot(mdi_header), **QUICK).hmi_like
    moved = result.reproject_to(result.wcs)
    assert not {"bunit", "content", "srseed"} & set(moved.meta)
    kept = {k: v for k, v in result.meta.items() if k in ("bunit", "content") or k[:2] == "sr"}
    named = sunpy.map.Map(moved.data, dict(moved.meta) | kept)
    assert named.unit == u.G
    assert named.meta["srseed"] == 1
    assert abs(named.center.Tx - result.center.Tx) < 1e-3 * u.arcsec
