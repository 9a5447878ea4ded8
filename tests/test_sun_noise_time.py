"""The noise that lives on the Sun, as time goes on: it turns with the surface, and is renewed."""

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st
from noise_tools import (
    CARRINGTON,
    assert_unit_variance,
    assert_white,
    blank,
    carry,
    draw,
    fine_grid,
    make_header,
    places_later,
    shared_correlation,
)
from sunpy.sun.models import differential_rotation

from sunpy_superres.maps.grid import Grid
from sunpy_superres.sampling.sun_noise import SunNoise


@pytest.fixture(scope="module")
def header():
    """``header(shape, corner=(x, y), **changes)``: see `make_header`."""
    return make_header


def later(smap, time):
    """The frame in which the middle of a frame is seen a time later, with the observer's motion."""
    longitude = smap.carrington_longitude + (0.9856 * u.deg / u.day - CARRINGTON) * time
    meta = dict(smap.meta, crln_obs=longitude.to_value(u.deg) % 360)
    meta["date-obs"] = (smap.date + time).utc.isot
    other = blank(meta, smap.data.shape)
    middle = (np.array(smap.data.shape[::-1]) - 1) / 2
    x, y = carry(smap, other, *middle)
    meta["crpix1"] += middle[0] - x
    meta["crpix2"] += middle[1] - y
    return blank(meta, smap.data.shape)


def epoch_weights(smap, lifetime=1.0):
    """Weights of the epochs at a Map's time, by their number."""
    days = (smap.date - Time("1996-01-01T00:00:00", scale="tai")).to_value(u.day) / lifetime
    number, phase = int(days // 1), days % 1
    return {number: np.cos(np.pi / 2 * phase), number + 1: np.sin(np.pi / 2 * phase)}


#: Between two epochs' beginnings, which are at midnight TAI: noon, and a quarter to.
TIMES = ["2003-10-28T00:00:00", "2003-10-28T06:00:00", "2003-10-28T12:00:00"]


@pytest.mark.parametrize("time", [96 * u.min, 12 * u.hour, 24 * u.hour])
@pytest.mark.parametrize("start", TIMES)
def test_carried_by_rotation(header, start, time):
    """The noise fades as the lifetime says, and turns with the surface meanwhile."""
    meta = header((44, 44), (380, 600), **{"date-obs": start, "t_obs": None, "t_rec": None})
    smap = blank(meta, (44, 44))
    other = later(smap, time)
    before, after = epoch_weights(smap), epoch_weights(other)
    expected = sum(before[n] * after[n] for n in before.keys() & after)
    if time < 2 * u.hour:
        assert expected == pytest.approx(np.cos(np.pi / 2 * 96 / 1440), abs=2e-3)
    ratio, error = shared_correlation(draw(smap), draw(other), *places_later(smap, other))
    assert ratio == pytest.approx(expected, abs=5 * error + 0.03 * expected)


def test_a_longer_lifetime(header):
    meta = header((44, 44), (380, 600), **{"date-obs": TIMES[1], "t_obs": None, "t_rec": None})
    smap = blank(meta, (44, 44))
    other = later(smap, 12 * u.hour)
    options = {"lifetime": 60 * u.hour}
    before, after = (epoch_weights(m, 2.5) for m in (smap, other))
    expected = sum(before[n] * after[n] for n in before.keys() & after)
    assert expected > 0.9
    a, b = draw(smap, **options), draw(other, **options)
    ratio, error = shared_correlation(a, b, *places_later(smap, other))
    assert ratio == pytest.approx(expected, abs=5 * error + 0.03 * expected)


def test_never_renewed(header):
    """On the equator, where the surface is not sheared: the same cells two years later."""
    meta = header((44, 44), (490, 490), crlt_obs=0.0, t_obs=None, t_rec=None)
    smap = blank(meta, (44, 44))
    years = 2 * 365.25 * u.day
    rate = differential_rotation(1 * u.day, 0 * u.deg) / u.day - CARRINGTON
    meta["crln_obs"] = (meta["crln_obs"] + (rate * years).to_value(u.deg)) % 360
    meta["date-obs"] = (smap.date + years).utc.isot
    other = blank(meta, (44, 44))
    places = places_later(smap, other)
    ratio, error = shared_correlation(*(draw(m, lifetime=None) for m in (smap, other)), *places)
    assert ratio == pytest.approx(1, abs=5 * error + 0.03)
    ratio, error = shared_correlation(*(draw(m) for m in (smap, other)), *places)
    assert abs(ratio) < 5 * error


@given(days=st.floats(-2000, 10000), lifetime=st.floats(0.01, 100))
def test_squares_of_the_weights_add_up_to_one(header, days, lifetime):
    meta = header((16, 16))
    meta["date-obs"] = (Time("1996-01-01T00:00:00") + days * u.day).isot
    meta = {k: v for k, v in meta.items() if k not in ("t_obs", "t_rec")}
    smap = blank(meta, (16, 16))
    noise = SunNoise(Grid(smap), 0, lifetime * u.day)
    first, second = noise._epochs
    assert first.weight**2 + second.weight**2 == pytest.approx(1)
    assert second.number == first.number + 1
    # How far the first epoch has come, in lifetimes.
    phase = np.arccos(np.clip(first.weight, -1, 1)) * 2 / np.pi
    since = (smap.date - Time("1996-01-01T00:00:00", scale="tai")).to_value(u.day)
    assert first.number + phase == pytest.approx(since / lifetime, abs=1e-6)


@pytest.mark.parametrize("start", [*TIMES, "1995-12-02T18:00:00"])
def test_white_at_any_time(header, start):
    meta = header((40, 40), **{"date-obs": start, "t_obs": None, "t_rec": None})
    noise = SunNoise(fine_grid(blank(meta, (40, 40))), 3)
    images = np.stack([noise.draw(member) for member in range(6)])
    assert_unit_variance(images)
    assert_white(images)


def test_an_epoch_s_end_does_not_show(header):
    """A second before and after midnight TAI: nearly the same noise, from other epochs."""
    frames = []
    for time in ("2003-10-27T23:59:27", "2003-10-27T23:59:29"):
        meta = header((40, 40), **{"date-obs": time, "t_obs": None, "t_rec": None})
        frames.append(blank(meta, (40, 40)))
    assert not epoch_weights(frames[0]).keys() >= epoch_weights(frames[1]).keys()
    a, b = (draw(smap) for smap in frames)
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.99
