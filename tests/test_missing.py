"""Missing data that a Map holds as numbers."""

import re

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.io import fits
from scipy import ndimage

from sunpy_superres import SuperResWarning, metrics, read_map, simulate_mdi
from sunpy_superres.data import example_hmi_map
from sunpy_superres.maps.fields import known_pixels, mark_missing, to_gauss
from sunpy_superres.maps.geometry import on_disk_mask
from sunpy_superres.maps.magnetogram import read_magnetogram
from sunpy_superres.maps.missing import describe_repeated, holds_fill_value

SHAPE = (64, 72)
HOLE = np.s_[20:26, 30:42]


@pytest.fixture
def frame(mdi_header, bipole):
    data = bipole(SHAPE).astype(np.float32)
    return sunpy.map.Map(data, mdi_header(SHAPE, corner=(500, 480)))


@pytest.mark.parametrize(
    ("kind", "blank", "scale", "zero"),
    [
        (np.int16, -32768, 0.1, 0.0),
        (np.int16, -32768, 0.125, 50.0),
        (np.int16, 32767, 0.1, -20.0),
        (np.int32, -(2**31), 0.01, 0.0),
        (np.int16, -32768, 0.2, 3000.0),
        (np.int16, 0, 0.2, -3100.0),  # astropy does not make it NaN
        (np.int32, 0, 0.01, 40000.0),
        (np.int16, -1, 0.2, -3100.0),
    ],
)
def test_blank_is_missing_however_it_is_read(frame, tmp_path, kind, blank, scale, zero):
    raw = np.round((np.clip(frame.data, -3000, 3000) - zero) / scale)
    raw = np.clip(raw, np.iinfo(kind).min + 1, np.iinfo(kind).max - 1).astype(kind)
    hole = np.zeros(SHAPE, bool)
    hole[HOLE] = True
    raw[hole] = blank
    hdu = fits.PrimaryHDU(raw, fits.Header({k: v for k, v in frame.fits_header.items() if v != ""}))
    hdu.header.update({"BSCALE": scale, "BZERO": zero, "BLANK": blank})
    hdu.writeto(tmp_path / "int.fits")
    by_sunpy, by_us = sunpy.map.Map(tmp_path / "int.fits"), read_map(tmp_path / "int.fits")
    for smap in (by_sunpy, by_us):
        assert np.array_equal(~known_pixels(smap, to_gauss(smap)), hole)
        assert np.array_equal(~read_magnetogram(smap).good, hole)
    expected = metrics.unsigned_flux(by_us)
    assert metrics.unsigned_flux(by_sunpy).value == pytest.approx(expected.value, rel=1e-6)


def test_data_that_were_not_scaled_and_other_units():
    meta = {"blank": -32768, "bscale": 0.1, "bzero": 0.0, "missval": "nan"}
    values = np.array([-32768.0, -3276.8, -3276.7, 0.0, np.nan], np.float32)
    assert list(holds_fill_value(meta, values)) == [True, True, False, False, False]
    assert list(holds_fill_value(meta, values / 1000, 1e-3)) == [True, True, False, False, False]
    assert holds_fill_value({"missval": -9999}, np.array([-9999.0, 1.0])).tolist() == [True, False]
    assert not holds_fill_value({"blank": "", "bscale": 0}, values).any()
    # A stored -1 is -0.1 G; a field of -1 G is none.
    scaled = {"blank": -1, "bscale": 0.1}
    assert holds_fill_value(scaled, np.array([-1.0, -0.1])).tolist() == [False, True]


def test_fills_are_missing_in_a_simulation():
    truth = example_hmi_map()
    data = truth.data.copy()
    data[100:140, 200:240] = -3276.8
    filled = sunpy.map.Map(data, truth.meta | {"blank": -32768, "bscale": 0.1, "bzero": 0.0})
    data = np.where(data == -3276.8, np.nan, data)
    known = sunpy.map.Map(data, truth.meta)
    np.testing.assert_array_equal(
        simulate_mdi(filled, seed=1).data, simulate_mdi(known, seed=1).data
    )
    assert "blank" not in simulate_mdi(filled, seed=1).meta


@pytest.mark.parametrize("value", [0.0, 5.0, -800.0])
def test_a_block_of_one_value_is_told(frame, value):
    frame.data[HOLE] = value
    with pytest.warns(SuperResWarning, match=f"^72 pixels hold exactly .* \\({value:g} G"):
        read_magnetogram(frame)


def test_coarse_steps_and_a_frame_without_noise_are_not_told(frame):
    for step in (0.1, 2.8):
        stepped = sunpy.map.Map(np.round(frame.data / step) * step, frame.meta)
        assert read_magnetogram(stepped).good.all()


@pytest.mark.parametrize("step", [0.01, 2.8])
@pytest.mark.parametrize("value", [0.0, -1500.0, 2000.0])
def test_one_value_in_scattered_pixels_that_do_not_fit_it_is_told(frame, step, value):
    data = frame.data + 400 / (1 + np.exp((np.arange(SHAPE[1]) - 42) / 4))  # plage on the left
    data = np.float32(np.round(data / step) * step)
    assert describe_repeated(data, np.ones(SHAPE, bool)) == []
    data[4:60:4, 6:30:6] = value
    (note,) = describe_repeated(data, np.ones(SHAPE, bool))
    assert f"({value:g} G for most)" in note
    told = re.match(r"(\d+) pixels hold exactly the value of others in the frame", note)
    assert int(told[1]) == 14 * 4


@pytest.mark.parametrize("step", [1.0, 2.8, 5.0, 16.0, 30.0])
def test_steps_of_any_size_are_no_fill_values(frame, step):
    data = np.float32(np.round(frame.data / step) * step)
    assert describe_repeated(data, np.ones(SHAPE, bool)) == []


def test_the_mask_of_an_array_of_dask_counts(frame):
    """NumPy's conversion of such an array drops the mask."""
    dask = pytest.importorskip("dask.array")
    mask = np.zeros(SHAPE, bool)
    mask[HOLE] = True
    lazy = dask.ma.masked_array(dask.from_array(frame.data, chunks=20), mask)
    smap = sunpy.map.Map(lazy, frame.meta)
    known = sunpy.map.Map(np.where(mask, np.nan, frame.data), frame.meta)
    assert not read_magnetogram(smap).good[HOLE].any()
    assert np.isnan(mark_missing(smap)[HOLE]).all()
    assert metrics.unsigned_flux(smap) == metrics.unsigned_flux(known)


@pytest.mark.parametrize("line", [np.s_[30, 5:40], np.s_[8:60, 50]], ids=["row", "column"])
def test_a_line_of_one_value_is_told(frame, line):
    frame.data[line] = -999.0
    with pytest.warns(SuperResWarning, match=r"pixels hold exactly .* \(-999 G"):
        read_magnetogram(frame)


def test_pictures_and_scales_do_not_show_fills(frame):
    frame.data[HOLE] = -3276.8
    meta = frame.meta | {"blank": -32768, "bscale": 0.1, "bzero": 0.0, "missval": -9999}
    smap = sunpy.map.Map(frame.data, meta)
    assert np.isnan(mark_missing(smap)[HOLE]).all()
    assert np.count_nonzero(np.isnan(mark_missing(smap))) == 72
    for part in metrics.split_scales(smap, 8 * u.arcsec):
        assert np.isnan(part.data[HOLE]).all()
        assert not {"blank", "bscale", "missval"} & set(part.meta)


@pytest.fixture(scope="module")
def truth():
    """HMI's field with its usual noise; the example has none of its own."""
    clean = example_hmi_map()
    noise = np.random.default_rng(0).normal(0, 8, clean.data.shape)
    return sunpy.map.Map(np.round(10 * (clean.data + noise)) / 10, clean.meta)


def with_hole(smap, value):
    data = smap.data.copy()
    data[100:140, 200:240] = value
    return sunpy.map.Map(data, smap.meta)


USES = {
    "flux": metrics.unsigned_flux,
    "keywords": metrics.region_keywords,
    "compared": lambda smap: metrics.compare(smap, example_hmi_map()),
    "reference": lambda smap: metrics.rmse(example_hmi_map(), smap),
    "spectrum": metrics.power_spectrum,
    "ensemble": lambda smap: metrics.crps([smap, example_hmi_map()], example_hmi_map()),
    "simulated": simulate_mdi,
    "scales": metrics.split_scales,
    "members": lambda smap: metrics.region_keywords(
        example_hmi_map(), samples=[example_hmi_map(), smap, example_hmi_map()]
    ),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("value", [-9999.0, -3276.8, 1500.0, 0.0])
def test_fills_of_which_the_header_tells_nothing_are_told(truth, use, value):
    if use == "simulated":
        pytest.importorskip("torch")
    with pytest.warns(SuperResWarning) as told:
        USES[use](with_hole(truth, value))
    assert any("1600 pixels hold exactly" in str(w.message) for w in told)
    assert any("1600 pixels are above 6500 G" in str(w.message) for w in told) == (value < -9000)


@pytest.mark.parametrize("use", USES)
def test_fields_without_fills_are_not_told(truth, use):
    for smap in (truth, with_hole(truth, np.nan), sunpy.map.Map(np.round(truth.data), truth.meta)):
        USES[use](smap)  # warnings are errors in these tests


def test_only_pixels_that_are_used_are_told(truth):
    region = np.zeros(truth.data.shape, bool)
    region[150:, :] = True
    filled = with_hole(truth, -9999.0)
    flux = metrics.unsigned_flux(truth, region=region)
    assert metrics.unsigned_flux(filled, region=region) == flux
    assert metrics.rmse(truth, filled, region=region).value == 0


@pytest.mark.parametrize("share", [0.1, 0.34, 0.6])
@pytest.mark.parametrize("value", [-3276.8, 0.0])
def test_a_fill_of_much_of_the_frame_is_told(truth, share, value):
    data = truth.data.copy()
    columns = int(share * data.shape[1])
    data[:, :columns] = value
    filled = sunpy.map.Map(data, truth.meta)
    with pytest.warns(SuperResWarning, match="pixels hold exactly") as told:
        metrics.unsigned_flux(filled)
    found = [int(re.search(r": (\d+) pixels hold", str(w.message))[1]) for w in told]
    # Zeros of the frame beside the hole may join it.
    assert max(found) == pytest.approx(columns * len(data), rel=5e-3)


def test_fields_of_a_formula_and_cut_ones_are_not_told(truth):
    y, x = np.indices(truth.data.shape)
    waves = 300 * np.sin((x - 80) / 7) * np.cos(y / 5)  # zero along a column
    cut = np.where(np.abs(truth.data) < 30, 0, truth.data)
    for data in (waves, cut, np.where(np.abs(waves) < 100, 0, waves)):
        metrics.unsigned_flux(sunpy.map.Map(data.astype(np.float32), truth.meta))


@pytest.mark.parametrize("step", [1.0, 2.0, 5.0])
def test_smoothed_fields_in_steps_are_not_told(truth, step):
    smooth = ndimage.gaussian_filter(truth.data, 1.0)
    assert describe_repeated(np.round(smooth / step) * step, np.ones(smooth.shape, bool)) == []


def test_a_field_of_one_sign_is_told_before_it_is_observed(truth):
    unsigned = sunpy.map.Map(np.abs(truth.data) + 0.05, truth.meta)
    for measure in (metrics.net_flux, lambda smap: metrics.compare(truth, smap), simulate_mdi):
        if measure is simulate_mdi:
            pytest.importorskip("torch")
        with pytest.warns(SuperResWarning, match="All values have one sign.* give the signed"):
            measure(unsigned)


def test_a_spot_of_one_sign_is_not_told(truth):
    spot = sunpy.map.Map(np.abs(truth.data) + 800, truth.meta)
    assert metrics.net_flux(spot).value > 0


def test_a_hole_of_zeros_is_told_after_a_rotation(truth):
    rotated = with_hole(truth, 0.0).rotate(3 * u.deg, missing=np.nan)
    assert np.unique(rotated.data[110:130, 210:230]).size > 100  # no zeros any more
    with pytest.warns(SuperResWarning, match=r"\d{3,4} pixels hold exactly .* \(0 G for most"):
        metrics.unsigned_flux(rotated)


def test_small_blocks_of_one_value_are_told_together(frame):
    """Each is smaller than a clump that is told by itself."""
    assert describe_repeated(frame.data, np.ones(SHAPE, bool)) == []
    for row, column in np.ndindex(5, 6):
        frame.data[2 + 12 * row : 5 + 12 * row, 2 + 12 * column : 5 + 12 * column] = 0
    (note,) = describe_repeated(frame.data, np.ones(SHAPE, bool))
    assert note.startswith("270 pixels hold exactly the value of those beside them (0 G for most)")


def test_the_sky_may_be_zero(truth):
    meta = truth.meta | {"crpix1": truth.meta["crpix1"] - 1500, "crpix2": truth.meta["crpix2"]}
    at_limb = sunpy.map.Map(truth.data.copy(), meta)
    sky = ~on_disk_mask(at_limb)
    assert 0.02 < sky.mean() < 0.98
    at_limb.data[sky] = 0
    assert simulate_mdi(at_limb, seed=1).data.shape == tuple(n // 4 for n in truth.data.shape)
    assert np.isfinite(metrics.unsigned_flux(at_limb).value)


@pytest.mark.parametrize("measure", [metrics.unsigned_flux, metrics.region_keywords, simulate_mdi])
def test_a_map_without_pixels_is_refused(frame, measure):
    empty = sunpy.map.GenericMap(np.zeros((0, 5)), frame.meta)
    with pytest.raises(ValueError, match=r"The Map has no pixels \(shape \(0, 5\)\); check"):
        measure(empty)
