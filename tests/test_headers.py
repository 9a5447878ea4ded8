import numpy as np
import pytest
import sunpy.map
from astropy.constants import R_sun
from sunpy.coordinates import get_earth

from sunpy_superres.maps.headers import repair_header


@pytest.fixture
def old_header():
    """As a cut-out of lev1.8 has it: no observer, no roll, axes of SolarSoft."""
    return {
        "naxis": 2,
        "naxis1": 48,
        "naxis2": 40,
        "ctype1": "solar_x",
        "ctype2": "solar_y",
        "cunit1": "arcsecs",
        "cunit2": "arcsecs",
        "crpix1": 24.5,
        "crpix2": 20.5,
        "crval1": 100.0,
        "crval2": -50.0,
        "cdelt1": 1.977,
        "cdelt2": 1.977,
        "date_obs": "2000-01-01T12:47:00",
        "solar_r": 975.3,
        "instrume": "MDI",
        "telescop": "SOHO",
        "bunit": "Gauss",
    }


def test_a_sound_header_is_not_touched(mdi_header):
    header = mdi_header()
    meta, changes = repair_header(header)
    assert meta == header
    assert meta is not header
    assert changes == []


def test_the_input_is_not_changed(old_header):
    before = dict(old_header)
    repair_header(old_header)
    assert old_header == before


def test_names_come_out_in_lower_case(mdi_header):
    header = mdi_header()
    assert repair_header({k.upper(): v for k, v in header.items()}) == (header, [])


@pytest.mark.parametrize("ctype", ["solar_x", "solar-x", "Solar_X", "SOLAR-X "])
def test_axes_of_solarsoft(mdi_header, ctype):
    meta, changes = repair_header(mdi_header(ctype1=ctype, cunit1="arcsecs"))
    assert (meta["ctype1"], meta["ctype2"]) == ("HPLN-TAN", "HPLT-TAN")
    assert meta["cunit1"] == "arcsec"
    assert [change.split(":")[0] for change in changes] == ["CTYPE1", "CUNIT1"]


@pytest.mark.parametrize("card", ["solar_p0", "p_angle"])
@pytest.mark.parametrize("angle", [180.0, -3.1, 12])
def test_roll_from_the_position_angle(mdi_header, card, angle):
    """The position angle counts from north to east; CROTA2 turns the other way."""
    meta, changes = repair_header(mdi_header(crota2=None, **{card: angle}))
    assert meta["crota2"] == -angle
    assert len(changes) == 1


@pytest.mark.parametrize(
    "known",
    [{"crota2": 0.0}, {"crota2": None, "pc1_1": 1.0}, {"crota2": None, "cd1_1": 2.0}],
)
def test_a_stated_roll_is_believed(mdi_header, known):
    header = mdi_header(solar_p0=170.0, **known)
    assert repair_header(header) == (header, [])


@pytest.mark.parametrize("angle", [np.nan, "unknown", ""])
def test_an_unreadable_position_angle_is_passed_over(mdi_header, angle):
    meta, changes = repair_header(mdi_header(crota2=None, solar_p0=angle, p_angle=5.0))
    assert meta["crota2"] == -5.0
    assert len(changes) == 1


def test_date_from_the_older_card(old_header):
    meta, changes = repair_header(old_header)
    assert meta["date-obs"] == "2000-01-01T12:47:00"
    assert "DATE-OBS: from DATE_OBS" in changes


def test_observer_from_the_apparent_radius(old_header):
    meta, changes = repair_header(old_header)
    smap = sunpy.map.Map(np.zeros((40, 48)), meta)
    seen = np.arcsin((R_sun / smap.dsun).to_value("")) * np.degrees(1) * 3600
    assert seen == pytest.approx(975.3, abs=1e-6)
    assert smap.rsun_obs.to_value("arcsec") == 975.3
    earth = get_earth("2000-01-01T12:47:00")
    assert smap.observer_coordinate.lat.deg == pytest.approx(earth.lat.deg, abs=1e-6)
    assert smap.observer_coordinate.lon.deg == pytest.approx(0, abs=1e-6)
    assert changes[-1].startswith("observer")


@pytest.mark.parametrize("changes", [{"dsun_obs": 1.5e11}, {"rsun_obs": 975.3}, {"solar_r": 492.7}])
def test_no_observer_is_made_up(old_header, changes):
    """Where one is stated, or where SOLAR_R counts pixels."""
    meta, _ = repair_header(old_header | changes)
    assert "hglt_obs" not in meta
    assert meta.get("dsun_obs") == changes.get("dsun_obs")


def test_an_empty_wavelength_is_dropped(mdi_header):
    meta, changes = repair_header(mdi_header(wavelnth=" "))
    assert "wavelnth" not in meta
    assert changes == []


def test_a_repaired_header_is_sound(old_header, mdi_header):
    """Repair happens at two boundaries; the second finds nothing, so that none is said twice."""
    odd = mdi_header(
        crota2=None, p_angle=10.0, crpix1="512.5", dsun_obs="", wavelnth="", **{"date-obs": None}
    )
    for header in (old_header, odd, mdi_header(crota2="nan"), mdi_header(crota2=None, crota1=5.0)):
        meta, changes = repair_header(header)
        assert changes
        again, nothing = repair_header(meta)
        assert nothing == []
        assert str(again) == str(meta)
