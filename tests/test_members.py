"""The members of an ensemble as Maps."""

import pickle

import astropy.units as u
import ndcube
import numpy as np
import pytest
import sunpy.map
from astropy.wcs import WCS

from sunpy_superres import metrics
from sunpy_superres.maps.members import Members, as_cube
from sunpy_superres.super_resolution import SuperResolutionSamples

SHAPE = (20, 24)
FACTORS = np.array([0.8, 1.0, 1.3, 1.1])


@pytest.fixture(scope="module")
def result(mdi_header):
    data = 50 * np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    data[:3, 0] = np.nan
    cards = {"srmodel": "default", "srnsamp": 4, "srestim": "mean", "bunit": "Gauss"}
    cards |= {"datamax": float(np.nanmax(data)), "datavals": 477, "missvals": 3}
    cards |= {"history": "before", "keycomments": {"SRNSAMP": "members of the ensemble"}}
    smap = sunpy.map.Map(data, mdi_header(SHAPE, corner=(500, 500)) | cards)
    samples = np.stack([np.float32(f) * data for f in FACTORS])
    cube = ndcube.NDCube(samples, wcs=WCS(naxis=3), unit=u.G, meta=dict(smap.meta))
    return SuperResolutionSamples(smap, smap, cube)


def test_a_member_is_the_result_with_its_own_data(result):
    for number, (member, factor) in enumerate(zip(result.members, FACTORS, strict=True), start=1):
        np.testing.assert_array_equal(member.data, np.float32(factor) * result.hmi_like.data)
        assert (member.meta["srmember"], member.meta["srestim"]) == (number, "sample")
        assert member.meta["datamax"] == np.nanmax(member.data)
        assert (member.meta["datavals"], member.meta["missvals"]) == (477, 3)
        assert member.meta["history"].splitlines() == [
            "before", f"member {number} of the 4 of the ensemble"
        ]  # fmt: skip
        assert member.unit == u.G
        assert member.wcs.wcs == result.hmi_like.wcs.wcs
    assert "srmember" not in result.hmi_like.meta
    assert set(result.hmi_like.meta["keycomments"]) == {"SRNSAMP"}


def test_members_are_a_list(result):
    members = result.members
    assert len(members) == 4
    assert isinstance(members, Members)
    assert members[-1].meta["srmember"] == members[np.int64(3)].meta["srmember"] == 4
    assert [m.meta["srmember"] for m in members[::-2]] == [4, 2]
    assert [m.meta["srmember"] for m in members[1:][1:]] == [3, 4]
    assert [m.meta["srmember"] for m in reversed(members)] == [4, 3, 2, 1]
    assert repr(members) == "<4 members of 24 x 20 pixels>"
    assert repr(members[:1]) == "<1 member of 24 x 20 pixels>"
    for key in (4, -5):
        with pytest.raises(IndexError, match=f"numbered from 0 to 3; there is no member {key}"):
            members[key]
    with pytest.raises(TypeError, match="by a number or a slice, not str"):
        members["a"]


def test_a_member_is_plotted_and_saved_as_what_it_is(result, tmp_path):
    result.members[2].save(tmp_path / "member.fits")
    for member in (result.members[2], sunpy.map.Map(tmp_path / "member.fits")):
        assert member.latex_name == "Member 3 of 4, 2010-10-15 00:00"
        assert member.plot_settings["cmap"] == "gray"
        assert member.plot_settings["norm"].vmax == 1000
    assert member.meta["keycomments"]["SRMEMBER"] == "number of this member, from 1 to SRNSAMP"


def test_unpacking_and_pickling_stay_as_they_were(result):
    hmi_like, uncertainty, samples = pickle.loads(pickle.dumps(result))
    assert samples.data.shape == (4, *SHAPE)
    assert hmi_like.data.shape == uncertainty.data.shape == SHAPE


def test_measure_is_with_error(result):
    found = result.measure(metrics.unsigned_flux)
    flux = metrics.unsigned_flux(result.hmi_like).to_value(u.Mx) * FACTORS
    assert found.value.to_value(u.Mx) == pytest.approx(flux.mean(), rel=1e-5)
    assert found.error.to_value(u.Mx) == pytest.approx(flux.std(ddof=1), rel=1e-4)
    listed = metrics.with_error(metrics.unsigned_flux, result.members)
    assert listed.error == found.error


def test_one_member_has_no_error(result):
    alone = result._replace(samples=result.samples[:1])
    assert len(alone.members) == 1
    with pytest.raises(ValueError, match="n of at least 2"):
        alone.measure(metrics.unsigned_flux)


def real_cube(result):
    """The ensemble as super_resolve makes it, whose WCS says where it lies."""
    return as_cube(result.samples.data, result.hmi_like)


def test_members_of_a_part_of_the_ensemble_lie_where_the_part_lies(result):
    part = result._replace(samples=real_cube(result)[:, 5:15, 8:20])
    member = part.members[1]
    expected = result.hmi_like.pixel_to_world(8 * u.pix, 5 * u.pix)
    assert member.pixel_to_world(0 * u.pix, 0 * u.pix).separation(expected) < 1e-3 * u.arcsec
    np.testing.assert_array_equal(member.data, result.samples.data[1, 5:15, 8:20])


def test_members_are_in_gauss_whatever_the_unit_of_the_cube(result):
    moved = result._replace(samples=real_cube(result).to("kG"))
    np.testing.assert_allclose(moved.members[2].data, result.samples.data[2], rtol=1e-6)
    assert moved.members[2].unit == u.G


@pytest.mark.parametrize("cards", [
    {"dsun_obs": 1.01}, {"crln_obs": 1.01}, {"crpix1": 1.01}, {"cdelt2": 1.05},
])  # fmt: skip
def test_a_reprojected_ensemble_is_refused(result, cards):
    """Its meta is that of the old grid and observer, and nothing else says whose it is."""
    meta = dict(result.hmi_like.meta)
    meta |= {name: factor * meta[name] for name, factor in cards.items()}
    other = as_cube(result.samples.data, sunpy.map.Map(result.hmi_like.data, meta))
    moved = ndcube.NDCube(other.data, wcs=other.wcs, unit=u.G, meta=dict(result.hmi_like.meta))
    with pytest.raises(ValueError, match="The pixels or the observer of the NDCube"):
        metrics.with_error(metrics.unsigned_flux, moved)
