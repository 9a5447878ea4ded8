"""Scores of ensembles whose honesty is known because they were drawn that way."""

import astropy.units as u
import matplotlib.pyplot as plt
import ndcube
import numpy as np
import pytest
import sunpy.map
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from sunpy_superres import metrics
from sunpy_superres.super_resolution import SuperResolution, SuperResolutionSamples

SHAPE = (120, 140)


@pytest.fixture(scope="module")
def make(mdi_header):
    header = mdi_header(SHAPE, corner=(440, 450))

    def make(data):
        return sunpy.map.Map(np.asarray(data, np.float32), header)

    return make


@pytest.fixture(scope="module")
def drawn():
    """
    ``drawn(n, factor=1, bias=0)``: members and truth from one normal distribution.

    The members' own standard deviation is ``factor`` times the right one.
    """

    def draw(n, factor=1.0, bias=0.0, seed=0):
        rng = np.random.default_rng(seed)
        centre = rng.normal(0, 200, SHAPE)
        width = np.exp(rng.normal(3, 0.4, SHAPE))
        truth = centre + width * rng.normal(size=SHAPE)
        members = centre + bias + factor * width * rng.normal(size=(n, *SHAPE))
        return members, truth, centre, width

    return draw


@pytest.mark.parametrize("n", [2, 5, 20])
@pytest.mark.parametrize("factor", [0.7, 1.0, 1.5])
def test_spread_over_skill_is_that_of_the_draw(make, drawn, n, factor):
    """Also for few members: the error of their mean is counted."""
    members, truth, _, _ = drawn(n, factor)
    found = metrics.spread_skill([make(m) for m in members], make(truth))
    # The error of the mean: the truth's own variance and the members' over n.
    expected = np.sqrt((1 + 1 / n) * factor**2 / (1 + factor**2 / n))
    assert found == pytest.approx(expected, rel=0.03)


def test_crps_is_that_of_a_normal_distribution(make, drawn):
    """Gneiting & Raftery (2007), eq. 21, at every pixel."""
    members, truth, centre, width = drawn(40)
    z = (truth - centre) / width
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    expected = (width * (z * (2 * special.ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))).mean()
    found = metrics.crps([make(m) for m in members], make(truth))
    assert found.to_value(u.G) == pytest.approx(expected, rel=0.01)


def test_crps_is_fair(make, drawn):
    """Two members say on average the same as many."""
    members, truth, _, _ = drawn(30)
    maps = [make(m) for m in members]
    two = np.mean([metrics.crps(maps[i : i + 2], make(truth)).value for i in range(0, 30, 2)])
    assert two == pytest.approx(metrics.crps(maps, make(truth)).value, rel=0.02)
    # By its definition, for two members.
    a, b = members[:2]
    expected = (0.5 * (np.abs(a - truth) + np.abs(b - truth)) - 0.5 * np.abs(a - b)).mean()
    assert metrics.crps(maps[:2], make(truth)).value == pytest.approx(expected, rel=1e-5)


def test_ranks_are_flat_a_valley_or_a_slope(make, drawn):
    def ranks(**options):
        members, truth, _, _ = drawn(4, **options)
        return metrics.rank_histogram([make(m) for m in members], make(truth))

    flat = ranks()
    assert flat.sum() == pytest.approx(1)
    np.testing.assert_allclose(flat, 0.2, atol=0.02)
    valley = ranks(factor=0.5)
    assert valley[0] > 0.3
    assert valley[-1] > 0.3
    slope = ranks(bias=20.0)  # members too high: the truth is below them
    assert slope[0] > 2 * slope[-1]


def test_ties_count_for_all_ranks(make):
    """A truth equal to two of three members has three possible ranks."""
    members = [make(np.full(SHAPE, value)) for value in (1.0, 1.0, 2.0)]
    np.testing.assert_allclose(
        metrics.rank_histogram(members, make(np.ones(SHAPE))), [1 / 3, 1 / 3, 1 / 3, 0], atol=1e-12
    )


@given(st.floats(0.5, 2.0))
def test_coverage_of_a_wrong_uncertainty_is_known(make, drawn, factor):
    _, truth, centre, width = drawn(1)
    table = metrics.coverage(make(centre), make(factor * width), make(truth))
    assert table["sigma"][1] == pytest.approx(1, abs=1e-4)
    expected = special.erf(factor * np.asarray(table["sigma"]) / np.sqrt(2))
    np.testing.assert_allclose(table["coverage"], expected, atol=0.015)


def test_pit_is_flat_for_the_right_distribution(make, drawn):
    _, truth, centre, width = drawn(1)
    flat = metrics.pit(make(centre), make(width), make(truth), bins=10)
    np.testing.assert_allclose(flat, 0.1, atol=0.012)
    narrow = metrics.pit(make(centre), make(0.5 * width), make(truth), bins=10)
    assert narrow[0] + narrow[-1] > 0.4
    # A truth above the map lies in the upper half.
    high = metrics.pit(make(centre), make(width), make(centre + width), bins=10)
    assert high[8] == 1


def test_reliability_by_field_strength(make, drawn):
    """An uncertainty that is half of what it should be above 200 G."""
    _, truth, centre, width = drawn(1)
    sigma = np.where(np.abs(centre) > 200, 0.5 * width, width)
    table = metrics.reliability(make(centre), make(sigma), make(truth), bins=[0, 200, 1000] * u.G)
    np.testing.assert_allclose(table["ratio"], [1, 0.5], rtol=0.04)
    assert table["pixels"].sum() == truth.size
    strong = np.abs(centre) > 200
    assert table["error"][1].to_value(u.G) == pytest.approx(
        np.sqrt(((truth - centre)[strong] ** 2).mean()), rel=1e-4
    )
    assert table["within_1_sigma"][0] == pytest.approx(0.683, abs=0.015)
    assert table["within_2_sigma"][1] == pytest.approx(0.683, abs=0.02)
    assert abs(table["bias"][0].value) < 1


def test_reliability_by_disk_centre_distance_and_by_uncertainty(mdi_header, small_disk):
    rng = np.random.default_rng(1)
    shape = small_disk.data.shape
    sigma = np.exp(rng.normal(2, 0.5, shape))
    zero = sunpy.map.Map(np.zeros(shape), small_disk.meta)
    truth = sunpy.map.Map(rng.normal(size=shape) * sigma, small_disk.meta)
    width = sunpy.map.Map(sigma, small_disk.meta)
    by_mu = metrics.reliability(zero, width, truth, by="mu", bins=[0, 0.5, 0.8, 1])
    assert len(by_mu) == 3
    np.testing.assert_allclose(by_mu["ratio"], 1, rtol=0.06)
    # Areas in projection: 1 - mu^2 is the squared radius.
    share = by_mu["pixels"] / by_mu["pixels"].sum()
    np.testing.assert_allclose(share, [0.25, 0.39, 0.36], atol=0.02)
    by_sigma = metrics.reliability(zero, width, truth, by="uncertainty")
    assert len(by_sigma) == 8
    np.testing.assert_allclose(by_sigma["ratio"], 1, rtol=0.1)
    assert (np.diff(by_sigma["error"].value) > 0).all()


def test_an_ndcube_is_an_ensemble_as_well(make, drawn):
    members, truth, _, _ = drawn(3)
    maps = [make(m) for m in members]
    header = maps[0].wcs.to_header()
    header.update(WCSAXES=3, CTYPE3="SAMPLE", CRPIX3=1.0, CRVAL3=0.0, CDELT3=1.0)
    cube = ndcube.NDCube(
        np.asarray(members, np.float32) / 1000, wcs=WCS(header, naxis=3), unit=u.kG,
        meta=dict(maps[0].meta),
    )  # fmt: skip
    assert metrics.crps(cube, make(truth)).value == pytest.approx(
        metrics.crps(maps, make(truth)).value, rel=1e-4
    )


def test_what_super_resolve_returns_can_be_scored(mdi_cutout):
    from sunpy_superres import super_resolve

    result = super_resolve(
        mdi_cutout, n_samples=3, num_steps=2, seed=0, progress=False, return_samples=True
    )
    truth = sunpy.map.Map(result.samples.data[1], result.hmi_like.meta)
    assert metrics.crps(result.samples, truth) > 0 * u.G
    assert 0 < metrics.spread_skill(result.samples, truth) < 10
    assert metrics.resolved_scale(result.samples) > 1 * u.arcsec
    table = metrics.reliability(result.hmi_like, result.uncertainty, truth)
    assert table["pixels"].sum() == np.isfinite(truth.data).sum()


def test_masks_and_fill_values_of_all_members_count(make, drawn):
    members, truth, _, _ = drawn(4)
    maps = [make(m) for m in members]
    clean = np.ones(SHAPE, bool)
    clean[:60] = False
    clean[70, 3] = False
    expected = metrics.spread_skill(maps, make(truth), region=clean)
    wild = members[1].copy()
    wild[:60] = 5e3
    wild[70, 3] = 1e30
    covered = np.zeros(SHAPE, bool)
    covered[:60] = True
    masked = sunpy.map.Map(wild.astype(np.float32), maps[1].meta, mask=covered)
    given = [maps[0], masked, *maps[2:]]
    assert metrics.spread_skill(given, make(truth)) == pytest.approx(expected, rel=1e-6)
    assert metrics.resolved_scale(given) == metrics.resolved_scale(maps, region=clean)
    header = maps[0].wcs.to_header()
    header.update(WCSAXES=3, CTYPE3="SAMPLE", CRPIX3=1.0, CRVAL3=0.0, CDELT3=1.0)
    stack = np.stack([m.data for m in given])
    mask = np.zeros(stack.shape, bool)
    mask[2, :60] = True
    cube = ndcube.NDCube(
        stack, wcs=WCS(header, naxis=3), unit=u.G, mask=mask, meta=dict(maps[0].meta)
    )
    assert metrics.spread_skill(cube, make(truth)) == pytest.approx(expected, rel=1e-6)


def test_equal_uncertainties_are_one_bin(make, drawn):
    _, truth, centre, _ = drawn(1)
    table = metrics.reliability(
        make(centre), make(np.full(SHAPE, 20.0)), make(truth), by="uncertainty"
    )
    assert len(table) == 1
    assert table["pixels"][0] == truth.size


def test_regions_and_missing_pixels(make, drawn):
    members, truth, _, _ = drawn(4)
    members[2, 10:20] = np.nan
    mask = np.zeros(SHAPE, bool)
    mask[:40] = True
    used = mask.copy()
    used[10:20] = False
    expected = metrics.spread_skill(
        [make(np.nan_to_num(m)) for m in members], make(truth), region=used
    )
    found = metrics.spread_skill([make(m) for m in members], make(truth), region=mask)
    assert found == pytest.approx(expected, rel=1e-6)


def test_wrong_input_is_refused(make, mdi_header):
    smap = make(np.ones(SHAPE))
    other = sunpy.map.Map(np.ones((50, 50)), mdi_header((50, 50), corner=(400, 400)))
    with pytest.raises(TypeError, match="ensemble"):
        metrics.crps(smap, smap)
    with pytest.raises(TypeError, match="ensemble"):
        metrics.crps(3, smap)
    with pytest.raises(TypeError, match="ensemble"):
        metrics.crps([smap, smap.data], smap)
    with pytest.raises(ValueError, match="at least two"):
        metrics.crps([smap], smap)
    with pytest.raises(ValueError, match="header"):
        metrics.crps(ndcube.NDCube(np.ones((2, *SHAPE)), wcs=WCS(naxis=3), unit=u.G), smap)
    with pytest.raises(ValueError, match="bins"):
        metrics.reliability(smap, smap, smap, bins=[1, 2] * u.arcsec)
    with pytest.raises(ValueError, match=r"'field' must be in G, such as .*, not .0, 100."):
        metrics.reliability(smap, smap, smap, bins=[0, 100])
    with pytest.raises(ValueError, match="'mu' must be plain numbers, not"):
        metrics.reliability(smap, smap, smap, by="mu", bins=[0, 1] * u.G)
    with pytest.raises(ValueError, match="same grid"):
        metrics.crps([smap, other], smap)
    with pytest.raises(ValueError, match="levels"):
        metrics.coverage(smap, smap, smap, levels=(1.5,))
    with pytest.raises(ValueError, match="negative"):
        metrics.coverage(smap, make(-np.ones(SHAPE)), smap)
    with pytest.raises(ValueError, match="different grids"):
        metrics.coverage(smap, other, smap)
    with pytest.raises(ValueError, match="by must be"):
        metrics.reliability(smap, smap, smap, by="colour")
    with pytest.raises(ValueError, match="ascending"):
        metrics.reliability(smap, smap, smap, bins=[3, 1] * u.G)
    flat = ndcube.NDCube(np.ones(SHAPE), wcs=smap.wcs, unit=u.G)
    with pytest.raises(ValueError, match="shape"):
        metrics.crps(flat, smap)


def test_reliability_plot_has_its_diagonal(make, drawn):
    _, truth, centre, width = drawn(1)
    table = metrics.reliability(make(centre), make(width), make(truth))
    axes = metrics.plot_reliability({"mean": table})
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["mean"]
    assert "G" in axes.get_xlabel()
    points, diagonal = axes.get_lines()
    np.testing.assert_allclose(points.get_ydata(), table["error"].value)
    np.testing.assert_allclose(*diagonal.get_data())
    _, own = plt.subplots()
    assert metrics.plot_reliability(table, own) is own
    plt.close("all")
    with pytest.raises(ValueError, match="empty"):
        metrics.plot_reliability(table[:0])


def test_a_result_is_not_taken_for_maps(make):
    """Its field and its uncertainty would be two members."""
    smap = make(np.random.default_rng(0).normal(0, 10, (40, 40)))
    result = SuperResolution(smap, smap)
    with pytest.raises(TypeError, match="holds no ensemble.*return_samples=True"):
        metrics.crps(result, smap)
    for measure in (metrics.unsigned_flux, metrics.split_scales, metrics.region_keywords):
        with pytest.raises(TypeError, match=r"need a sunpy Map, not SuperResolution; .*\.hmi_like"):
            measure(result)
    both = SuperResolutionSamples(smap, smap, [smap, smap])
    assert metrics.crps(both, smap).value == metrics.crps([smap, smap], smap).value == 0
