"""Error bars of functions whose scatter over the members is known."""

import astropy.units as u
import ndcube
import numpy as np
import pytest
import sunpy.map
from astropy.wcs import WCS

from sunpy_superres import metrics
from sunpy_superres.super_resolution import SuperResolution, SuperResolutionSamples

SHAPE = (20, 24)
FACTORS = np.array([0.8, 1.0, 1.3, 1.1, 0.9])


@pytest.fixture(scope="module")
def smap(mdi_header):
    data = 50 * np.random.default_rng(1).standard_normal(SHAPE)
    return sunpy.map.Map(data.astype(np.float32), mdi_header(SHAPE, corner=(500, 500)))


@pytest.fixture(scope="module")
def members(smap):
    return [sunpy.map.Map(factor * smap.data, smap.meta) for factor in FACTORS]


@pytest.fixture(scope="module")
def cube(smap, members):
    data = np.stack([m.data for m in members])
    return ndcube.NDCube(data, wcs=WCS(naxis=3), unit=u.G, meta=dict(smap.meta))


def test_value_error_and_percentiles_of_a_quantity(smap, members, cube):
    flux = metrics.unsigned_flux(smap).to_value(u.Mx) * FACTORS
    result = SuperResolutionSamples(smap, smap, cube)
    for samples in (members, cube, result, iter(members)):
        found = metrics.with_error(metrics.unsigned_flux, samples)
        assert found.value.to_value(u.Mx) == pytest.approx(flux.mean(), rel=1e-5)
        assert found.error.to_value(u.Mx) == pytest.approx(flux.std(ddof=1), rel=1e-4)
        assert found.p16.to_value(u.Mx) == pytest.approx(np.percentile(flux, 16), rel=1e-5)
        assert found.p84.to_value(u.Mx) == pytest.approx(np.percentile(flux, 84), rel=1e-5)
        assert found.percentile(50).to_value(u.Mx) == pytest.approx(np.median(flux), rel=1e-5)
        np.testing.assert_allclose(found.members.to_value(u.Mx), flux, rtol=1e-5)


def test_numbers_and_arrays_keep_their_shape(members):
    found = metrics.with_error(lambda m: np.array([m.data.max(), m.data.min()]), members)
    assert found.value.shape == (2,)
    assert not isinstance(found.value, u.Quantity)
    count = metrics.with_error(lambda m: int((m.data > 60).sum()), members)
    assert isinstance(float(count.value), float)
    assert "+-" in str(count)
    assert "Mx" in str(metrics.with_error(metrics.unsigned_flux, members))


def test_members_without_a_value_do_not_count(members):
    values = iter([1.0, np.nan, 3.0, np.nan, 5.0])
    found = metrics.with_error(lambda m: next(values), members)
    assert (found.value, found.error) == (3, 2)
    one = iter([1.0, np.nan, np.nan, np.nan, np.nan])
    found = metrics.with_error(lambda m: next(one), members)
    assert found.value == 1
    assert np.isnan(found.error)
    none = metrics.with_error(lambda m: np.nan * u.Mm, members)
    assert np.isnan(none.value)
    assert none.p84.unit == u.Mm


def test_masked_pixels_of_a_cube_are_masked_in_its_members(cube):
    mask = np.zeros(SHAPE, bool)
    mask[5] = True
    masked = ndcube.NDCube(cube.data, wcs=cube.wcs, unit=u.G, meta=cube.meta, mask=mask)
    found = metrics.with_error(lambda m: m.mask.sum(), masked)
    assert found.value == SHAPE[1]


def test_one_member_is_made_at_a_time(smap):
    alive = []

    def draw():
        for factor in FACTORS:
            alive.append(factor)
            yield sunpy.map.Map(factor * smap.data, smap.meta)

    seen = []
    metrics.with_error(lambda m: seen.append(len(alive)) or 0.0, draw())
    assert seen == [1, 2, 3, 4, 5]


def test_what_is_no_ensemble_is_refused(smap, members, cube):
    def flux(m):
        return metrics.unsigned_flux(m)

    for samples, error, message in (
        (smap, TypeError, "An ensemble is an NDCube"),
        (3, TypeError, "An ensemble is an NDCube"),
        ([smap.data, smap.data], TypeError, "a sequence with ndarray"),
        (SuperResolution(smap, smap), TypeError, "return_samples=True"),
        (members[:1], ValueError, "at least two Maps, not 1"),
        ([], ValueError, "at least two Maps, not 0"),
        (cube[:1], ValueError, "n of at least 2"),
        (ndcube.NDCube(cube.data, wcs=cube.wcs), ValueError, "no Map's header"),
    ):
        with pytest.raises(error, match=message):
            metrics.with_error(flux, samples)
    shifted = sunpy.map.Map(smap.data, dict(smap.meta, crpix1=smap.meta["crpix1"] + 1))
    with pytest.raises(ValueError, match="same grid"):
        metrics.with_error(flux, [smap, shifted])


def test_functions_must_agree_with_themselves(members):
    with pytest.raises(TypeError, match="returns str"):
        metrics.with_error(lambda m: "x", members)
    values = iter([1 * u.G, 2 * u.Mx])
    with pytest.raises(ValueError, match="let all be alike"):
        metrics.with_error(lambda m: next(values), members)
    shapes = iter([np.zeros(2), np.zeros(3)])
    with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        metrics.with_error(lambda m: next(shapes), members)


def test_a_generator_that_is_used_up_is_named(members):
    once = iter(members)
    metrics.with_error(metrics.unsigned_flux, once)
    with pytest.raises(ValueError, match="not 0; a generator gives its Maps only once, so give a"):
        metrics.with_error(metrics.unsigned_flux, once)
    with pytest.raises(ValueError, match=r"not 0\.$"):
        metrics.with_error(metrics.unsigned_flux, [])
