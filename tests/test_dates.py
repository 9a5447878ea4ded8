"""Times in header cards."""

from datetime import datetime

import numpy as np
import pytest
import sunpy.map

from sunpy_superres import SuperResWarning
from sunpy_superres.maps.dates import compare_dates, parse_moment, read_moment, repair_dates
from sunpy_superres.maps.headers import repair_header
from sunpy_superres.maps.magnetogram import read_magnetogram
from sunpy_superres.maps.metadata import observation_time

#: Forms of one moment.
ELEVEN = """
2003-10-28T11:00:00|2003-10-28T11:00|2003-10-28T11:00:00Z|2003-10-28T11:00:00.000|
2003-10-28 11:00:00|2003-10-28_11:00:00_UTC|2003/10/28 11:00|2003/10/28T11:00:00.000|
2003.10.28_11:00:32_TAI|2003.10.28_11:00:32.000_TAI|2003.10.28_11:00:00_UT|
28-Oct-2003 11:00:00.000|28-OCT-03 11:00:00|28 Oct 2003 11:00|28-Oct-2003_11:00:00|
28-October-2003 11:00:00 UT|2003-Oct-28 11:00:00|Oct 28, 2003 11:00:00|OCT 28 2003 11:00|
Tue Oct 28 11:00:00 2003|Tue, 28 Oct 2003 11:00:00 GMT|28/10/03 11:00:00|28/10/2003 11:00|
03/10/28 11:00:00|28.10.2003 11:00|20031028_110000|20031028T110000|2003-301T11:00:00|
2003-10-28T12:00:00+01:00|2003-10-28T05:30:00-0530|'2003-10-28T11:00:00'|  2003-10-28T11:00  |
2003-10-28T10:59:60|2003-10-28T11:00:13 GPS|2003-10-28T11:01:04.184 TT
""".replace("\n", "").split("|")


@pytest.mark.parametrize("text", ELEVEN)
def test_forms_of_one_moment(text):
    assert parse_moment(text) == "2003-10-28T11:00:00.000"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2008-12-31T23:59:60", "2008-12-31T23:59:60.000"),
        ("2003-10-28T24:00:00", "2003-10-29T00:00:00.000"),
        ("28/10/98", "1998-10-28T00:00:00.000"),
        ("OCT 28 2003", "2003-10-28T00:00:00.000"),
        ("20031028", "2003-10-28T00:00:00.000"),
        ("2003-10-28T11:00:00.5", "2003-10-28T11:00:00.500"),
        ("2010.07.01_00:00:08_TAI", "2010-06-30T23:59:34.000"),
    ],
)
def test_other_moments(text, moment):
    assert parse_moment(text) == moment


@pytest.mark.parametrize(
    "text",
    ["-4712.01.01_11:59:28_TAI", "nan", "MISSING", "", "now", "2003", "2003-02-30", "28/28/03",
     "2003-10-28T25:00:00", "11:00:00", "12-11-99", None, 20031028, "2003-10-28 11:00 XYZ"],
)  # fmt: skip
def test_what_is_no_time(text):
    assert read_moment(text) is None


EMPTY = {"date-obs": None, "t_obs": None, "t_rec": None}


@pytest.mark.parametrize(
    "cards",
    [
        {"date-obs": "2003-10-28", "time-obs": "11:00:00"},
        {"date-obs": "28/10/03", "time-obs": "11:00:00.00"},
        {"date-obs": "2003/10/28", "time_obs": "11:00:00 UT"},
        {"date-obs": "28-Oct-2003", "time": "11:00"},
        {"date-obs": "2003-10-28T00:00:00", "time-obs": "11:00:00"},
        {"date-obs": "2003-10-28", "t_obs": "2003.10.28_11:00:32_TAI"},
        {"date-obs": "28-OCT-03", "date_obs": "2003-10-28T11:00:00.000"},
        {"date_obs": " 28-Oct-2003 11:00:00.000"},
        {"date_obs": "2003-10-28", "time_obs": "11:00:00"},
        {"dateobs": "28-Oct-2003 11:00:00.00"},
        {"t_rec": "2003.10.28_11:00:32_TAI"},
        {"date-beg": "2003-10-28T11:00:00", "date-avg": "2003-10-28T11:02:30"},
        {"date-avg": "28-Oct-2003 11:00:00"},
        {"mjd-obs": 52940 + 11 / 24},
        {"mjd-obs": repr(52940 + 11 / 24)},
        {"mjd": 52940, "time": 39600000},
        {"date-obs": "2003-10-28T11:00:32", "timesys": "TAI"},
        {"date-obs": "2003-10-28", "time-obs": "11:00:32", "timesys": "TAI"},
        {"date-obs": "2003-10-28T11:01:04.184", "timesys": "tt"},
        {"date-obs": "2003-10-28T11:00:00Z", "timesys": "TAI"},
        {"mjd-obs": 52940 + (11 * 3600 + 32) / 86400, "timesys": "TAI"},
        {"date-obs": "nan", "t_obs": "2003.10.28_11:00:32_TAI"},
        {"date-obs": "-4712-01-01T11:59:28", "t_rec": "2003.10.28_11:00:32_TAI"},
    ],
)
def test_the_time_of_a_frame(mdi_header, mdi_cutout, cards):
    """Right to the millisecond, by sunpy's own reading of the repaired header, and once."""
    meta, _ = repair_header(mdi_header((40, 48), **(EMPTY | cards)))
    smap = sunpy.map.Map(mdi_cutout.data, meta)
    assert abs((smap.date - read_moment("2003-10-28T11:00:00")).to_value("s")) < 1e-3
    if "date-beg" not in cards:  # sunpy places by DATE-AVG
        assert abs((smap.reference_date - smap.date).to_value("s")) < 1e-3
    assert repair_dates(meta) == []


def test_all_dates_follow_the_time_system():
    meta = {
        "timesys": "TAI",
        "date-obs": "2003-10-28T11:00:32",
        "date-avg": "2003-10-28T11:00:47",
        "t_obs": "2003.10.28_11:00:47_TAI",
        "mjd-obs": 52940.0,
    }
    assert repair_dates(meta) == ["TIMESYS: dates in TAI converted to UTC"]
    assert meta["timesys"] == "UTC"
    assert meta["date-avg"] == "2003-10-28T11:00:15.000"
    assert meta["t_obs"] == "2003.10.28_11:00:47_TAI"
    assert meta["mjd-obs"] == pytest.approx(52940 - 32 / 86400, abs=1e-9)


@pytest.mark.parametrize("name", ["date-avg", "date-beg", "date-end", "timesys"])
@pytest.mark.parametrize("value", [float("nan"), np.float32("nan"), None, "", " ", "nan", "NaT"])
def test_times_without_a_value_are_left_out(name, value):
    """As tables give them; None and an empty text are no fault of the header, but no time."""
    meta = {"date-obs": "2010-10-15T00:00:26", name: value}
    assert repair_dates(meta) == [f"{name.upper()}: {value!r} is no value, left out"]
    assert meta == {"date-obs": "2010-10-15T00:00:26"}


def test_times_that_are_no_texts():
    meta = {"date-obs": "2010-10-15T00:00:26", "timesys": "TAI"}
    meta |= {"date-avg": datetime(2010, 10, 15, 0, 1), "date-beg": 0, "date-end": -9999.0}
    repair_dates(meta)
    assert meta["date-avg"] == "2010-10-15T00:00:26.000"
    assert not {"date-beg", "date-end"} & set(meta)


@pytest.mark.filterwarnings("error")
def test_a_frame_without_the_times_beside_date_obs(mdi_header, mdi_cutout):
    nothing = dict.fromkeys(("date-avg", "date-beg", "date-end", "t_obs"), float("nan"))
    smap = sunpy.map.Map(mdi_cutout.data, mdi_header((40, 48), corner=(540, 500), **nothing))
    frame = read_magnetogram(smap)
    assert frame.map.date.isot == frame.map.reference_date.isot == "2010-10-15T00:00:26.000"


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        ({"date-obs": "2010-10-15", "t_obs": None, "t_rec": None}, "midnight is assumed"),
        ({"date-obs": "2010-10-15", "t_obs": "2010.11.15_11:00:00_TAI"}, "T_OBS is assumed"),
        ({"timesys": "MARS"}, "MARS is not known; UTC is assumed"),
        ({"t_obs": "2010.10.15_02:00:00_TAI"}, "T_OBS = .* lie 119 minutes apart; DATE-OBS is"),
        ({"date-avg": "2010-10-16T00:00:26"}, "1440 minutes apart; DATE-AVG places the frame"),
    ],
)
def test_a_time_that_cannot_be_known_is_said(mdi_header, mdi_cutout, cards, said):
    smap = sunpy.map.Map(mdi_cutout.data, mdi_header((40, 48), corner=(540, 500), **cards))
    with pytest.warns(SuperResWarning, match=said):
        read_magnetogram(smap)


def test_the_times_of_a_real_frame_agree(mdi_header):
    """Start in UTC, middle in TAI, and a slot of 96 minutes."""
    assert compare_dates(mdi_header()) == []
    assert compare_dates(mdi_header(t_obs="-4712.01.01_11:59:28_TAI")) == []


def test_the_middle_of_an_observation(mdi_cutout):
    mdi_cutout.meta["t_obs"] = "15-Oct-2010 00:02:56"
    assert observation_time(mdi_cutout).isot == "2010-10-15T00:02:56.000"
    mdi_cutout.meta["t_obs"] = "MISSING"
    assert observation_time(mdi_cutout).isot == "2010-10-15T00:00:26.000"
