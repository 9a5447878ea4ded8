"""INTERVAL in the forms that headers have."""

import pytest
import sunpy.map

from sunpy_superres import SuperResWarning
from sunpy_superres.maps.interval import observed_interval
from sunpy_superres.maps.magnetogram import read_magnetogram


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (30.0, 30), ("30 s", 30), ("300.0 seconds", 300), ("300 [s]", 300), ("3.0D+02", 300),
        ("5 min", 300), ("5min", 300), ("5 Minutes", 300), ("1 minute", 60), (".5 min", 30),
        ("5 (min)", 300), ("5-min", 300), ("00:05:00", 300), ("1 hour", 3600), (5, 300),
        ("5", 300), (0.5, 30), (1, 60), (0, None), ("nan", None), ("long", None), (True, None),
    ],
)  # fmt: skip
def test_an_interval_is_read_in_any_form(value, seconds):
    assert observed_interval({"interval": value}) == seconds


@pytest.mark.parametrize(
    ("value", "comment", "seconds"),
    [
        (30, "[min] integration", 1800), (5, "minutes", 300), (5, "in minutes", 300),
        (5, "[s] Observable integration interval", 5), (300, "", 300), (25, "(min)", 1500),
        (300, "[s] Observable integration interval", 300), (5, "seconds or minutes", 300),
    ],
)  # fmt: skip
def test_the_comment_says_the_unit(value, comment, seconds):
    meta = {"interval": value, "keycomments": {"INTERVAL": comment}}
    assert observed_interval(meta) == seconds


def test_minutes_count_where_the_noise_is_judged(mdi_header, bipole):
    """A frame without BUNIT is in Gauss if its noise is that of five minutes, 9 to 16 G."""
    cards = {"interval": "5 min", "bunit": None, "bldver18": 60102}
    header = mdi_header((64, 72), corner=(500, 480), **cards)
    with pytest.warns(SuperResWarning, match="12 G is that of MDI with INTERVAL = 300 s"):
        read_magnetogram(sunpy.map.Map(bipole((64, 72), noise=12.0), header))
