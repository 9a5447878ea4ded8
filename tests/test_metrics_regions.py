"""Active regions, bipoles and inversion lines of fields whose answer is known."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from hypothesis import given
from hypothesis import strategies as st
from sunpy.coordinates import frames

from sunpy_superres import metrics
from sunpy_superres.maps.geometry import pixel_area

RADIUS = 695.7


@pytest.fixture(scope="module")
def disk_map():
    """``disk_map(function, shape, center, scale)``: a field by heliographic position."""

    def make(function, shape=(400, 400), center=(0.0, 0.0), scale=1.0, tilt=0.0):
        header = {
            "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec",
            "cdelt1": scale, "cdelt2": scale, "crval1": center[0], "crval2": center[1],
            "crpix1": (shape[1] + 1) / 2, "crpix2": (shape[0] + 1) / 2,
            "date-obs": "2010-08-30T17:36:00", "dsun_obs": 1.495978707e11, "hgln_obs": 0.0,
            "hglt_obs": tilt, "rsun_ref": RADIUS * 1e6, "bunit": "Gauss", "camera": "MDI",
            "telescop": "SOHO",
        }  # fmt: skip
        blank = sunpy.map.Map(np.zeros(shape), header)
        x, y = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
        where = blank.wcs.pixel_to_world(x, y).transform_to(frames.HeliographicStonyhurst)
        data = function(where.lon.to_value(u.deg), where.lat.to_value(u.deg))
        return sunpy.map.Map(np.nan_to_num(data), header)

    return make


def spots(*which):
    """Sum of Gaussian spots (peak in G, longitude, latitude, width in degrees)."""

    def field(lon, lat):
        total = 0.0
        for peak, x, y, width in which:
            squared = ((lon - x) * np.cos(np.radians(y))) ** 2 + (lat - y) ** 2
            total = total + peak * np.exp(-squared / (2 * width**2))
        return total

    return field


@pytest.mark.parametrize("method", ["smoothed", "pixels"])
def test_two_regions_are_found_where_they_are(disk_map, method):
    smap = disk_map(
        spots((900, -15, 12, 1.2), (-900, -11, 12, 1.2), (700, 12, -14, 1.0)),
        (500, 600), scale=1.5, tilt=4.0,
    )  # fmt: skip
    found = metrics.active_regions(smap, method=method)
    assert len(found) == 2
    table = found.table
    assert table["latitude"].to_value(u.deg) == pytest.approx([12, -14], abs=0.1)
    assert table["longitude"].to_value(u.deg) == pytest.approx([-13, 12], abs=0.1)
    assert table["peak"].to_value(u.G) == pytest.approx([900, 700], rel=0.02)
    assert table["area"][0] > table["area"][1]
    # 2 pi sigma^2 B for each spot, less its faint outskirts.
    sigma = np.radians(1.0) * RADIUS
    assert table["unsigned_flux"][1].value == pytest.approx(700 * 2e16 * np.pi * sigma**2, rel=0.2)
    assert abs(table["net_flux"][0]) < 0.02 * table["unsigned_flux"][0]
    assert found.area == table["area"].sum()
    labelled = pixel_area(smap).to_value(u.Mm**2)[found.labels == 2].sum()
    assert table["area"][1].to_value(u.Mm**2) == pytest.approx(labelled, rel=1e-4)
    hemisphere = 2 * np.pi * RADIUS**2
    np.testing.assert_allclose(table["msh"], table["area"].value / hemisphere * 1e6, rtol=1e-6)


def test_area_of_a_disk_of_strong_field(disk_map):
    """A cap of 4 deg radius, counted by its pixels."""
    smap = disk_map(
        lambda lon, lat: np.where(
            np.sin(np.radians(lat)) * np.sin(np.radians(20))
            + np.cos(np.radians(lat)) * np.cos(np.radians(20)) * np.cos(np.radians(lon - 25))
            > np.cos(np.radians(4)),
            500.0,
            0.0,
        ),
        (900, 900), scale=1.0,
    )  # fmt: skip
    cap = 2 * np.pi * RADIUS**2 * (1 - np.cos(np.radians(4)))
    found = metrics.active_regions(smap, method="pixels")
    assert found.area.to_value(u.Mm**2) == pytest.approx(cap, rel=0.01)


def test_small_weak_and_distant_regions_are_left_out(disk_map):
    smap = disk_map(
        spots((900, 0, 10, 1.2), (900, 20, 10, 0.15), (60, -20, 10, 2.0), (900, 66, 0, 2.0)),
        (1000, 1000), scale=2.0,
    )  # fmt: skip
    assert len(metrics.active_regions(smap)) == 2
    assert len(metrics.active_regions(smap, max_angle=60 * u.deg)) == 1
    assert len(metrics.active_regions(smap, threshold=30 * u.G)) == 3
    small = metrics.active_regions(smap, minimum_area=5 * u.Mm**2, method="pixels")
    assert len(small) == 3
    quiet = metrics.active_regions(smap, threshold=5000 * u.G)
    assert len(quiet) == 0
    assert quiet.area == 0 * u.Mm**2
    assert not quiet.mask.any()


def test_patches_closer_than_the_gap_are_one(disk_map):
    """Two patches with 20 Mm between their edges."""
    smap = disk_map(spots((900, -2.0, 0, 0.8), (900, 2.0, 0, 0.8)), (300, 300))
    options = {"method": "pixels", "threshold": 400 * u.G, "minimum_area": 100 * u.Mm**2}
    assert len(metrics.active_regions(smap, grouping=8 * u.Mm, **options)) == 2
    assert len(metrics.active_regions(smap, grouping=50 * u.Mm, **options)) == 1


def test_overlap_of_half_shifted_regions(disk_map):
    """Two equal caps, one of them displaced: areas by counting on the sphere."""
    first = disk_map(spots((800, 0, 0, 1.5)))
    second = disk_map(spots((800, 1.5, 0, 1.5)))
    options = {"method": "pixels", "threshold": 200 * u.G}
    a, b = (metrics.active_regions(m, **options).mask for m in (first, second))
    area = pixel_area(first).value
    common, either = area[a & b].sum(), area[a | b].sum()
    assert 0.1 < common / either < 0.9
    jaccard = metrics.jaccard(first, second, **options)
    assert jaccard == pytest.approx(common / either, rel=1e-4)
    assert metrics.dice(first, second, **options) == pytest.approx(
        2 * jaccard / (1 + jaccard), rel=1e-6
    )
    assert metrics.jaccard(first, first) == 1
    assert np.isnan(metrics.dice(first, first, threshold=5e3 * u.G))


def test_a_wide_smoothing_of_a_small_map_finds_what_is_there(disk_map):
    smap = disk_map(spots((900, 0, 0, 1.2)), (100, 100))
    assert len(metrics.active_regions(smap, smoothing=500 * u.Mm)) == 1


def test_wrong_options_are_refused(disk_map):
    smap = disk_map(spots((900, 0, 0, 1.2)), (100, 100))
    with pytest.raises(ValueError, match="method"):
        metrics.active_regions(smap, method="watershed")
    with pytest.raises(ValueError, match="threshold"):
        metrics.active_regions(smap, threshold=3 * u.Mm)
    with pytest.raises(ValueError, match="threshold"):
        metrics.active_regions(smap, threshold=100)
    with pytest.raises(ValueError, match="smoothing"):
        metrics.active_regions(smap, smoothing=np.inf * u.Mm)
    with pytest.raises(ValueError, match="threshold"):
        metrics.bipole(smap, threshold=[1, 2] * u.G)
    with pytest.raises(ValueError, match="negative field"):
        metrics.bipole(smap)


@given(
    tilt=st.floats(-60, 60),
    north=st.booleans(),
    longitude=st.floats(-40, 40),
    sign=st.sampled_from([-1, 1]),
)
def test_tilt_and_separation_of_a_bipole(disk_map, tilt, north, longitude, sign):
    """Poles 8 deg apart; Joy's law: the leading one nearer to the equator is positive."""
    latitude = 18.0 if north else -18.0
    half = 4.0
    toward = -1 if north else 1  # of the equator, for the leading polarity
    y = half * np.sin(np.radians(tilt)) * toward
    x = half * np.cos(np.radians(tilt)) / np.cos(np.radians(latitude))
    lead, follow = (longitude + x, latitude + y), (longitude - x, latitude - y)
    smap = disk_map(
        spots((sign * 1000, *lead, 0.6), (-sign * 1000, *follow, 0.6)),
        (300, 300), (0.0, 0.0), 6.0, 5.0,
    )  # fmt: skip
    found = metrics.bipole(smap)
    assert found.leading_sign == sign
    assert found.tilt.to_value(u.deg) == pytest.approx(tilt, abs=1.5)
    assert found.separation.to_value(u.Mm) == pytest.approx(2 * np.radians(half) * RADIUS, rel=0.02)
    poles = (found.positive, found.negative)[::sign]
    np.testing.assert_allclose(poles[0].to_value(u.deg), lead, atol=0.3)


def straight(gradient):
    """A field that changes sign across a meridian, within 5 deg of latitude."""

    def field(lon, lat):
        return np.where(np.abs(lat) < 5, np.clip(gradient * lon, -1000, 1000), 0.0)

    return field


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_length_of_a_straight_inversion_line(disk_map, scale):
    """10 deg of a meridian, whatever the plate scale."""
    size = int(300 / scale)
    found = metrics.polarity_inversion_line(disk_map(straight(4000), (size, size), (0, 0), scale))
    length = np.radians(10) * RADIUS
    assert found.length.to_value(u.Mm) == pytest.approx(length, rel=0.04)
    assert len(found.lines) == 1
    assert found.lines[0][:, 0] == pytest.approx((size - 1) / 2, abs=0.2)
    assert found.mask.any(axis=1).sum() == pytest.approx(length / (0.725 * scale), rel=0.06)


def test_length_is_deprojected(disk_map):
    """The same line turned to 40 deg of longitude, along the equator this time."""

    def field(lon, lat):
        return np.where(np.abs(lon - 40) < 5, np.clip(4000 * lat, -1000, 1000), 0.0)

    found = metrics.polarity_inversion_line(disk_map(field, (400, 400), (620, 0), 0.75))
    assert found.length.to_value(u.Mm) == pytest.approx(np.radians(10) * RADIUS, rel=0.04)


def test_a_weak_or_gentle_change_of_sign_is_no_line(disk_map):
    found = metrics.polarity_inversion_line(disk_map(straight(30)))
    assert not found.mask.any()
    assert found.length == 0 * u.Mm
    assert found.r_value == 0 * u.Mx
    assert found.lines == []


def test_r_is_the_flux_under_the_smeared_strip(disk_map):
    """By brute force on the whole image: bitmaps, dilation, Gaussian, sum."""
    from scipy import ndimage

    smap = disk_map(
        spots((2500, -1.2, 3, 0.9), (-2500, 1.2, 3, 0.9), (1800, -8, -9, 1), (-1800, -6, -9, 1)),
        (500, 500), scale=1.0,
    )  # fmt: skip
    pixel = np.radians(1 / 3600) * (149597.8707 - RADIUS)
    reach = 1.5 / pixel + 0.5
    rows, columns = np.mgrid[-4:5, -4:5]
    disc = np.hypot(rows, columns) <= reach
    strip = ndimage.binary_dilation(smap.data > 150, disc) & ndimage.binary_dilation(
        smap.data < -150, disc
    )
    sigma = 15 / np.sqrt(8 * np.log(2)) / pixel
    weight = ndimage.gaussian_filter(strip.astype(float), sigma, mode="constant", truncate=3)
    expected = (np.abs(smap.data) * weight * pixel_area(smap).value).sum() * 1e16
    found = metrics.polarity_inversion_line(smap)
    np.testing.assert_array_equal(found.mask, strip)
    assert len(found.lines) == 2
    assert found.r_value.to_value(u.Mx) == pytest.approx(expected, rel=2e-3)


def test_on_mdi_pixels_the_strip_is_that_of_schrijver(disk_map):
    """3 x 3 pixels, as published."""
    from scipy import ndimage

    smap = disk_map(spots((2500, -1.2, 3, 0.9), (-2500, 1.2, 3, 0.9)), (250, 250), scale=1.98)
    square = np.ones((3, 3))
    strip = ndimage.binary_dilation(smap.data > 150, square) & ndimage.binary_dilation(
        smap.data < -150, square
    )
    assert strip.any()
    np.testing.assert_array_equal(metrics.polarity_inversion_line(smap).mask, strip)


@pytest.mark.parametrize("scale", [0.5, 1.98])
@pytest.mark.parametrize("angle", [0, 15, 30, 45])
def test_length_does_not_depend_on_the_direction(disk_map, scale, angle):
    """A front of 100 Mm that crosses the pixels at an angle, in one piece."""
    half = np.degrees(50 / RADIUS)
    turn = np.radians(angle)

    def field(lon, lat):
        across = lon * np.cos(turn) + lat * np.sin(turn)
        along = lat * np.cos(turn) - lon * np.sin(turn)
        return np.where(np.abs(along) < half, 800 * np.tanh(across / 0.15), 0.0)

    size = int(260 / scale)
    found = metrics.polarity_inversion_line(disk_map(field, (size, size), scale=scale))
    assert len(found.lines) == 1
    assert found.length.to_value(u.Mm) == pytest.approx(100, rel=0.06)


def test_lines_of_the_opposite_polarity_are_the_same(disk_map):
    smap = disk_map(spots((2500, -1.2, 3, 0.9), (-2500, 1.2, 3, 0.9)))
    one = metrics.polarity_inversion_line(smap)
    two = metrics.polarity_inversion_line(sunpy.map.Map(-smap.data, smap.meta))
    assert two.length.value == pytest.approx(one.length.value, rel=1e-6)
    assert two.r_value.value == pytest.approx(one.r_value.value, rel=1e-6)
