"""The members of an ensemble as Maps."""

import pickle

import astropy.units as u
import ndcube
import numpy as np
import pytest
import sunpy.map
from astropy.wcs import WCS

from sunpy_superres import metrics
from sunpy_superres.maps.members import EnsembleCube, Members, as_cube, members_of_cube
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


@pytest.mark.parametrize("part", [np.s_[1:], np.s_[1:3, 5:15, 8:20], np.s_[2:4], np.s_[:, 3:]])
def test_members_of_a_part_keep_their_numbers(result, part):
    first = part.start if isinstance(part, slice) else part[0].start
    cube = real_cube(result)[part]
    members = result._replace(samples=cube).members
    numbers = [(first or 0) + n + 1 for n in range(len(members))]
    assert [member.meta["srmember"] for member in members] == numbers
    assert [member.meta["srmember"] for member in members[1:]] == numbers[1:]
    for number, member in zip(numbers, members, strict=True):
        whole = result.members[number - 1]
        assert member.meta["content"] == whole.meta["content"]
        assert f"member {number} of the 4 of the ensemble" in member.meta["history"]
        rows = (slice(None), slice(None)) if isinstance(part, slice) else part[1:]
        np.testing.assert_array_equal(member.data, whole.data[rows])
        assert member.meta["missvals"] == np.isnan(member.data).sum()
    assert [m.meta["srmember"] for m in result._replace(samples=cube[1:]).members] == numbers[1:]


def test_means_of_members_are_no_members(result):
    rebinned = real_cube(result).rebin((2, 1, 1))
    with pytest.raises(ValueError, match="members of the NDCube were rebinned: a mean of members"):
        metrics.with_error(metrics.unsigned_flux, rebinned)


@pytest.mark.parametrize(("members", "mean_of"), [((0, 4), 2), ((0, 4), 4), ((1, 4), 3)])
def test_a_single_mean_of_members_is_no_member(result, members, mean_of):
    """Its number may be whole: that of the mean of three is the second's."""
    mean = real_cube(result)[slice(*members)].rebin((mean_of, 1, 1))[0:1]
    with pytest.raises(ValueError, match="a mean of members is none"):
        members_of_cube(mean)
    with pytest.raises(ValueError, match="a mean of members is none"):
        _ = result._replace(samples=mean).members


def test_a_single_member_keeps_its_number(result):
    (member,) = members_of_cube(real_cube(result)[2:3].rebin((1, 1, 1)))
    assert member.meta["srmember"] == 3
    assert np.array_equal(member.data, result.samples.data[2], equal_nan=True)


@pytest.mark.parametrize("how", ["argument", "attribute", "one for all", "slice", "kG"])
def test_what_the_mask_of_an_ensemble_marks_is_missing(result, how):
    """It counts as NaN does, wherever members are read."""
    cube, mask = real_cube(result), np.zeros((4, *SHAPE), bool)
    mask[:, :, :9] = True
    data, unit = np.where(mask, 15000, cube.data), u.G
    if how == "kG":
        data, unit = data / 1e3, u.kG
    given = {"wcs": cube.wcs, "unit": unit, "meta": cube.meta}
    masked = EnsembleCube(data, mask=None if how == "attribute" else mask, **given)
    if how == "attribute":
        masked.mask = mask
    elif how == "one for all":
        masked = EnsembleCube(data, mask=mask[0], **given)[:, 1:]
    elif how == "slice":
        masked = masked[1:]
    part = {"one for all": np.s_[:, 1:], "slice": np.s_[1:]}.get(how, np.s_[:])
    known = real_cube(result)[part]
    known = EnsembleCube(
        np.where(mask[part], np.nan, known.data), wcs=known.wcs, unit=u.G, meta=known.meta
    )
    other = sunpy.map.Map(1.07 * result.hmi_like.data, result.hmi_like.meta)
    for measure in (
        lambda cube: metrics.crps(cube, other).value,
        lambda cube: metrics.spread_skill(cube, other),
        lambda cube: metrics.rank_histogram(cube, other),
        lambda cube: metrics.with_error(metrics.unsigned_flux, cube).error.value,
        lambda cube: result._replace(samples=cube).measure(metrics.unsigned_flux).value.value,
        lambda cube: result._replace(samples=cube).members[1].data,
        lambda cube: np.nanmean(np.mean(cube, axis=0)) * cube.unit.to(u.G),
    ):
        np.testing.assert_allclose(measure(masked), measure(known), rtol=1e-5)
    member = result._replace(samples=masked).members[0]
    assert member.meta["missvals"] == np.isnan(member.data).sum() > 100


def test_a_mask_of_another_shape_is_refused(result):
    cube = real_cube(result)
    with pytest.raises(ValueError, match=r"shape \(5, 24\), and the ensemble \(4, 20, 24\); give"):
        cube.mask = np.zeros((5, 24), bool)
    plain = ndcube.NDCube(cube.data, wcs=cube.wcs, unit=u.G, meta=cube.meta, mask=np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"mask has the shape \(2, 2\)"):
        metrics.with_error(metrics.unsigned_flux, plain)
