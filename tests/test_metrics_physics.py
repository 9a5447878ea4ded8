"""Areas, fluxes, regions and inversion lines against geometry done by hand."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from sunpy.coordinates import frames

from sunpy_superres import metrics
from sunpy_superres.maps.geometry import heliocentric_mu, pixel_area, sphere_vectors

RADIUS = 695.7  # Mm


@pytest.fixture(scope="module")
def grid():
    """``grid(shape, center, scale, **cards)``: header of a helioprojective map, in arcsec."""

    def make(shape, center=(0.0, 0.0), scale=2.0, tilt=0.0, roll=0.0, **cards):
        distance = cards.pop("distance", 1.0)
        return {
            "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec",
            "cdelt1": scale, "cdelt2": scale, "crota2": roll, "crval1": center[0],
            "crval2": center[1], "crpix1": (shape[1] + 1) / 2, "crpix2": (shape[0] + 1) / 2,
            "date-obs": "2010-08-30T17:36:00", "dsun_obs": distance * 1.495978707e11,
            "hgln_obs": 0.0, "hglt_obs": tilt, "rsun_ref": RADIUS * 1e6, "bunit": "Gauss",
            "camera": "MDI", "telescop": "SOHO",
        } | cards  # fmt: skip

    return make


def heliographic(smap, function):
    """A Map with ``function(longitude, latitude)`` in degrees, by sunpy's coordinates."""
    x, y = np.meshgrid(*(np.arange(n) for n in smap.data.shape[::-1]))
    where = smap.wcs.pixel_to_world(x, y).transform_to(frames.HeliographicStonyhurst)
    data = function(where.lon.to_value(u.deg), where.lat.to_value(u.deg))
    return sunpy.map.Map(np.nan_to_num(data), smap.meta)


def test_positions_are_those_of_sunpy(grid):
    smap = sunpy.map.Map(np.zeros((40, 50)), grid((40, 50), (600, -350), tilt=6.0, roll=25.0))
    x, y = np.array([3.0, 20.5, 44.0]), np.array([5.0, 33.2, 0.0])
    where = smap.wcs.pixel_to_world(x, y).transform_to(
        frames.Heliocentric(observer=smap.observer_coordinate)
    )
    expected = [getattr(where, axis).to_value(u.Mm) / RADIUS for axis in "xyz"]
    np.testing.assert_allclose(sphere_vectors(smap, x, y), expected, atol=2e-6)


def test_heliographic_positions_are_those_of_sunpy(grid):
    header = grid((30, 40), scale=0.2, tilt=6.0) | {
        "ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "deg", "cunit2": "deg",
        "crval1": 130.0, "crval2": 12.0, "crln_obs": 110.0, "crlt_obs": 6.0,
    }  # fmt: skip
    for name in ("hgln_obs", "hglt_obs"):
        del header[name]
    smap = sunpy.map.Map(np.zeros((30, 40)), header)
    x, y = np.array([3.0, 20.5, 39.0]), np.array([5.0, 13.2, 29.0])
    where = smap.wcs.pixel_to_world(x, y)
    vectors = sphere_vectors(smap, x, y)
    north = np.sin(where.lat) * np.cos(6 * u.deg) - np.cos(where.lat) * np.cos(
        where.lon - 110 * u.deg
    ) * np.sin(6 * u.deg)
    west = np.cos(where.lat) * np.sin(where.lon - 110 * u.deg)
    np.testing.assert_allclose(vectors[0], west, atol=1e-9)
    np.testing.assert_allclose(vectors[1], north, atol=1e-9)
    np.testing.assert_allclose(
        vectors[2], heliocentric_mu(smap)[[5, 13, 29], [3, 20, 39]], atol=2e-2
    )
    np.testing.assert_allclose((vectors**2).sum(axis=0), 1)


@pytest.mark.parametrize("angle", [0, 30, 60])
@pytest.mark.parametrize("distance", [1.0, 0.98])
def test_area_of_a_pixel_at_a_known_angle(grid, angle, distance):
    """Plate scale times distance of the point, over the cosine at which it is seen."""
    d = distance * 149597.8707 / RADIUS
    theta = np.radians(angle)
    rho = np.arctan2(np.sin(theta), d - np.cos(theta))
    path = np.sin(theta) / np.sin(rho) if angle else d - 1
    side = np.radians(2 / 3600) * path * RADIUS
    expected = side**2 / np.cos(theta + rho)
    center = (np.degrees(rho) * 3600, 0.0)
    smap = sunpy.map.Map(np.zeros((3, 3)), grid((3, 3), center, distance=distance))
    assert pixel_area(smap)[1, 1].to_value(u.Mm**2) == pytest.approx(expected, rel=2e-5)


def test_the_visible_cap_has_the_right_area(grid):
    """2 pi R^2 (1 - R / D) in all."""
    smap = sunpy.map.Map(np.zeros((500, 500)), grid((500, 500), scale=4.0))
    d = 149597.8707 / RADIUS
    inside = heliocentric_mu(smap) > 0.25
    cap = 2 * np.pi * RADIUS**2 * (1 - 0.25)
    assert pixel_area(smap)[inside].sum().value == pytest.approx(cap, rel=2e-3)
    assert np.nansum(pixel_area(smap).value) == pytest.approx(
        2 * np.pi * RADIUS**2 * (1 - 1 / d), rel=0.02
    )


def test_area_of_a_heliographic_pixel(grid):
    header = grid((20, 20), scale=0.03) | {
        "ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "deg", "cunit2": "deg",
        "crval1": 110.0, "crval2": 0.0, "crln_obs": 110.0, "crlt_obs": 6.0,
    }  # fmt: skip
    del header["hgln_obs"], header["hglt_obs"]
    area = pixel_area(sunpy.map.Map(np.zeros((20, 20)), header)).to_value(u.Mm**2)
    np.testing.assert_allclose(area, (np.radians(0.03) * RADIUS) ** 2, rtol=1e-5)
    plate = dict(header, ctype1="CRLN-CAR", ctype2="CRLT-CAR", crpix2=10.5 - 40 / 0.03)
    area = pixel_area(sunpy.map.Map(np.zeros((20, 20)), plate)).to_value(u.Mm**2)
    np.testing.assert_allclose(
        area[10], np.cos(np.radians(40.015)) * (np.radians(0.03) * RADIUS) ** 2, rtol=1e-3
    )


@pytest.mark.parametrize("longitude", [0, 45])
def test_flux_of_a_uniform_patch(grid, longitude):
    """300 G in a cap of 5 deg radius: the same flux wherever on the disk it lies."""
    center = SkyCoord(longitude * u.deg, 10 * u.deg, frame=frames.HeliographicStonyhurst,
                      obstime="2010-08-30T17:36:00")  # fmt: skip
    blank = sunpy.map.Map(np.zeros((1000, 1000)), grid((1000, 1000), scale=2.0, tilt=5.0))

    def patch(lon, lat):
        other = SkyCoord(lon * u.deg, lat * u.deg, frame=center.frame)
        return np.where(center.separation(other) < 5 * u.deg, -300.0, 0.0)

    smap = heliographic(blank, patch)
    expected = 300 * 2 * np.pi * RADIUS**2 * (1 - np.cos(np.radians(5))) * 1e16
    assert metrics.unsigned_flux(smap).to_value(u.Mx) == pytest.approx(expected, rel=5e-3)
    assert metrics.net_flux(smap).to_value(u.Mx) == pytest.approx(-expected, rel=5e-3)
    np.testing.assert_allclose(metrics.signed_flux(smap).to_value(u.Mx), [0, -expected], rtol=5e-3)


def test_radial_flux_undoes_the_projection(grid):
    """A radial field of 100 G everywhere, seen along the line of sight."""
    blank = sunpy.map.Map(np.zeros((600, 600)), grid((600, 600), scale=4.0))
    mu = heliocentric_mu(blank)
    smap = sunpy.map.Map(np.nan_to_num(100 * mu), blank.meta)
    cap = 2 * np.pi * RADIUS**2 * (1 - np.cos(np.radians(60))) * 1e16
    found = metrics.unsigned_flux(smap, radial=True, max_angle=60 * u.deg)
    assert found.to_value(u.Mx) == pytest.approx(100 * cap, rel=8e-3)
    # The line of sight sees the cosine of it: its mean over the cap is 3/4.
    seen = metrics.unsigned_flux(smap, max_angle=60 * u.deg)
    assert seen.to_value(u.Mx) == pytest.approx(75 * cap, rel=5e-3)
    limit = metrics.unsigned_flux(smap, radial=True)
    assert limit == metrics.unsigned_flux(smap, radial=True, max_angle=70 * u.deg)


def test_flux_survives_a_rotated_and_finer_grid(grid):
    """The same field on pixels of another size, in an image rolled by 33 degrees."""

    def field(lon, lat):
        spots = ((400, 20, 12, 3.0), (-350, 27, 14, 3.5))
        return sum(a * np.exp(-((lon - x) ** 2 + (lat - y) ** 2) / w**2) for a, x, y, w in spots)

    one = sunpy.map.Map(np.zeros((300, 300)), grid((300, 300), (380, 220), 2.0))
    two = sunpy.map.Map(np.zeros((700, 700)), grid((700, 700), (380, 220), 1.1, roll=33.0))
    first, second = heliographic(one, field), heliographic(two, field)
    for name in ("unsigned_flux", "net_flux"):
        a, b = (getattr(metrics, name)(m).value for m in (first, second))
        assert a == pytest.approx(b, rel=5e-3), name


@given(st.integers(5, 35), st.booleans())
def test_parts_add_up_and_polarity_flips(grid, cut, vertical):
    rng = np.random.default_rng(cut)
    smap = sunpy.map.Map(rng.normal(0, 100, (40, 40)), grid((40, 40), (300, 200)))
    first = np.zeros((40, 40), bool)
    first[(slice(None), slice(cut)) if vertical else (slice(cut), slice(None))] = True
    for function in (metrics.unsigned_flux, metrics.net_flux):
        parts = function(smap, region=first) + function(smap, region=~first)
        assert parts.value == pytest.approx(function(smap).value, rel=1e-4)
    negative = sunpy.map.Map(-smap.data, smap.meta)
    assert metrics.net_flux(negative) == -metrics.net_flux(smap)
    assert metrics.unsigned_flux(negative) == metrics.unsigned_flux(smap)
    np.testing.assert_array_equal(
        metrics.signed_flux(negative).value, -metrics.signed_flux(smap).value[::-1]
    )


def test_a_roll_by_half_a_turn_changes_no_flux(grid, bipole):
    data = bipole((60, 60))
    smap = sunpy.map.Map(data, grid((60, 60), (500, 100)))
    rolled = sunpy.map.Map(data[::-1, ::-1].copy(), dict(smap.meta, crota2=180.0))
    assert metrics.unsigned_flux(rolled).value == pytest.approx(
        metrics.unsigned_flux(smap).value, rel=1e-5
    )


def test_the_centre_of_flux_shifts(grid, bipole):
    data = np.abs(bipole((80, 80), noise=0.0))
    smap = sunpy.map.Map(data, grid((80, 80)))
    moved = sunpy.map.Map(np.roll(data, (2, -3), (0, 1)), smap.meta)
    shift = metrics.flux_centre_shift(moved, smap, threshold=1 * u.G)
    np.testing.assert_allclose(shift.to_value(u.arcsec), [-6, 4], atol=1e-3)
    with pytest.raises(ValueError, match="threshold"):
        metrics.flux_centre_shift(moved, smap, threshold=1e4 * u.G)


def test_wrong_angles_are_refused(grid):
    smap = sunpy.map.Map(np.ones((20, 20)), grid((20, 20)))
    with pytest.raises(ValueError, match="max_angle"):
        metrics.unsigned_flux(smap, max_angle=120 * u.deg)
    with pytest.raises(ValueError, match="max_angle"):
        metrics.unsigned_flux(smap, max_angle=3 * u.m)
    limb = sunpy.map.Map(np.ones((20, 20)), grid((20, 20), (930, 0)))
    with pytest.raises(ValueError, match="larger max_angle"):
        metrics.unsigned_flux(limb, radial=True)


def test_a_map_without_unit_is_taken_for_gauss(grid):
    from sunpy_superres import SuperResWarning

    header = grid((20, 20))
    del header["bunit"]
    with pytest.warns(SuperResWarning, match="BUNIT"):
        flux = metrics.unsigned_flux(sunpy.map.Map(np.ones((20, 20)), header))
    assert flux == metrics.unsigned_flux(sunpy.map.Map(np.ones((20, 20)), grid((20, 20))))
