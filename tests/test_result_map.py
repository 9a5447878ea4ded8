"""Results look right when plotted, also those that sunpy reads from a file."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
import sunpy.map
from sunpy.map.sources import MDIMap

from sunpy_superres.maps.result_map import SuperResolvedMap

FIELD = "HMI-like magnetogram super-resolved from MDI"
ERROR = "Standard error of HMI-like magnetogram"


def result(header, content, **cards):
    cards = {"content": content, "srmodel": "default", "bunit": "Gauss"} | cards
    return sunpy.map.Map(np.full((20, 24), 30.0), header((20, 24)) | cards)


@pytest.mark.parametrize(
    ("content", "colours", "limits", "title"),
    [
        (FIELD, "gray", (-1000, 1000), "HMI-like field from MDI, 2010-10-15 00:00"),
        (ERROR, "magma", (0, 200), "Standard error, 2010-10-15 00:00"),
    ],
)
def test_a_result_has_plot_settings(mdi_header, tmp_path, content, colours, limits, title):
    smap = result(mdi_header, content)
    smap.save(tmp_path / "result.fits")
    for shown in (smap, sunpy.map.Map(tmp_path / "result.fits")):
        assert isinstance(shown, SuperResolvedMap)
        axes = plt.figure().add_subplot(projection=shown)
        image = shown.plot(axes=axes)
        assert image.get_cmap().name == colours
        assert (image.norm.vmin, image.norm.vmax) == limits
        assert axes.get_title() == title
        plt.close()


def test_contours_of_a_result_can_be_drawn(mdi_header):
    """sunpy gives all plot settings to matplotlib's contour, which knows no title."""
    smap = result(mdi_header, FIELD)
    smap.data[5:12, 6:14] = 500.0
    axes = plt.figure().add_subplot(projection=smap)
    smap.plot(axes=axes)
    drawn = smap.draw_contours([250] * u.G, axes=axes)
    (outline,) = drawn.get_paths()
    # Half way between the pixels of the rectangle and those around it: 250 of 30 to 500.
    low, high = outline.vertices.min(axis=0), outline.vertices.max(axis=0)
    np.testing.assert_allclose(low, (5 + 220 / 470, 4 + 220 / 470), atol=1e-6)
    np.testing.assert_allclose(high, (14 - 220 / 470, 12 - 220 / 470), atol=1e-6)
    assert axes.get_title().startswith("HMI-like")
    plt.close()


def test_what_is_made_of_a_result_is_plotted_like_it(mdi_header):
    smap = result(mdi_header, ERROR)
    for made in (smap.submap([2, 2] * u.pix, top_right=[9, 9] * u.pix), smap * 2):
        assert made.plot_settings["cmap"] == "magma"


def test_a_frame_of_mdi_stays_mdis(mdi_header):
    smap = sunpy.map.Map(np.zeros((20, 24)), mdi_header((20, 24)))
    assert type(smap) is MDIMap
