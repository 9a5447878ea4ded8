import copy

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
import torch

from sunpy_superres import simulate_mdi
from sunpy_superres.instruments import HMI, MDI
from sunpy_superres.instruments.resampling import native_pixels
from sunpy_superres.maps.geometry import on_disk_mask
from sunpy_superres.maps.metadata import rebin_meta
from sunpy_superres.training.degradation import DegradationConfig

SHAPE = (96, 120)
COARSE = (24, 30)
SCALE = 1.9860081672668457 / 4


@pytest.fixture
def hmi(mdi_header):
    """``hmi(data, **changes)``: HMI Map near disk centre on pixels of 0.4965 arcsec."""

    def make(data, **changes):
        coarse = tuple(-(-n // 4) for n in data.shape)
        header = mdi_header(coarse, corner=(530, 490), camera=None, telescop="SDO/HMI")
        header = rebin_meta(header, data.shape, 4) | {"instrume": "HMI_SIDE1"} | changes
        header = {name: value for name, value in header.items() if value is not None}
        return sunpy.map.Map(data, header)

    return make


def spots(shape=SHAPE, seed=3):
    """Smooth field of both signs, up to about 1 kG."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    field = np.zeros(shape)
    for _ in range(12):
        row, column = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        squared = (rows - row) ** 2 + (columns - column) ** 2
        field += rng.normal(0, 500) * np.exp(-squared / (2 * rng.uniform(2, 6) ** 2))
    return field


def gain(field):
    return MDI.gain * (1 + MDI.weak_excess * np.exp(-((field / MDI.weak_scale) ** 2)))


# The numbers


def test_noise_range_of_an_integration_time():
    assert MDI.noise_range(30) == (20.0, 28.0)
    assert MDI.noise_range(300.0) == (9.0, 16.0)
    assert MDI.noise_range() == MDI.noise_range(77) == (9.0, 28.0)
    assert HMI.noise_range(720) == (6.0, 10.0)


def test_blur_in_pixels():
    sigma = MDI.blur_sigma(0.5)
    half = np.exp(-0.5 * (MDI.blur_fwhm / 2 / 0.5 / sigma) ** 2)
    assert half == pytest.approx(0.5)


# The field


@pytest.mark.parametrize("field", [-2000.0, -400.0, 0.0, 50.0, 400.0, 1500.0])
def test_uniform_field_is_multiplied_by_the_gain(hmi, field):
    reading = simulate_mdi(hmi(np.full(SHAPE, field)), noise=0 * u.G).data
    assert reading.shape == COARSE
    np.testing.assert_allclose(reading, field * gain(field), rtol=1e-9, atol=1e-9)


def test_gain_lies_between_the_published_ones():
    """Liu et al. (2012), 1.40, in strong field; 1.5 to 1.7 in weak field, measured on pairs."""
    assert gain(3000.0) == pytest.approx(1.40)
    assert 1.45 < gain(0.0) < 1.7


@pytest.mark.parametrize("field", [2400.0, 2600.0, 4000.0, -4000.0])
def test_saturation(hmi, field):
    reading = simulate_mdi(hmi(np.full(SHAPE, field)), noise=0 * u.G).data
    expected = np.sign(field) * min(abs(field) * gain(field), 3500.0)
    np.testing.assert_allclose(reading, expected, rtol=1e-6)


def test_weak_flux_is_conserved_within_the_gain(hmi):
    """Blur and averaging move flux; only the gain changes it."""
    field = np.zeros(SHAPE)
    field[40:52, 50:66] = 60.0
    field[30:34, 80:90] = -45.0
    reading = simulate_mdi(hmi(field), noise=0 * u.G).data
    for part in (slice(0, 18), slice(18, 30)):
        flux = 16 * reading[:, part].sum() / gain(0.0)
        assert flux == pytest.approx(field[:, 4 * part.start : 4 * part.stop].sum(), rel=0.02)


def test_width_of_a_point_source(hmi):
    """Second moment: the Gaussian of the PSF, and the box of 4 pixels, of which the source
    is one: variance (4^2 - 1) / 12 from the sixteen places in the block, all tried."""
    sigma = MDI.blur_fwhm / 2.3548 / SCALE
    moments = []
    for row in range(4):
        for column in range(4):
            field = np.zeros(SHAPE)
            field[48 + row, 60 + column] = 20.0
            reading = simulate_mdi(hmi(field), noise=0 * u.G).data
            y, x = np.mgrid[: COARSE[0], : COARSE[1]] * 4 + 1.5
            weight = reading / reading.sum()
            moments.append(
                [(weight * (y - 48 - row) ** 2).sum(), (weight * (x - 60 - column) ** 2).sum()]
            )
    variance = np.mean(moments, axis=0)
    assert np.sqrt(variance) == pytest.approx([np.sqrt(sigma**2 + 15 / 12)] * 2, rel=0.01)


def test_blur_is_in_arcsec_not_pixels(hmi):
    """A map on larger pixels is blurred over fewer of them."""
    field = np.zeros(SHAPE)
    field[48, 60] = 100.0
    peaks = [
        simulate_mdi(hmi(field, cdelt1=scale, cdelt2=scale), noise=0 * u.G).data.max()
        for scale in (0.45, 0.6)
    ]
    assert peaks[1] > 1.3 * peaks[0]


def test_noise_has_the_level_asked_for(hmi):
    smap = hmi(np.zeros((400, 400)))
    noise = simulate_mdi(smap, seed=1, noise=24 * u.G, interval=30 * u.s)
    assert noise.data.std() == pytest.approx(24, rel=0.03)
    assert abs(noise.data.mean()) < 4 * 24 / 100
    assert noise.meta["simnoise"] == 24.0
    assert noise.meta["interval"] == 30.0


def test_seed_fixes_the_noise(hmi):
    smap = hmi(spots())
    first, again, other = (simulate_mdi(smap, seed=seed) for seed in (7, 7, 8))
    assert first.data.tobytes() == again.data.tobytes()
    assert first.meta == again.meta
    assert (first.data != other.data).all()
    assert (first.meta["simseed"], other.meta["simseed"]) == (7, 8)


# The grid


@pytest.mark.parametrize("roll", [0.0, 180.0, 12.0])
def test_result_shows_the_same_sky(hmi, roll):
    smap = hmi(spots(), crota2=roll)
    simulated = simulate_mdi(smap, noise=0 * u.G)
    corner = smap.wcs.pixel_to_world_values(-0.5, -0.5)
    opposite = smap.wcs.pixel_to_world_values(119.5, 95.5)
    assert simulated.wcs.world_to_pixel_values(*corner) == pytest.approx([-0.5, -0.5], abs=1e-6)
    assert simulated.wcs.world_to_pixel_values(*opposite) == pytest.approx([29.5, 23.5], abs=1e-6)
    assert simulated.meta["r_sun"] == pytest.approx(smap.meta["r_sun"] / 4)
    assert (simulated.meta["naxis1"], simulated.meta["naxis2"]) == (30, 24)


def test_the_strongest_element_stays_where_it_is(hmi):
    field = np.zeros(SHAPE)
    field[21:25, 82:86] = 500.0
    smap = hmi(field)
    simulated = simulate_mdi(smap, noise=0 * u.G)
    y, x = np.mgrid[: COARSE[0], : COARSE[1]]
    centroid = [(simulated.data * axis).sum() / simulated.data.sum() for axis in (x, y)]
    truth = smap.wcs.pixel_to_world_values(83.5, 22.5)
    assert simulated.wcs.world_to_pixel_values(*truth) == pytest.approx(centroid, abs=0.02)


def test_a_map_upside_down_gives_the_result_upside_down(hmi):
    field = spots()
    upright = hmi(field)
    rolled = hmi(
        field[::-1, ::-1],
        crota2=180.0,
        crpix1=121 - upright.meta["crpix1"],
        crpix2=97 - upright.meta["crpix2"],
    )
    expected, result = simulate_mdi(upright, noise=0 * u.G), simulate_mdi(rolled, noise=0 * u.G)
    np.testing.assert_allclose(result.data[::-1, ::-1], expected.data, rtol=1e-9, atol=1e-9)
    world = expected.wcs.pixel_to_world_values(4, 9)
    assert result.wcs.world_to_pixel_values(*world) == pytest.approx([29 - 4, 23 - 9], abs=1e-6)


def test_what_fills_no_block_is_dropped_at_the_upper_right(hmi):
    field = spots((98, 123))
    simulated = simulate_mdi(hmi(field), noise=0 * u.G)
    assert simulated.data.shape == COARSE
    whole = simulate_mdi(hmi(field[:96, :120]), noise=0 * u.G)
    np.testing.assert_array_equal(simulated.data, whole.data)
    assert simulated.meta["crpix1"] == pytest.approx(whole.meta["crpix1"])


def test_heliographic_map(hmi, mdi_header):
    field = spots()
    header = mdi_header(SHAPE, r_sun=None, x0=None, y0=None, crop_rad=None, wcsname=None) | {
        "ctype1": "CRLN-CEA",
        "ctype2": "CRLT-CEA",
        "cunit1": "deg",
        "cunit2": "deg",
        "cdelt1": 0.03,
        "cdelt2": 0.03,
        "crpix1": 60.5,
        "crpix2": 48.5,
        "crval1": 203.0,
        "crval2": 12.0,
    }
    smap = sunpy.map.Map(field, header)
    simulated = simulate_mdi(smap, noise=0 * u.G)
    assert simulated.meta["cdelt1"] == pytest.approx(0.12)
    assert np.isfinite(simulated.data).all()
    world = smap.wcs.pixel_to_world_values(1.5, 5.5)
    assert simulated.wcs.world_to_pixel_values(*world) == pytest.approx([0, 1], abs=1e-6)
    # 0.03 deg of the photosphere, seen at disk centre, and the same field on such CCD pixels.
    scale = np.degrees(np.radians(0.03) * 6.96e8 / (147937426993.65381 - 6.96e8)) * 3600
    expected = simulate_mdi(hmi(field, cdelt1=scale, cdelt2=scale), noise=0 * u.G).data
    np.testing.assert_allclose(simulated.data, expected, rtol=1e-9, atol=1e-9)


# Missing pixels


def test_a_block_half_missing_is_missing(hmi):
    field = np.full(SHAPE, 100.0)
    field[8:12, 8:12] = np.nan
    field[8:12, 8] = 100.0  # a quarter of the block is left
    field[40:44, 40] = np.nan  # three quarters are left
    simulated = simulate_mdi(hmi(field), noise=0 * u.G)
    assert np.argwhere(np.isnan(simulated.data)).tolist() == [[2, 2]]
    assert simulated.meta["missvals"] == 1
    assert simulated.meta["datavals"] == 24 * 30 - 1


def test_a_hole_does_not_weaken_the_field_beside_it(hmi):
    """Missing pixels are unknown, not zero."""
    field = np.full(SHAPE, 100.0)
    field[40:56, 40:60] = np.nan
    reading = simulate_mdi(hmi(field), noise=0 * u.G).data
    np.testing.assert_allclose(reading[np.isfinite(reading)], 100 * gain(100.0), rtol=0.02)


def test_off_the_disk_is_missing_by_geometry(small_disk):
    """Even where the input has a value there; and nothing on the disk is lost."""
    shape = tuple(4 * n for n in small_disk.data.shape)
    smap = sunpy.map.Map(np.full(shape, 50.0), rebin_meta(small_disk.meta, shape, 4))
    simulated = simulate_mdi(smap, noise=0 * u.G)
    np.testing.assert_array_equal(np.isfinite(simulated.data), on_disk_mask(small_disk))


def test_statistics_are_of_the_result(hmi):
    simulated = simulate_mdi(hmi(spots()), seed=1)
    for name, statistic in (("datamin", np.min), ("datamax", np.max), ("datamean", np.mean)):
        assert simulated.meta[name] == pytest.approx(statistic(simulated.data))
    assert simulated.meta["missvals"] == 0


# Frames that were resampled


def test_exact_turns_move_pixels_only():
    native = native_pixels((5, 7), torch.deg2rad(torch.tensor([180.0, 0.0])))
    assert float(native.fraction.abs().max()) == 0
    frame = torch.arange(70.0).reshape(2, 5, 7)
    turned = native.combine(native.take(frame))[:, 0]
    torch.testing.assert_close(turned[0], frame[0].rot90(2))
    torch.testing.assert_close(turned[1], frame[1])


def test_native_pixels_lie_where_the_frame_was_turned_from():
    """A native pixel that is 3 to the right of the middle lies 3 above it, after 90 degrees."""
    native = native_pixels((9, 9), torch.tensor([torch.pi / 2]), nearest=True)
    rows, columns = native.index
    which = ((rows == 4) & (columns == 7))[:, :1]
    assert which[0, 0].nonzero().tolist() == [[7, 4]]
    torch.testing.assert_close(native.place[0, 0, :, 7, 4], torch.tensor([7.0, 4.0]).double())
    with pytest.raises(ValueError, match="give one of steps"):
        native.sample(torch.zeros(1, 1, 9, 9), 4)


@pytest.mark.parametrize("angle", [0.0, 12.0, 163.0])
def test_resampled_frames_stay_where_they_are(hmi, angle):
    """Broad structure: the same but for what bilinear interpolation smooths, and half a pixel."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    field = 300 * np.sin(rows / 15) * np.cos(columns / 18)
    options = {"noise": 0 * u.G, "seed": 4, "angle": angle * u.deg}
    clean, smooth, coarse = (
        simulate_mdi(hmi(field), **options, resampling=kind)
        for kind in (None, "bilinear", "nearest")
    )
    inner = slice(3, -3), slice(3, -3)
    np.testing.assert_allclose(smooth.data[inner], clean.data[inner], atol=12)
    # The field changes by up to 110 G per pixel.
    step = np.hypot(*np.gradient(clean.data))[inner]
    error = np.abs(coarse.data - clean.data)[inner]
    assert 0.3 < (error / step)[step > 50].max() < 0.8
    for smap, kind in ((smooth, "bilinear"), (coarse, "nearest")):
        assert (smap.meta["simresam"], smap.meta["simangle"]) == (kind, angle)
        for card in ("crpix1", "crpix2", "crval1", "crota2", "cdelt1"):
            assert smap.meta[card] == clean.meta[card]
    assert "simresam" not in clean.meta


def test_noise_of_resampled_frames(hmi):
    """Means over all phases: 4/9 of the variance, a quarter of it common to neighbours."""
    still = hmi(np.zeros((600, 600)))
    options = {"noise": 20 * u.G, "seed": 1, "angle": 30 * u.deg}
    smooth, again = (
        simulate_mdi(still, **options, resampling="bilinear").data / 20 for _ in range(2)
    )
    np.testing.assert_array_equal(smooth, again)
    assert smooth.var() == pytest.approx(4 / 9, rel=0.04)
    assert np.mean(smooth[1:] * smooth[:-1]) == pytest.approx(0.106, abs=0.02)
    coarse = simulate_mdi(still, **options, resampling="nearest").data / 20
    assert coarse.var() == pytest.approx(1, rel=0.04)
    repeated = np.mean(coarse[1:] == coarse[:-1])
    assert 0.02 < repeated < 0.15
    assert np.unique(coarse).size < 0.95 * coarse.size


def test_missing_pixels_of_resampled_frames(hmi):
    field = np.full(SHAPE, 50.0)
    field[40:60, 40:60] = np.nan
    options = {"noise": 0 * u.G, "seed": 2, "angle": 20 * u.deg}
    for kind, most in (("nearest", 36), ("bilinear", 64)):
        data = simulate_mdi(hmi(field), **options, resampling=kind).data
        assert 20 <= np.isnan(data).sum() <= most
        np.testing.assert_allclose(data[np.isfinite(data)], 50 * gain(50.0), rtol=1e-6)


def test_unknown_resampling_is_refused(hmi):
    with pytest.raises(ValueError, match="resampling must be 'bilinear', 'nearest' or None, not"):
        simulate_mdi(hmi(spots()), resampling="cubic")
    with pytest.raises(ValueError, match="angle must be a quantity in deg"):
        simulate_mdi(hmi(spots()), resampling="nearest", angle=3)


# What it says of itself, and its input


def test_result_says_that_it_is_simulated(hmi):
    simulated = simulate_mdi(hmi(spots()), seed=4)
    assert simulated.meta["siminst"] == "MDI"
    assert "simulated" in simulated.meta["content"]
    assert simulated.meta["simfwhm"] == MDI.blur_fwhm
    assert simulated.unit == u.G
    # Not dressed up as another instrument.
    assert simulated.meta["instrume"] == "HMI_SIDE1"
    assert "camera" not in simulated.meta


def test_result_survives_saving(hmi, tmp_path):
    simulated = simulate_mdi(hmi(spots()), seed=4)
    simulated.save(tmp_path / "simulated.fits")
    again = sunpy.map.Map(tmp_path / "simulated.fits")
    np.testing.assert_array_equal(again.data, simulated.data)
    for name in ("content", "siminst", "simseed", "simgain", "crpix1", "r_sun"):
        assert again.meta[name] == pytest.approx(simulated.meta[name])


def test_input_is_not_changed(hmi):
    field = spots()
    field[5, 5] = np.nan
    smap = hmi(field.copy())
    meta = copy.deepcopy(smap.meta)
    simulate_mdi(smap, seed=1).data[:] = 0
    np.testing.assert_array_equal(smap.data, field)
    assert smap.meta == meta


@pytest.mark.parametrize(
    ("unit", "gauss"),
    [
        ("kG", 1e3),
        ("T", 1e4),
        ("Mx/cm^2", 1.0),
    ],
)
@pytest.mark.filterwarnings("ignore:Could not parse unit string")
def test_units_become_gauss(hmi, unit, gauss):
    expected = simulate_mdi(hmi(spots()), noise=0 * u.G).data
    reading = simulate_mdi(hmi(spots() / gauss, bunit=unit), noise=0 * u.G)
    np.testing.assert_allclose(reading.data, expected, rtol=1e-6, atol=1e-6)
    assert reading.unit == u.G


# Refused


def test_what_is_not_a_map_is_refused():
    with pytest.raises(TypeError, match=r"not ndarray; .* make a Map with sunpy\.map\.Map"):
        simulate_mdi(np.zeros(SHAPE))


@pytest.mark.parametrize("scale", [0.1, 1.0, 1.986])
def test_other_plate_scales_are_refused(hmi, scale):
    with pytest.raises(ValueError, match=f"{scale:.2f} arcsec/pixel; simulate_mdi needs"):
        simulate_mdi(hmi(spots(), cdelt1=scale, cdelt2=scale))


@pytest.mark.parametrize(
    "options",
    [
        {"noise": 12.0}, {"noise": 12 * u.s}, {"noise": -1 * u.G}, {"noise": [1, 2] * u.G},
        {"interval": 300}, {"interval": 300 * u.G}, {"interval": "long"},
    ],
)  # fmt: skip
def test_options_without_their_unit_are_refused(hmi, options):
    ((name, value),) = options.items()
    unit = {"noise": "G", "interval": "s"}[name]
    message = f"{name} must be a non-negative quantity in {unit}, such as 100 . u.{unit}, not "
    with pytest.raises(ValueError, match=message):
        simulate_mdi(hmi(spots()), **options)


def test_units_of_options_are_converted(hmi):
    first = simulate_mdi(hmi(spots()), seed=1, noise=24 * u.G, interval=30 * u.s)
    again = simulate_mdi(hmi(spots()), seed=1, noise=2.4 * u.mT, interval=0.5 * u.min)
    assert again.meta["simnoise"] == pytest.approx(24)
    assert again.meta["interval"] == 30
    np.testing.assert_allclose(again.data, first.data)


def test_a_plate_scale_at_full_resolution():
    assert MDI.is_full_resolution(MDI.plate_scale)
    assert HMI.is_full_resolution(HMI.plate_scale)
    assert not HMI.is_full_resolution(MDI.plate_scale)
    assert not MDI.is_full_resolution(HMI.plate_scale)
    assert not MDI.is_full_resolution(np.nan)


def test_what_the_model_was_trained_on():
    """The messages name what the training draws."""
    trained = DegradationConfig()
    assert MDI.largest_noise == trained.noise[1]
    assert trained.saturation[1] < MDI.largest_reading
    assert 0 < MDI.tolerance < MDI.gain_uncertainty


@pytest.mark.parametrize("shape", [(3, 120), (96, 3)])
def test_less_than_one_pixel_is_refused(hmi, shape):
    with pytest.raises(ValueError, match="smaller than one MDI pixel"):
        simulate_mdi(hmi(np.zeros(shape)))
