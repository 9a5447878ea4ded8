"""Geometry on the sphere against sunpy's transformations; heliographic (CEA) Maps."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.coordinates import SkyCoord
from sunpy.coordinates import HeliographicStonyhurst, Helioprojective

from sunpy_superres.maps.geometry import (
    heliocentric_mu,
    is_helioprojective,
    measure_foreshortening,
    on_disk_mask,
    plate_scale,
)

SHAPE = (20, 24)


@pytest.fixture(params=["CRLN", "HGLN"])
def cea_header(request, mdi_header):
    """``cea_header(shape, longitude, latitude)``: heliographic patch on 0.12 deg pixels."""

    def make(shape=SHAPE, longitude=0.0, latitude=10.0, **changes):
        kind = request.param
        header = mdi_header(
            shape,
            ctype1=f"{kind}-CEA",
            ctype2=f"{kind[:2]}LT-CEA",
            cunit1="deg",
            cunit2="deg",
            cdelt1=0.12,
            cdelt2=0.12,
            crpix1=(shape[1] + 1) / 2,
            crpix2=(shape[0] + 1) / 2,
            crval2=latitude,
            r_sun=None,
            x0=None,
            y0=None,
            crop_rad=None,
            wcsname=None,
        )
        if kind == "HGLN":
            header |= {"hgln_obs": 20.0, "hglt_obs": header.pop("crlt_obs")}
            del header["crln_obs"]
        header["crval1"] = longitude + (203.46173095703125 if kind == "CRLN" else 20.0)
        return header | changes

    return make


@pytest.mark.parametrize(("longitude", "latitude"), [(0.0, 10.0), (92.0, 20.0), (-89.0, -15.0)])
def test_disk_of_a_heliographic_map(cea_header, longitude, latitude):
    """Against sunpy's own transformation to the observer's sky."""
    smap = sunpy.map.Map(np.zeros((50, 60)), cea_header((50, 60), longitude, latitude))
    assert not is_helioprojective(smap)
    y, x = np.mgrid[:50:3, :60:3]
    surface = smap.pixel_to_world(x * u.pix, y * u.pix)
    seen = surface.transform_to(
        sunpy.coordinates.Helioprojective(
            observer=smap.observer_coordinate, obstime=smap.date, rsun=smap.rsun_meters
        )
    ).is_visible(tolerance=1 * u.m)
    mask = on_disk_mask(smap)[::3, ::3]
    if longitude:
        assert 0.1 < mask.mean() < 0.9
    else:
        assert mask.all()
    assert (mask != seen).sum() <= 1  # a pixel on the very limb may go either way


def angle_at_the_sun(points, smap):
    """Cosine of the angle between points and the observer, seen from the Sun's centre."""
    frame = HeliographicStonyhurst(obstime=smap.date)
    directions = [SkyCoord(p).transform_to(frame) for p in (points, smap.observer_coordinate)]
    surface, observer = (d.cartesian.xyz / d.cartesian.norm() for d in directions)
    return np.einsum("i...,i->...", surface, observer)


@pytest.mark.parametrize("roll", [0.0, 40.0])
def test_mu_agrees_with_sunpy(mdi_header, roll):
    header = mdi_header(crota2=roll)
    smap = sunpy.map.Map(np.broadcast_to(np.float32(0), (1024, 1024)), header)
    x, y = np.array([512, 700, 300, 850, 512]), np.array([512, 600, 200, 700, 990])
    points = smap.pixel_to_world(x * u.pix, y * u.pix).make_3d()
    mu = heliocentric_mu(smap)
    np.testing.assert_allclose(mu[y, x], angle_at_the_sun(points, smap), atol=1e-3)
    assert np.isnan(mu[0, 0])


def test_mu_of_a_heliographic_map_agrees_with_sunpy(cea_header):
    smap = sunpy.map.Map(np.zeros((50, 60)), cea_header((50, 60), 45.0, -20.0))
    y, x = np.mgrid[:50:7, :60:7]
    points = smap.pixel_to_world(x * u.pix, y * u.pix)
    mu = heliocentric_mu(smap)[::7, ::7]
    np.testing.assert_allclose(mu, angle_at_the_sun(points, smap), atol=1e-3)


@pytest.mark.parametrize(("longitude", "latitude"), [(0.0, 5.0), (40.0, -25.0), (-62.0, 18.0)])
def test_sky_lengths_of_a_heliographic_map_agree_with_sunpy(cea_header, longitude, latitude):
    """Both sides of pixels, transformed to the plane of the sky by sunpy."""
    smap = sunpy.map.Map(np.zeros((50, 60)), cea_header((50, 60), longitude, latitude))
    x, y = np.array([3.0, 30.0, 55.0]), np.array([40.0, 25.0, 4.0])
    lengths = measure_foreshortening(smap, x, y)
    assert lengths.shape == (2, 3)
    for side, (dx, dy) in enumerate([(0.5, 0.0), (0.0, 0.5)]):
        ends = [
            smap.pixel_to_world((x + s * dx) * u.pix, (y + s * dy) * u.pix).transform_to(
                Helioprojective(observer=smap.observer_coordinate, obstime=smap.date)
            )
            for s in (-1, 1)
        ]
        seen = ends[0].separation(ends[1]).to_value("arcsec")
        expected = seen / plate_scale(smap)[side].to_value("arcsec/pix")
        # The line of sight is not that to the Sun's centre: a quarter of a degree.
        np.testing.assert_allclose(lengths[side], expected, rtol=0, atol=6e-3)


def test_sky_lengths_of_a_helioprojective_map_are_one(mdi_header):
    smap = sunpy.map.Map(np.zeros(SHAPE), mdi_header(SHAPE))
    np.testing.assert_array_equal(measure_foreshortening(smap, np.arange(3), 1.0), np.ones((2, 3)))


def test_plate_scale_of_a_heliographic_map_is_that_of_disk_centre(cea_header):
    smap = sunpy.map.Map(np.zeros(SHAPE), cea_header())
    # 0.12 degrees of the photosphere, from its own distance.
    expected = np.degrees(np.radians(0.12) * 6.96e8 / (147937426993.65381 - 6.96e8)) * 3600
    assert plate_scale(smap).to_value("arcsec/pix") == pytest.approx([expected] * 2)
    assert 1.9 < expected < 2.1
