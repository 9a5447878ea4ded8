"""The observer, from cards that older headers have in its place."""

import warnings

import pytest
import sunpy.map

from sunpy_superres.maps.headers import repair_header
from sunpy_superres.maps.magnetogram import read_magnetogram

NOBODY = dict.fromkeys(("dsun_obs", "rsun_obs", "crln_obs", "crlt_obs"))
EPHEMERIS = {"obs_dist": 0.9743059749992, "obs_l0": 130.8892913991, "obs_b0": -6.028967775337}


@pytest.fixture
def read(mdi_header, bipole):
    """``read(**cards)``: what `read_magnetogram` makes of a frame, and the warnings."""

    def make(**cards):
        header = mdi_header((40, 48), corner=(540, 500), **cards)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = read_magnetogram(sunpy.map.Map(bipole((40, 48)), header))
        return found, [str(w.message) for w in caught]

    return make


def place(smap):
    observer = smap.observer_coordinate
    return [smap.dsun.to_value("m"), smap.carrington_longitude.deg, observer.lat.deg]


KNOWN = [147937426993.65381, 203.46173095703125, 5.9158711433410645]


@pytest.mark.parametrize(
    "word", ["nan", "NaN", "-nan", "MISSING", "(MISSING)", "inf", "'nan'", -(2**31), "-2147483648",
             float("nan"), "nan     "],
)  # fmt: skip
@pytest.mark.parametrize("card", ["rsun_obs", "rsun_ref", "obs_l0", "hgln_obs"])
def test_cards_that_can_be_done_without(read, card, word):
    found, said = read(**{card: word})
    assert found.map.dsun.to_value("m") == pytest.approx(KNOWN[0])
    assert found.map.rsun_obs.to_value("arcsec") == pytest.approx(970.416, abs=0.5)
    assert found.is_placed
    assert said == []
    assert len(found.changes) == 1
    assert "is no value, left out" in found.changes[0]


def test_the_distance_by_the_radius(read):
    found, said = read(dsun_obs="nan")
    assert place(found.map) == pytest.approx(KNOWN, rel=1e-5)
    assert found.is_placed
    assert said == []


def test_what_is_known_of_the_observer_is_kept(read):
    found, said = read(crln_obs="nan")
    assert place(found.map)[::2] == pytest.approx(KNOWN[::2], rel=1e-6)
    assert place(found.map)[1] == pytest.approx(KNOWN[1], abs=0.1)  # SOHO is near the line to Earth
    found, also = read(crlt_obs="MISSING")
    assert place(found.map)[:2] == pytest.approx(KNOWN[:2], rel=1e-6)
    assert place(found.map)[2] == pytest.approx(KNOWN[2], abs=0.1)
    assert "an observer on the line to Earth is assumed" in said[0]
    assert also == said
    assert not found.is_placed


@pytest.mark.parametrize("distance", [None, 149597870691.0])
def test_the_observer_of_level_1_8(read, distance):
    """Some of its files have an astronomical unit for DSUN_OBS, where SOHO never is."""
    found, said = read(**(NOBODY | EPHEMERIS | {"dsun_obs": distance}))
    expected = [149597870691.0 * EPHEMERIS["obs_dist"], EPHEMERIS["obs_l0"], EPHEMERIS["obs_b0"]]
    assert place(found.map) == pytest.approx(expected, rel=1e-9)
    assert found.is_placed
    assert said == []


def test_a_stated_observer_is_believed(mdi_header):
    header = mdi_header(**EPHEMERIS)
    assert repair_header(header) == (header, [])


@pytest.mark.parametrize("card", ["cdelt1", "crval1", "pc1_1"])
def test_cards_that_cannot_be_done_without(mdi_cutout, card):
    mdi_cutout.meta[card] = "nan"
    with pytest.raises(ValueError, match=rf"{card.upper()} = 'nan' is not .*set meta\['{card}'\]"):
        read_magnetogram(mdi_cutout)
