"""Nothing that a header or an array holds gives a silently wrong result."""

import numpy as np
import pytest
import sunpy.map
from fault_tools import attempt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sunpy_superres import load_model

SHAPE = (20, 24)
INF, NAN = float("inf"), float("nan")
NO_ROLL = {"crota2": None}
MATRIX = {"crota2": None, "pc1_1": 1.0, "pc1_2": 0.0, "pc2_1": 0.0, "pc2_2": 1.0}
NO_DATE = {"date-obs": None, "t_obs": None, "t_rec": None}

#: Changes of the header, and what comes of them.
HEADERS = [
    ({}, "result"),
    # Numbers that are none.
    ({"crpix1": "10.5"}, "result"),
    ({"crpix1": "x"}, "ValueError"),
    ({"crpix1": ""}, "ValueError"),
    ({"crpix1": INF}, "ValueError"),
    ({"crpix1": NAN}, "ValueError"),
    ({"cdelt1": "1.9860081672668457"}, "result"),
    ({"cdelt1": NAN, "cdelt2": NAN}, "ValueError"),
    ({"cdelt1": 0.0, "cdelt2": 0.0}, "ValueError"),
    ({"cdelt1": None, "cdelt2": None}, "ValueError"),
    ({"crval1": "a"}, "ValueError"),
    ({"crota2": "abc"}, "ValueError"),
    ({"crota2": ""}, "result"),
    ({"crota2": 1e6}, "result"),
    # Matrices that are no rotation.
    (MATRIX | {"pc1_1": 2.0, "pc2_2": 2.0}, "ValueError"),
    (MATRIX | {"pc1_1": 2.0, "pc2_2": 0.5}, "ValueError"),
    (MATRIX | {"pc1_2": 0.9}, "ValueError"),
    (MATRIX | {"pc1_1": -1.0}, "ValueError"),
    (MATRIX | {"pc1_1": -1.0, "pc2_2": -1.0}, "result"),
    (MATRIX | {"crota2": 45.0}, "flagged"),
    (MATRIX | {"crota2": 0.0}, "result"),
    ({"cdelt1": -1.986}, "ValueError"),
    ({"cdelt1": -1.986, "cdelt2": -1.986}, "result"),
    (NO_ROLL | {"cd1_1": 1.98, "cd1_2": 0.0, "cd2_1": 0.0, "cd2_2": 1.98}, "result"),
    # The observer.
    ({"dsun_obs": 0.0}, "ValueError"),
    ({"dsun_obs": 1.0}, "ValueError"),
    ({"dsun_obs": 1.479e8}, "ValueError"),
    ({"dsun_obs": -1.479e11}, "ValueError"),
    ({"dsun_obs": "far"}, "ValueError"),
    ({"dsun_obs": 1.3e11}, "ValueError"),
    ({"dsun_obs": 1.43e11}, "flagged"),
    ({"dsun_obs": None}, "result"),  # from RSUN_OBS
    ({"dsun_obs": "nan", "rsun_obs": "nan"}, "flagged"),
    ({"rsun_obs": "nan"}, "result"),
    ({"crota2": "nan"}, "flagged"),
    ({"dsun_obs": None, "crln_obs": None, "crlt_obs": None, "rsun_obs": None}, "flagged"),
    ({"rsun_obs": None}, "result"),
    ({"rsun_obs": 488.6}, "ValueError"),
    ({"rsun_obs": -970.0}, "ValueError"),
    ({"rsun_obs": 0.0}, "ValueError"),
    ({"rsun_ref": 696000.0}, "ValueError"),
    ({"rsun_ref": 0.0}, "ValueError"),
    ({"crlt_obs": 95.0}, "ValueError"),
    # Axes.
    ({"ctype1": None, "ctype2": None}, "flagged"),
    ({"ctype1": "", "ctype2": ""}, "flagged"),
    ({"ctype1": "HPLN-XYZ", "ctype2": "HPLT-XYZ"}, "ValueError"),
    ({"ctype1": "HPLN-TAN", "ctype2": "HPLT-SIN"}, "ValueError"),
    ({"cunit1": "deg", "cdelt1": 1.9860081672668457 / 3600}, "result"),
    # Time.
    (NO_DATE, "ValueError"),
    (NO_DATE | {"date-obs": "yesterday"}, "ValueError"),
    (NO_DATE | {"date-obs": 20101015}, "ValueError"),
    (NO_DATE | {"date-obs": "2008-12-31T23:59:60.5"}, "result"),
    (NO_DATE | {"date-obs": "2010-10-15", "time-obs": "00:00:26"}, "result"),
    (NO_DATE | {"date-obs": "2010/10/15 00:00:26"}, "result"),
    ({"date-obs": "bad"}, "result"),
    ({"t_obs": "2008.12.31_23:59:60_UTC"}, "flagged"),
    ({"t_obs": "-4712.01.01_11:59:28_TAI"}, "result"),
    # QUALITY and INTERVAL.
    ({"quality": INF}, "result"),
    ({"quality": "c0000000"}, "ValueError"),
    ({"quality": "0x00000200"}, "result"),
    ({"quality": -1}, "ValueError"),
    ({"interval": INF}, "flagged"),
    ({"interval": "300 s"}, "result"),
    # Unit and instrument.
    ({"bunit": ""}, "flagged"),
    ({"bunit": "K"}, "TypeError"),
    ({"telescop": "SDO/HMI"}, "TypeError"),
    ({"telescop": 5}, "result"),
    # Cards that FITS cannot hold, and statistics that are none.
    ({"content": "Soleil é ☉"}, "result"),
    ({"history": "é" * 90}, "result"),
    ({"datamin": "x", "r_sun": "x", "x0": NAN}, "result"),
    ({"naxis1": 7, "naxis2": 9, "bscale": 0.1, "bzero": 5}, "result"),
]  # fmt: skip

RNG = np.random.default_rng(0)
QUIET = RNG.normal(0, 12, SHAPE)
SPOT = 1500 + QUIET[:16, :16]
CHECKER = np.indices(SHAPE).sum(0) % 2
#: Arrays, and what comes of them.
ARRAYS = {
    "int16": (QUIET.astype("i2"), "result"),
    "int64": (QUIET.astype("i8"), "result"),
    "big-endian float32": (QUIET.astype(">f4"), "result"),
    "float16": (QUIET.astype("f2"), "result"),
    "complex": (QUIET + 0j, "TypeError"),
    "columns first": (np.asfortranarray(QUIET), "result"),
    "backwards": (QUIET[::-1, ::-1], "result"),
    "1e300": (np.where(QUIET > 30, 1e300, QUIET), "result"),
    "infinite": (np.where(QUIET > 30, np.inf, QUIET), "result"),
    "a column missing": (np.where(np.arange(24) == 5, np.nan, QUIET), "result"),
    "every other pixel missing": (np.where(CHECKER, np.nan, QUIET), "flagged"),
    "a quadrant missing": (np.where(np.indices(SHAPE).min(0) > 10, np.nan, QUIET), "flagged"),
    "a quadrant of zeros": (np.where(np.indices(SHAPE).min(0) > 10, 0, QUIET), "flagged"),
    "one pixel": (np.where(np.arange(480).reshape(SHAPE) == 250, QUIET, np.nan), "flagged"),
    "all missing": (np.full(SHAPE, np.nan), "ValueError"),
    "15 rows": (QUIET[:15], "ValueError"),
    "one pixel wide": (QUIET[:1, :1], "ValueError"),
    "zero": (QUIET * 0, "flagged"),
    "uniform": (QUIET * 0 - 500, "flagged"),
    "a positive spot": (SPOT, "flagged"),
    "a negative spot": (-SPOT, "flagged"),
    "an intensity": (3000 + RNG.normal(0, 12, (40, 40)), "TypeError"),
    "minus an intensity": (-3000 - RNG.normal(0, 12, (40, 40)), "TypeError"),
    "saturated": (np.clip(QUIET * 200, -3500, 3500), "flagged"),
    "above the range": (np.where(QUIET > 20, 6000, QUIET), "flagged"),
    "noise of 200 G": (QUIET * 17, "flagged"),
    "noise of 5000 G": (QUIET * 400, "flagged"),
    "a checkerboard": (3000 * (2 * CHECKER - 1.0), "flagged"),
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tiny_model):
    return load_model(tiny_model)


@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::sunpy.util.exceptions.SunpyMetadataWarning")
def test_headers(mdi_header, model, tally, tmp_path):
    wrong = []
    for changes, expected in HEADERS:
        header = mdi_header(SHAPE, corner=(540, 500)) | changes
        header = {name: value for name, value in header.items() if value is not None}
        smap = sunpy.map.Map(QUIET, header)
        try:
            said, result = attempt(smap, model, n_samples=1)
        except AssertionError as error:
            said = f"wrong: {error}"
        else:
            tally("header cards", said)
            if result is not None:  # it survives the disk, history and all
                result.hmi_like.save(tmp_path / "r.fits", overwrite=True)
                again = sunpy.map.Map(tmp_path / "r.fits")
                assert again.meta["history"] == result.hmi_like.meta["history"]
                assert again.wcs.wcs.compare(result.hmi_like.wcs.wcs, tolerance=1e-9)
        if said != expected:
            wrong.append((changes, expected, said))
    assert not wrong


@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")
def test_arrays(mdi_header, model, tally):
    wrong = []
    for name, (data, expected) in ARRAYS.items():
        header = mdi_header(data.shape, corner=(540, 500))
        if "noise" in name:
            del header["interval"]
        try:
            said, _ = attempt(sunpy.map.Map(data, header), model, n_samples=1)
            tally("arrays", said)
        except AssertionError as error:
            said = f"wrong: {error}"
        if said != expected:
            wrong.append((name, expected, said))
    assert not wrong


def test_a_mask_of_another_shape(mdi_header, model):
    smap = sunpy.map.Map(QUIET, mdi_header(SHAPE, corner=(540, 500)), mask=np.ones((3, 3), bool))
    assert attempt(smap, model)[0] == "ValueError"


def test_targets_that_cannot_be(mdi_header, model, tally):
    smap = sunpy.map.Map(QUIET, mdi_header(SHAPE, corner=(540, 500)))
    for attributes, shape in (
        ({"crval": [2000.0, 0.0]}, SHAPE),
        ({"crpix": [5000.0, 5000.0]}, SHAPE),
        ({"ctype": ["RA---TAN", "DEC--TAN"]}, SHAPE),
        ({"cdelt": [np.nan, 1.0]}, SHAPE),
        ({}, (0, 5)),
    ):
        target = smap.wcs.deepcopy()
        for name, value in attributes.items():
            setattr(target.wcs, name, value)
        target.array_shape = shape
        said, _ = attempt(smap, model, target_wcs=target)
        tally("target grids", said)
        assert said == "ValueError", attributes


@pytest.mark.parametrize("name", [None, 5])
def test_a_model_that_is_no_name(mdi_header, name):
    smap = sunpy.map.Map(QUIET, mdi_header(SHAPE, corner=(540, 500)))
    assert attempt(smap, name)[0] == "ModelError"


def test_a_network_that_fails_is_an_error(mdi_header, model, monkeypatch):
    """Not missing pixels on the disk."""
    monkeypatch.setattr(type(model.network), "decode", lambda self, z: z.new_full(
        (len(z), 1, 4 * z.shape[2], 4 * z.shape[3]), np.nan))  # fmt: skip
    smap = sunpy.map.Map(QUIET, mdi_header(SHAPE, corner=(540, 500)))
    assert attempt(smap, model)[0] == "ModelError"


@st.composite
def frames(draw, largest=(40, 40), smallest=1):
    """Header changes and an array of any size, type and pattern of missing pixels."""
    usual = max(smallest, 16)
    shape = tuple(
        draw(st.one_of(*[st.integers(usual, end)] * 2, st.integers(smallest, end)))
        for end in largest
    )
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    data = rng.normal(0, draw(st.sampled_from([9, 12, 25])), shape)
    data = data + draw(st.sampled_from([0, 800])) * np.sin(np.indices(shape).sum(0) / 3)
    pattern = draw(st.sampled_from(["none", "column", "corner", "random", "all", "inf"]))
    if pattern == "column":
        data[:, rng.integers(shape[1])] = np.nan
    elif pattern == "corner":
        data[: shape[0] // 2, : shape[1] // 2] = np.nan
    elif pattern == "random":
        data[rng.random(shape) < 0.3] = np.nan
    elif pattern == "all":
        data[:] = np.nan
    elif pattern == "inf":
        data[rng.random(shape) < 0.05] = np.inf
    if np.isfinite(data).all():
        data = data.astype(draw(st.sampled_from(["f8", "f4", ">f4", ">f8", "i2", ">i4"])))
    corner = tuple(
        draw(st.one_of(*[st.integers(150 - over, 850 - over)] * 2, st.integers(-40, 1040)))
        for over in (max(0, n - 200) // 2 for n in shape)
    )
    roll = draw(st.floats(-400, 400))
    changes = {"crota2": roll}
    if draw(st.booleans()):
        c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
        changes = {"crota2": draw(st.sampled_from([None, roll, 77.0])),
                   "pc1_1": c, "pc1_2": -s, "pc2_1": s, "pc2_2": c}  # fmt: skip
    scale = draw(st.sampled_from([1.0, 1.0, 1.0, 1.0, 0.9, 1.3, 2.0]))
    changes |= {name: 1.986 * scale for name in ("cdelt1", "cdelt2")}
    return data, corner, changes


def _any_frame(frame, mdi_header, model, tally, tile_size=16):
    data, corner, changes = frame
    smap = sunpy.map.Map(data, mdi_header(data.shape, corner=corner, **changes))
    said, _ = attempt(smap, model, n_samples=1, tile_size=tile_size)
    tally(f"frames of any kind{', large' if tile_size > 16 else ''}", said)


ANY = {"suppress_health_check": list(HealthCheck)}


@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")
@settings(max_examples=25, **ANY)
@given(frame=frames())
def test_any_frame(mdi_header, model, tally, frame):
    _any_frame(frame, mdi_header, model, tally)


@pytest.mark.faults
@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")
@settings(max_examples=300, **ANY)
@given(frame=frames(largest=(90, 90)))
def test_many_frames(mdi_header, model, tally, frame):
    _any_frame(frame, mdi_header, model, tally)


@pytest.mark.faults
@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")
@settings(max_examples=12, **ANY)
@given(frame=frames(largest=(2048, 1500), smallest=300))
def test_large_frames(mdi_header, tiny_model, tally, frame):
    """As large as an archive has them, with a model that is quick."""
    _any_frame(frame, mdi_header, tiny_model, tally, tile_size=256)
