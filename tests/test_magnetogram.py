import copy
from pathlib import Path

import astropy.units as u
import ndcube
import numpy as np
import pytest
import sunpy.map
from astropy.io import fits
from astropy.wcs import WCS

from sunpy_superres.exceptions import SuperResWarning
from sunpy_superres.maps.magnetogram import check_observable, read_magnetogram

SHAPE = (40, 48)
#: FITS knows no maxwell, so sunpy warns of the unit that SMARP and SHARP files have.
maxwell = pytest.mark.filterwarnings("ignore:Could not parse unit string")


def cea_changes(header):
    return {
        "ctype1": "CRLN-CEA",
        "ctype2": "CRLT-CEA",
        "cunit1": "degree",
        "cunit2": "degree",
        "cdelt1": 0.12,
        "cdelt2": 0.12,
        "crpix1": 24.5,
        "crpix2": 20.5,
        "crval1": header["crln_obs"],
        "crval2": 10.0,
    }


# Accepted


def test_full_disk(small_disk):
    read = read_magnetogram(small_disk)
    np.testing.assert_array_equal(read.on_disk, np.isfinite(small_disk.data))
    np.testing.assert_array_equal(read.good, read.on_disk)
    np.testing.assert_allclose(read.frame[read.good], small_disk.data[read.good], rtol=1e-6)
    assert np.all(read.frame[~read.good] == 0)
    assert read.changes == []


def test_cutout_on_the_disk(mdi_cutout):
    read = read_magnetogram(mdi_cutout)
    assert read.good.all()
    assert read.frame.dtype == np.float32
    assert read.noise.shape == read.frame.shape
    np.testing.assert_allclose(read.frame, mdi_cutout.data, rtol=1e-6)


@maxwell
@pytest.mark.parametrize(
    ("unit", "gauss"),
    [
        ("Gauss", 1.0),
        ("G", 1.0),
        ("gauss", 1.0),
        ("Mx/cm^2", 1.0),
        ("Mx/cm2", 1.0),
        ("kG", 1e3),
        ("T", 1e4),
        ("mT", 10.0),
    ],
)
def test_units_become_gauss(cutout, bipole, unit, gauss):
    field = bipole(SHAPE)
    read = read_magnetogram(cutout(field / gauss, bunit=unit))
    np.testing.assert_allclose(read.frame, field, rtol=1e-5, atol=1e-3)


def test_rolled_frame_is_read_as_it_lies(cutout, mdi_cutout):
    read = read_magnetogram(cutout(crota2=180.0, corner=(440, 480)))
    assert read.good.all()
    np.testing.assert_array_equal(read.frame, mdi_cutout.data.astype(np.float32))


@maxwell
def test_heliographic_map(cutout, mdi_header):
    read = read_magnetogram(cutout(bunit="Mx/cm^2", **cea_changes(mdi_header())))
    assert read.foreshortening.shape == (2, *read.frame.shape)
    assert 0.9 < read.foreshortening.min() < read.foreshortening.max() < 1.02
    assert read_magnetogram(cutout()).foreshortening is None
    assert read.good.all()
    assert np.ptp(read.noise) == 0
    assert read.noise[0, 0] == pytest.approx(12, rel=0.1)


def test_dask_data(mdi_cutout):
    array = pytest.importorskip("dask.array")
    lazy = sunpy.map.Map(array.from_array(mdi_cutout.data, chunks=16), mdi_cutout.meta)
    expected, read = read_magnetogram(mdi_cutout), read_magnetogram(lazy)
    assert isinstance(read.frame, np.ndarray)
    np.testing.assert_array_equal(read.frame, expected.frame)
    np.testing.assert_array_equal(read.noise, expected.noise)


@pytest.mark.parametrize("dtype", [np.int16, np.float32, ">f4", ">f8"])
def test_data_types_of_fits(cutout, bipole, dtype):
    field = np.round(bipole(SHAPE))
    read = read_magnetogram(cutout(field.astype(dtype)))
    np.testing.assert_array_equal(read.frame, field)


def test_smallest_frame(cutout):
    assert read_magnetogram(cutout(shape=(16, 16))).frame.shape == (16, 16)


def test_old_frame_is_repaired_in_a_copy(cutout):
    smap = cutout(crota2=None, solar_p0=179.5)
    read = read_magnetogram(smap)
    assert read.map.meta["crota2"] == -179.5
    assert "crota2" not in smap.meta
    assert len(read.changes) == 1
    assert "CROTA2" in read.changes[0]


def test_simulated_frame_may_name_hmi(cutout):
    changes = {"camera": None, "telescop": "SDO/HMI", "instrume": "HMI_SIDE1", "siminst": "MDI"}
    assert read_magnetogram(cutout(**changes)).good.all()


def test_missing_unit_is_gauss_where_the_noise_says_so(cutout):
    with pytest.warns(SuperResWarning, match="BUNIT is missing.* 1[123] G"):
        read = read_magnetogram(cutout(bunit=None))
    assert read.frame.max() > 500


# Missing pixels


def test_missing_and_masked_pixels_are_not_good(cutout, bipole):
    field = bipole(SHAPE)
    field[3, 5], field[4, 6], field[5, 7] = np.nan, np.inf, -3e4
    mask = np.zeros(SHAPE, bool)
    mask[30, 40] = True
    smap = cutout(field)
    read = read_magnetogram(sunpy.map.Map(smap.data, smap.meta, mask=mask))
    assert set(zip(*np.nonzero(~read.good), strict=True)) == {(3, 5), (4, 6), (5, 7), (30, 40)}
    assert read.on_disk.all()
    assert np.all(read.frame[~read.good] == 0)


def test_values_off_the_disk_do_not_count(small_disk):
    data = np.nan_to_num(small_disk.data, nan=-168.0)
    read = read_magnetogram(sunpy.map.Map(data, small_disk.meta))
    np.testing.assert_array_equal(read.good, np.isfinite(small_disk.data))
    assert np.all(read.frame[~read.good] == 0)


@pytest.mark.parametrize(("columns", "warned"), [(2, False), (3, True)])
def test_missing_more_than_a_twentieth_is_said(cutout, bipole, recwarn, columns, warned):
    field = bipole(SHAPE)
    field[:, :columns] = np.nan
    read = read_magnetogram(cutout(field))
    assert read.good.sum() == field.size - 40 * columns
    assert any("of the disk is missing" in str(w.message) for w in recwarn) == warned


@pytest.mark.filterwarnings("error")
def test_sky_around_the_disk_is_not_missing(small_disk):
    read_magnetogram(small_disk)


# Refused


@pytest.mark.parametrize(
    ("thing", "way"),
    [
        (np.zeros((64, 64)), r"not ndarray; .*sunpy\.map\.Map\(array, header\)"),
        ("mdi.fits", r"not str; read the file with sunpy_superres\.read_map\('mdi\.fits'\)"),
        (Path("mdi.fits"), r"sunpy_superres\.read_map\('mdi\.fits'\)"),
        (["a.fits", "b.fits"], r"not list; .*super_resolve_files"),
        ([None, None], r"not list; .*super_resolve_maps"),
        (iter([]), r"super_resolve_maps"),
        (fits.PrimaryHDU(np.zeros((4, 4))), r"sunpy\.map\.Map\(hdu\.data, hdu\.header\)"),
        (fits.HDUList([]), r"not HDUList; read the file with sunpy_superres\.read_map"),
        (ndcube.NDCube(np.zeros((4, 4)), WCS(naxis=2)), r"sunpy\.map\.Map\(cube\.data, header\)"),
        (None, r"sunpy\.map\.Map\(file\)"),
    ],
)
def test_what_is_not_a_map_is_refused(thing, way):
    with pytest.raises(TypeError, match=way):
        read_magnetogram(thing)


@pytest.mark.parametrize(
    "changes",
    [
        {"content": "MDI Full Disk Continuum Intensity"},
        {"content": None, "dpc_obsr": "FD_Continuum"},
        {"content": "MDI Full Disk Dopplergram", "bunit": "m/s"},
        {"content": None, "dpc_obsr": "FD_V"},
    ],
)
def test_other_observables_are_refused(cutout, changes):
    with pytest.raises(TypeError, match="not a magnetogram; use the series mdi.fd_M_96m_lev182"):
        read_magnetogram(cutout(**changes))


def test_quick_look_is_refused(cutout):
    history = "The data is uncalibrated and is not suitable for analysis"
    with pytest.raises(TypeError, match="quick-look.*use the calibrated magnetogram"):
        read_magnetogram(cutout(history=history))


def test_hmi_is_refused(cutout):
    changes = {"camera": None, "telescop": "SDO/HMI", "instrume": "HMI_SIDE1"}
    with pytest.raises(TypeError, match="simulate_mdi"):
        read_magnetogram(cutout(**changes))


def test_other_observatories_are_refused(cutout):
    with pytest.raises(TypeError, match=r"NSO-GONG.*meta\['telescop'\] = 'SOHO'"):
        read_magnetogram(cutout(camera=None, telescop="NSO-GONG"))


@pytest.mark.parametrize("unit", ["K", "m/s", "DN"])
def test_a_unit_of_something_else_is_refused(cutout, unit):
    with pytest.raises(TypeError, match="not a magnetic field; .*Gauss or Mx/cm"):
        read_magnetogram(cutout(bunit=unit))


@pytest.mark.filterwarnings("ignore:Could not parse unit string")
def test_a_unit_that_nobody_knows_is_refused(cutout):
    with pytest.raises(ValueError, match=r"'furlong'.*set meta\['bunit'\] = 'Gauss'"):
        read_magnetogram(cutout(bunit="furlong"))


@pytest.mark.parametrize("changes", [{"interval": None}, {"interval": 30.0}])
def test_missing_unit_is_refused_without_proof(cutout, changes):
    with pytest.raises(ValueError, match=r"BUNIT is missing.*set meta\['bunit'\]"):
        read_magnetogram(cutout(bunit=None, **changes))


def test_missing_unit_of_counts_is_refused(cutout, bipole):
    with pytest.raises(ValueError, match="BUNIT"):
        read_magnetogram(cutout(bipole(SHAPE) / 2.8, bunit=None))


def test_a_sequence_is_refused(mdi_cutout):
    for several in ({"sequence": True}, {"composite": True}):
        with pytest.raises(TypeError, match="for several Maps use .*super_resolve_sequence"):
            read_magnetogram(sunpy.map.Map(mdi_cutout, mdi_cutout, **several))


@pytest.mark.parametrize(
    "changes",
    [
        {"content": "Carrington Synoptic Chart Of Mr Field"},
        {"ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "deg", "cunit2": "deg",
         "cdelt1": 5.0, "cdelt2": 5.0},
    ],
)  # fmt: skip
def test_a_chart_is_refused(cutout, changes):
    with pytest.raises(TypeError, match="a synoptic chart .*super-resolve the frames"):
        read_magnetogram(cutout(**changes))


def test_a_result_is_refused(cutout):
    with pytest.raises(TypeError, match=r"result of super_resolve already .*give the MDI frame"):
        read_magnetogram(cutout(srvers="1.0"))
    read_magnetogram(cutout(srvers="1.0", siminst="MDI"))


def test_a_header_without_keywords_is_refused(cutout):
    smap = cutout()
    for name in list(smap.meta):
        if name not in ("cunit1", "cunit2"):
            del smap.meta[name]
    with pytest.raises(ValueError, match="has no keywords .*export the record again"):
        read_magnetogram(smap)


@pytest.mark.parametrize(
    ("scale", "way"),
    [
        (31.8, "was binned .*use the full-resolution"),
        (3.97, "was binned .*use the full-resolution"),
        (0.504, "so fine .*use the full-resolution"),
        (0.605, "high-resolution mode.*use the full-disk frame"),
    ],
)
def test_other_plate_scales_are_refused(cutout, scale, way):
    with pytest.raises(ValueError, match=f"{scale:.2f} arcsec/pixel.*{way}"):
        read_magnetogram(cutout(cdelt1=scale, cdelt2=scale))


def test_oblong_pixels_are_refused(cutout):
    with pytest.raises(ValueError, match="not square; reproject"):
        read_magnetogram(cutout(cdelt1=1.98, cdelt2=2.4))


def test_zero_plate_scale_is_refused(mdi_cutout):
    mdi_cutout.meta["cdelt1"] = mdi_cutout.meta["cdelt2"] = 0.0
    with pytest.raises(ValueError, match="no usable WCS.*set CDELT"):
        read_magnetogram(mdi_cutout)


def test_mirrored_axes_are_refused(cutout):
    changes = {"crota2": None, "pc1_1": -1.0, "pc1_2": 0.0, "pc2_1": 0.0, "pc2_2": 1.0}
    with pytest.raises(ValueError, match="mirrored"):
        read_magnetogram(cutout(**changes))


@pytest.mark.parametrize(
    "axes", [("RA---TAN", "DEC--TAN"), ("HPLT-TAN", "HPLN-TAN"), ("GONGX", "GONGY")]
)
def test_other_axes_are_refused(mdi_cutout, axes):
    mdi_cutout.meta["ctype1"], mdi_cutout.meta["ctype2"] = axes
    with pytest.raises(ValueError, match=f"{axes[0]} and {axes[1]}.*set CTYPE1 and CTYPE2"):
        read_magnetogram(mdi_cutout)


@pytest.mark.parametrize("shape", [(15, 200), (200, 15)])
def test_a_frame_too_small_is_refused(cutout, shape):
    with pytest.raises(ValueError, match=r"at least 16 x 16 pixels"):
        read_magnetogram(cutout(shape=shape))


def test_three_axes_are_refused(mdi_cutout, monkeypatch):
    # sunpy makes no such Map by itself, but lets its data be replaced.
    monkeypatch.setattr(mdi_cutout, "_data", np.stack([mdi_cutout.data] * 2))
    with pytest.raises(ValueError, match=r"shape \(2, 40, 48\); .* needs an image"):
        read_magnetogram(mdi_cutout)


@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")
def test_nothing_but_nan_is_refused(cutout):
    with pytest.raises(ValueError, match="No pixel is both .*check the WCS"):
        read_magnetogram(cutout(np.full(SHAPE, np.nan)))


def test_a_frame_beside_the_sun_is_refused(cutout):
    with pytest.raises(ValueError, match="No pixel is both"):
        read_magnetogram(cutout(crval1=2000.0))


@pytest.mark.parametrize("quality", [0x80000000, 0x80000200, "0x80000000", -(2**31), 2147483648.0])
def test_a_record_without_data_is_refused(cutout, quality):
    with pytest.raises(ValueError, match="0x80000.*use another frame"):
        read_magnetogram(cutout(quality=quality))


def test_an_intensity_is_refused(cutout, bipole):
    with pytest.raises(TypeError, match="All values are positive.*signed field"):
        read_magnetogram(cutout(bipole(SHAPE) + 3000))
    unsigned = np.abs(bipole(SHAPE, noise=24.0))  # mostly weak
    assert np.median(unsigned) < 0.05 * unsigned.max()
    for data, sign in ((unsigned, "positive"), (-unsigned, "negative")):
        with pytest.raises(TypeError, match=f"All values are {sign}.*signed field"):
            read_magnetogram(cutout(data))


# Warned of


@pytest.mark.parametrize("quality", [0x4, 0x204, "0x00000004", 4.0])
def test_quality_bits_are_said(cutout, quality):
    with pytest.warns(SuperResWarning, match="QUALITY = 0x00000.04 .*with care"):
        read_magnetogram(cutout(quality=quality))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("quality", [0, 512, "0x200", "0x00000000", None, "good"])
def test_quality_of_a_sound_frame_is_not_said(cutout, quality):
    read_magnetogram(cutout(quality=quality))


def test_an_unusual_plate_scale_is_said(cutout):
    with pytest.warns(SuperResWarning, match=r"2\.48 arcsec/pixel; .*1\.98"):
        read_magnetogram(cutout(cdelt1=2.475, cdelt2=2.475))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1.7, 2.3])
def test_a_usual_plate_scale_is_not_said(cutout, scale):
    read_magnetogram(cutout(cdelt1=scale, cdelt2=scale))


@pytest.mark.parametrize(("interval", "noise"), [(300.0, 40.0), (30.0, 8.0)])
def test_noise_against_interval_is_said(cutout, bipole, interval, noise):
    with pytest.warns(SuperResWarning, match=f"INTERVAL = {interval} s means noise of"):
        read = read_magnetogram(cutout(bipole(SHAPE, noise=noise), interval=interval))
    assert np.median(read.noise) == pytest.approx(noise, rel=0.15)


@pytest.mark.filterwarnings("error")
def test_usual_noise_is_not_said(cutout, bipole):
    read_magnetogram(cutout(bipole(SHAPE, noise=24.0), interval=30.0))


def test_no_instrument_is_said(cutout):
    smap = cutout(camera=None, telescop=None)
    with pytest.warns(SuperResWarning, match="names no instrument"):
        read_magnetogram(smap)


@pytest.mark.parametrize(
    "cards",
    [
        {"camera": "MDI"},
        {"instrume": "MDI"},
        {"instrume": "SOHO/MDI", "telescop": "SOHO"},
        {"telescop": "SOHO"},
        {"instrume": "HMI_SIDE1", "siminst": "mdi"},
    ],
)
@pytest.mark.filterwarnings("error")
def test_ways_to_name_mdi(cards):
    check_observable(cards)


# Noise


def test_noise_falls_back_on_interval(cutout):
    with pytest.warns(SuperResWarning, match="100% of the pixels lie in patches of one value"):
        read = read_magnetogram(cutout(np.zeros(SHAPE), interval=30.0))
    assert 20 < read.noise[0, 0] < 28


# The input


def test_input_is_not_changed(cutout, bipole):
    field = bipole(SHAPE)
    field[5, 5] = np.nan
    smap = cutout(field.copy(), crota2=None, p_angle=90.0, wavelnth="", cunit1="arcsec")
    meta = copy.deepcopy(smap.meta)
    read = read_magnetogram(smap)
    read.frame[:] = -1
    np.testing.assert_array_equal(smap.data, field)
    assert smap.meta == meta
    assert smap.meta.modified_items == meta.modified_items
    assert smap.unit == u.G
