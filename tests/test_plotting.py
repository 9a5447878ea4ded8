import astropy.units as u
import numpy as np
import pytest
import sunpy.map

from sunpy_superres.instruments import MDI
from sunpy_superres.maps.metadata import rebin_meta
from sunpy_superres.maps.plotting import ResultPanels, plot_result


@pytest.fixture
def result(mdi_cutout):
    """Stand-in for a result: field with NaN at one edge, and an uncertainty."""
    shape = tuple(4 * n for n in mdi_cutout.data.shape)
    meta = rebin_meta(mdi_cutout.meta, shape, 4)
    field = np.kron(mdi_cutout.data / MDI.gain, np.ones((4, 4)))
    field[:, :8] = np.nan
    spread = np.full(shape, 10.0)
    spread[50, 50] = 500.0
    return sunpy.map.Map(field, meta), sunpy.map.Map(spread, meta)


def panels(figure):
    """Axes that hold an image with a WCS, without the colour bars."""
    return [axes for axes in figure.axes if hasattr(axes, "wcs")]


def test_input_and_result_share_one_colour_scale(mdi_cutout, result):
    figure = plot_result(mdi_cutout, result)
    first, second, third = (axes.images[0] for axes in panels(figure))
    assert first.get_clim() == second.get_clim()
    assert first.get_cmap() == second.get_cmap() != third.get_cmap()
    low, high = first.get_clim()
    assert low == -high < 0
    assert third.get_clim()[0] == 0
    # One hot pixel does not set the scale.
    assert third.get_clim()[1] == pytest.approx(10.0)


def test_panels_show_what_they_are(mdi_cutout, result):
    figure = plot_result(mdi_cutout, result)
    shown = [axes.images[0].get_array() for axes in panels(figure)]
    np.testing.assert_allclose(shown[0], mdi_cutout.data / MDI.gain)
    assert shown[1].shape == result[0].data.shape
    np.testing.assert_array_equal(np.ma.getmaskarray(shown[1]), np.isnan(result[0].data))
    np.testing.assert_allclose(shown[2], result[1].data)
    for axes, smap in zip(panels(figure), (mdi_cutout, *result), strict=True):
        assert axes.wcs.wcs.cdelt == pytest.approx(smap.wcs.wcs.cdelt)
        assert axes.images[0].origin == "lower"
        assert "2010-10-15" in axes.get_title()


def extends(figure):
    """Which ends of the colour bars have arrows."""
    return [axes._colorbar.extend for axes in figure.axes if hasattr(axes, "_colorbar")]


def test_colour_bars_have_arrows_where_values_are_clipped(mdi_cutout, result):
    field, spread = result
    assert extends(plot_result(mdi_cutout, result)) == ["both", "both", "max"]
    wide = plot_result(mdi_cutout, result, limit=5000 * u.G)
    assert extends(wide) == ["neither", "neither", "max"]
    even = sunpy.map.Map(np.full(spread.data.shape, 7.0), spread.meta)
    above = sunpy.map.Map(np.where(field.data > 100, 9000, field.data), field.meta)
    figure = plot_result(mdi_cutout, (above, even), limit=5000 * u.G)
    assert extends(figure) == ["neither", "max", "neither"]
    below = sunpy.map.Map(-above.data, field.meta)
    assert extends(plot_result(mdi_cutout, (below, even), limit=5000 * u.G))[1] == "min"


def test_colour_bars_of_a_movie_always_have_arrows(mdi_cutout, result):
    """A later frame may be stronger than the first, which sets the scale."""
    panels = ResultPanels(mdi_cutout, result, 5000 * u.G, several=True)
    assert extends(panels.figure) == ["both", "both", "max"]


def test_limit_is_respected(mdi_cutout, result):
    figure = plot_result(mdi_cutout, result, limit=321 * u.G)
    assert panels(figure)[1].images[0].get_clim() == (-321.0, 321.0)


@pytest.mark.parametrize("limit", [321.0, 321 * u.m, -1 * u.G])
def test_a_limit_without_its_unit_is_refused(mdi_cutout, result, limit):
    with pytest.raises(ValueError, match="limit must be a non-negative quantity in G"):
        plot_result(mdi_cutout, result, limit=limit)


def test_colour_bars_have_a_unit(mdi_cutout, result):
    figure = plot_result(mdi_cutout, result)
    bars = [axes for axes in figure.axes if not hasattr(axes, "wcs")]
    assert len(bars) == 3
    assert all("(G)" in axes.get_ylabel() for axes in bars)


def test_input_is_not_changed(mdi_cutout, result):
    before = mdi_cutout.data.copy(), result[0].data.copy()
    plot_result(mdi_cutout, result)
    np.testing.assert_array_equal(mdi_cutout.data, before[0])
    np.testing.assert_array_equal(result[0].data, before[1])


def test_picture_can_be_drawn_without_a_display(mdi_cutout, result, tmp_path):
    from matplotlib.image import imread

    path = tmp_path / "picture.png"
    plot_result(mdi_cutout, result).savefig(path, dpi=40)
    picture = imread(path)
    assert picture.shape[1] > 2 * picture.shape[0]
    assert picture[..., :3].std() > 0.05


def test_nothing_finite_still_gives_a_picture(mdi_cutout, result):
    nothing = [sunpy.map.Map(np.zeros(m.data.shape), m.meta) for m in result]
    for smap in nothing:
        smap.data[:] = np.nan
    figure = plot_result(mdi_cutout, nothing)
    assert panels(figure)[1].images[0].get_clim() == (-100.0, 100.0)
