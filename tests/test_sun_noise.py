"""The noise that lives on the Sun: white in any frame, and the same at the same place."""

from concurrent.futures import ThreadPoolExecutor

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sunpy.coordinates import HeliographicStonyhurst
from sunpy.sun.models import differential_rotation

from sunpy_superres import SuperResWarning, simulate_mdi, super_resolve
from sunpy_superres.maps.geometry import heliocentric_mu, sphere_vectors, to_heliographic
from sunpy_superres.maps.grid import Grid
from sunpy_superres.maps.metadata import rebin_meta
from sunpy_superres.sampling.cells import cell_noise
from sunpy_superres.sampling.sun_noise import SunNoise

#: Carrington's rotation, in which CRLN_OBS counts.
CARRINGTON = 14.1844 * u.deg / u.day


def blank(meta, shape):
    """A Map with this header and no memory."""
    return sunpy.map.Map(np.broadcast_to(np.float32(0), shape), dict(meta))


def fine_grid(smap):
    """The grid of the HMI-like pixels of an MDI Map."""
    shape = tuple(4 * n for n in smap.data.shape)
    return Grid(blank(rebin_meta(smap.meta, shape, 4), shape))


def draw(smap, member=0, seed=7, **options):
    return SunNoise(fine_grid(smap), seed, **options).draw(member)


@pytest.fixture(scope="module")
def header():
    """``header(shape, corner=(x, y), **changes)``: cut-out of a full disk of 1024 x 1024 pixels."""
    from sunpy_superres.maps.examples import _MDI_HEADER

    def make(shape, corner=(500, 560), **changes):
        meta = dict(_MDI_HEADER)
        meta["crpix1"] -= corner[0]
        meta["crpix2"] -= corner[1]
        meta |= changes
        return {name: value for name, value in meta.items() if value is not None}

    return make


@pytest.fixture(scope="module")
def cutout(header):
    """Near disk centre, 52 x 60 MDI pixels."""
    return blank(header((52, 60)), (52, 60))


@pytest.fixture(scope="module")
def members(cutout):
    """Sixteen members, ``(16, 208, 240)``."""
    noise = SunNoise(fine_grid(cutout), 7)
    return np.stack([noise.draw(member) for member in range(16)])


def assert_unit_variance(values):
    """Mean 0 and variance 1, within four and a half of their standard errors."""
    values = values[np.isfinite(values)].astype(float)
    assert abs(values.mean()) < 4.5 / np.sqrt(values.size)
    assert abs((values**2).mean() - 1) < 4.5 * np.sqrt(2 / values.size)


def assert_white(images):
    """
    Flat spectrum, ``(n, ny, nx)``: in rings, in the corners and in blocks of wavenumbers.

    The power at a wavenumber of white noise has mean 1 and standard deviation 1; those of opposite
    wavenumbers are equal.
    """
    power = (np.abs(np.fft.fft2(images)) ** 2).mean(axis=0) / images[0].size
    n = len(images)
    ny, nx = (np.fft.fftfreq(size) for size in power.shape)
    radius = np.hypot(ny[:, None], nx)
    rings = [(radius > low) & (radius <= low + 0.05) for low in np.arange(0, 0.75, 0.05)]
    corners = (np.abs(ny)[:, None] > 0.4) & (np.abs(nx) > 0.4)
    axes = [np.broadcast_to(np.abs(f) < 0.02, power.shape) for f in (ny[:, None], nx)]
    for chosen in [*rings, corners, *axes]:
        count = chosen.sum()
        if count >= 8:
            assert abs(power[chosen].mean() - 1) < 4.5 * np.sqrt(2 / (count * n)), radius[chosen][0]
    # Half of the plane, in blocks: chi-square of their means.
    half = power[1 : power.shape[0] // 2, 1:]
    rows, columns = (size // 8 for size in half.shape)
    blocks = half[: 8 * rows, : 8 * columns].reshape(rows, 8, columns, 8).mean(axis=(1, 3))
    chi_square = ((blocks - 1) ** 2).sum() * 64 * n
    assert 1e-4 < stats.chi2.sf(chi_square, blocks.size) < 1 - 1e-4


def assert_normal(values):
    """Skewness and kurtosis of 0, and the normal distribution to its tails."""
    values = np.ravel(values).astype(float)
    assert abs(stats.skew(values)) < 4.5 * np.sqrt(6 / values.size)
    assert abs(stats.kurtosis(values)) < 4.5 * np.sqrt(24 / values.size)
    assert stats.kstest(values[:: 1 + values.size // 200000], "norm").pvalue > 1e-4
    tail = (np.abs(values) > 4).mean()
    expected = 2 * stats.norm.sf(4)
    assert abs(tail - expected) < 4.5 * np.sqrt(expected / values.size)


def assert_independent(a, b):
    known = np.isfinite(a) & np.isfinite(b)
    assert abs(np.mean(a[known] * b[known], dtype=float)) < 4.5 / np.sqrt(known.sum())


def test_numbers_of_the_cells_are_normal_and_independent():
    keys = np.random.default_rng(0).integers(2**32, size=(2, 200, 1), dtype=np.uint32)
    columns = np.broadcast_to(np.arange(18000, dtype=np.uint32), (200, 18000))
    noise = cell_noise(keys, columns)
    assert_unit_variance(noise)
    assert_normal(noise)
    for a, b in [
        (noise[:, 1:], noise[:, :-1]),
        (noise[1:], noise[:-1]),
        (noise[:, 256:], noise[:, :-256]),
        (noise[:, 1:] ** 2 - 1, noise[:, :-1] ** 2 - 1),
    ]:
        assert abs(np.mean(a * b, dtype=float)) < 4.5 * a.std() * b.std() / np.sqrt(a.size)


def test_neighbouring_keys_give_independent_numbers():
    columns = np.broadcast_to(np.arange(18000, dtype=np.uint32), (100, 18000))
    keys = np.random.default_rng(0).integers(2**32, size=(2, 100, 1), dtype=np.uint32)
    first = cell_noise(keys, columns)
    for change in ([[[1]], [[0]]], [[[0]], [[1]]], [[[0]], [[2**31]]]):
        assert_independent(first, cell_noise(keys ^ np.array(change, np.uint32), columns))


def test_white_normal_and_of_unit_variance(members):
    assert np.isfinite(members).all()
    assert_unit_variance(members)
    assert_white(members)
    assert_normal(members)


def test_smoothed_noise_would_be_found(members):
    """The checks above can fail: a tenth of the neighbour is enough."""
    mixed = (members + 0.1 * np.roll(members, 1, axis=2)) / np.sqrt(1.01)
    assert_unit_variance(mixed)
    with pytest.raises(AssertionError):
        assert_white(mixed)


def embedded():
    from sunpy_superres import load_model

    return load_model("default").network


def built(name):
    from sunpy_superres.models.registry import build, configure

    return build(configure(name, {}))


@pytest.mark.parametrize("name", ["default", "palette", "tiny"])
def test_white_in_the_space_of_the_network(name, members, tiny_network):
    """Each channel, and between channels: at the same pixel and at neighbouring ones."""
    import torch

    network = {"default": embedded, "palette": lambda: built("palette")}.get(
        name, lambda: tiny_network
    )()
    with torch.inference_mode():
        latents = network.project_noise(torch.from_numpy(members)[:, None]).numpy()
    n, channels, ny, nx = latents.shape
    assert (channels, ny, nx) == (network.noise_channels, 52, 60)
    assert_unit_variance(latents)
    assert_normal(latents)
    for channel in range(channels):
        assert_white(latents[:, channel])
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1), (1, -1)):
        a = latents[:, :, : ny - dy, max(0, -dx) : nx - max(0, dx)]
        b = latents[:, :, dy:, max(0, dx) : nx + min(0, dx)]
        found = np.einsum("ncyx,ndyx->cd", a, b, dtype=float) / (a.size / channels)
        expected = np.eye(channels) * ((dy, dx) == (0, 0))
        # The largest of some hundred numbers, of which those on the diagonal vary more.
        error = np.sqrt((1 + expected) * channels / a.size)
        assert np.abs((found - expected) / error).max() < 5


def test_members_and_seeds_are_independent(cutout, members):
    for other in members[1:5]:
        assert_independent(members[0], other)
    # Seeds and members are two numbers: they are not just added.
    for seed in (0, 6, 8, 2**63 - 1):
        assert_independent(members[0], draw(cutout, seed=seed))
        assert_independent(members[1], draw(cutout, seed=seed))


def test_any_order_and_any_number_of_threads(cutout, members):
    noise = SunNoise(fine_grid(cutout), 7)
    backward = [noise.draw(member) for member in (3, 1, 0)]
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(lambda member: draw(cutout, member), (3, 1, 0)))
    for member, *found in zip((3, 1, 0), backward, threaded, strict=True):
        for other in found:
            np.testing.assert_array_equal(other, members[member])


@pytest.fixture(scope="module")
def disk(header):
    """A full disk, and its noise, of a single epoch."""
    smap = blank(header((1024, 1024), corner=(0, 0)), (1024, 1024))
    grid = fine_grid(smap)
    return grid, SunNoise(grid, 7, lifetime=None).draw(0)


@pytest.fixture(scope="module")
def bands(disk):
    """Parts of the disk's noise, from limb to limb, and mu there: a fortieth of all rows each."""
    grid, noise = disk
    rows = [slice(first, first + 100) for first in (90, 900, 2000, 3000, 3910)]
    mu = [heliocentric_mu(grid.map, part) for part in rows]
    return rows, [noise[part] for part in rows], mu


def test_each_pixel_of_the_disk_has_a_number(disk, bands):
    grid, _ = disk
    for rows, noise, mu in zip(*bands, strict=True):
        on_disk = np.isfinite(mu)
        assert 100 < on_disk.sum() < on_disk.size
        assert np.isfinite(noise[on_disk]).all()
        # Cells reach over the limb by no more than a pixel.
        y, x = np.ogrid[rows, : noise.shape[1]]
        radius = np.hypot(x + 1 - grid.map.meta["crpix1"], y + 1 - grid.map.meta["crpix2"])
        limb = grid.map.meta["rsun_obs"] / grid.scale
        assert not np.isfinite(noise[radius > limb + 1.5]).any()


def test_white_from_the_centre_to_the_limb(bands):
    _, noise, mu = (np.concatenate(part) if n else part for n, part in enumerate(bands))
    for low, high in ((0, 0.05), (0.05, 0.1), (0.1, 0.2), (0.2, 0.4), (0.4, 0.7), (0.7, 1)):
        chosen = (mu > low) & (mu <= high)
        assert chosen.sum() > 1000
        assert_unit_variance(noise[chosen])
        beside = np.roll(noise, 1, axis=1)
        assert_independent(np.where(chosen, noise, np.nan), beside)
        above = np.roll(noise, 1, axis=0)
        assert_independent(np.where(chosen, noise, np.nan), above)


@pytest.mark.parametrize(
    "corner",
    [(30, 460), (500, 500), (931, 610), (431, 40)],
    ids=["east", "centre", "west", "south"],
)
def test_a_cutout_has_the_numbers_of_its_disk(disk, corner, header):
    """Bit by bit; also where a cut-out has an odd number of rows, and off the disk none."""
    (nx, ny), (x, y) = (66, 71), corner
    part = draw(blank(header((ny, nx), corner), (ny, nx)), lifetime=None)
    whole = disk[1][4 * y : 4 * (y + ny), 4 * x : 4 * (x + nx)]
    assert np.isfinite(whole).any()
    np.testing.assert_array_equal(part, whole)


def turned(smap, degrees):
    """The same header with the frame rolled about its middle; the pixels' centres turn."""
    ny, nx = smap.data.shape
    middle = np.array([(nx + 1) / 2, (ny + 1) / 2])
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    crpix = np.array([smap.meta["crpix1"], smap.meta["crpix2"]])
    meta = dict(smap.meta, crota2=degrees)
    meta["crpix1"], meta["crpix2"] = np.array([[c, s], [-s, c]]) @ (crpix - middle) + middle
    return blank(meta, (ny, nx))


def test_rolled_by_half_a_turn(cutout, members):
    np.testing.assert_array_equal(draw(turned(cutout, 180.0))[::-1, ::-1], members[0])


def test_saved_and_read_again(cutout, members, tmp_path):
    sunpy.map.Map(np.zeros(cutout.data.shape), cutout.meta).save(tmp_path / "map.fits")
    np.testing.assert_array_equal(draw(sunpy.map.Map(tmp_path / "map.fits")), members[0])


def subpixels(shape, n=5):
    """Coordinates of ``n x n`` points in each pixel, and the pixel's number."""
    y, x = ((np.arange(n * size) + 0.5) / n - 0.5 for size in shape)
    y, x = np.meshgrid(y, x, indexing="ij")
    return x.ravel(), y.ravel(), pixel_number(x, y, shape)


def pixel_number(x, y, shape):
    """Number of the pixel that holds a point, -1 outside."""
    column, row = np.rint(np.ravel(x)), np.rint(np.ravel(y))
    inside = (column >= 0) & (column < shape[1]) & (row >= 0) & (row < shape[0])
    return np.where(inside, row * shape[1] + column, -1).astype(int)


def shared_correlation(a, b, first, second, margin=16):
    """
    Correlation of two noises at the same places over what the pixels' overlap makes of it.

    ``first`` and ``second`` give, for points that cover the surface evenly, the pixel of ``a`` and
    that of ``b`` which hold them.  Two sums over the surface that share a part of it correlate
    by that part over the root of the product of the two.

    Returns
    -------
    ratio : float
        1 where the noise is the same on the Sun, 0 where it is independent.
    error : float
        Its standard error for independent noise.
    """
    inside = np.zeros(a.shape, bool)
    inside[margin:-margin, margin:-margin] = True
    size_a, size_b = (np.bincount(n[n >= 0], minlength=a.size) for n in (first, second))
    chosen = (second >= 0) & inside.ravel()[first]
    pairs, shared = np.unique(first[chosen] * a.size + second[chosen], return_counts=True)
    i, j = np.divmod(pairs, a.size)
    overlap = shared / np.sqrt(size_a[i] * size_b[j])
    product = (a.ravel()[i] * b.ravel()[j] * overlap).sum(dtype=float)
    return product / (overlap**2).sum(), 1 / np.sqrt((overlap**2).sum())


def same_places(smap, other):
    """For points of the fine pixels of a Map: their numbers there and in another frame."""
    grids = fine_grid(smap), fine_grid(other)
    x, y, first = subpixels(grids[0].shape)
    seen = grids[0].map.wcs.pixel_to_world_values(x, y)
    return first, pixel_number(*grids[1].map.wcs.world_to_pixel_values(*seen), grids[1].shape)


@pytest.mark.parametrize("degrees", [37.0, -90.0, 3.0])
def test_rolled_by_any_angle(header, degrees):
    """The noise at the same places is as correlated as the pixels overlap."""
    smap = blank(header((48, 48)), (48, 48))
    rolled = turned(smap, degrees)
    first, second = same_places(smap, rolled)
    a, b = draw(smap), draw(rolled)
    ratio, error = shared_correlation(a, b, first, second)
    assert ratio == pytest.approx(1, abs=5 * error + 0.02)
    # Three pixels further there is nothing in common.
    ratio, error = shared_correlation(a, b, first, np.roll(second, 15))
    assert abs(ratio) < 0.1


@pytest.mark.parametrize("step", [(0.1, 0.0), (0.0, 0.5), (0.25, 0.4), (3.125, 2.0)])
def test_shifted_by_parts_of_a_pixel(header, step):
    """In MDI pixels."""
    smap = blank(header((48, 48)), (48, 48))
    other = blank(header((48, 48), (500 + step[0], 560 + step[1])), (48, 48))
    a, b = draw(smap), draw(other)
    ratio, error = shared_correlation(a, b, *same_places(smap, other))
    assert ratio == pytest.approx(1, abs=5 * error + 0.02)


@pytest.mark.parametrize(
    "changes",
    [
        {"cdelt1": 1.4, "cdelt2": 1.4},
        {"cdelt1": 3.0, "cdelt2": 3.0},
        {"crota2": 45.0, "dsun_obs": 0.973 * 1.495978707e11},
        {"crota2": None, "pc1_1": 0.8, "pc1_2": -0.6, "pc2_1": 0.6, "pc2_2": 0.8},
        {"ctype1": "HPLN-SIN", "ctype2": "HPLT-SIN"},
        {"crln_obs": 0.1},
        {"crlt_obs": -7.25},
    ],
    ids=["1.4 arcsec", "3 arcsec", "nearest", "PC", "SIN", "Carrington 0", "south"],
)
def test_white_in_any_geometry(header, changes):
    shape = (43, 49)
    # The pixel of disk centre is told, so that other scales keep it.
    noise = SunNoise(fine_grid(blank(header(shape, (488, 490), **changes), shape)), 3)
    images = np.stack([noise.draw(member) for member in range(6)])
    known = np.isfinite(images[0])
    if changes.get("cdelt1") == 1.4:  # pixels of 0.35 arcsec are as fine as the cells
        assert known.mean() > 0.9
        images = images[:, known]
    else:
        assert known.all()
        assert_white(images)
    assert_unit_variance(images)
    assert_normal(images)
    assert_independent(images[0], images[1])


@pytest.fixture(scope="module")
def cea():
    """``cea(shape, longitude, **changes)``: MDI-like frame from an HMI map on CEA pixels."""

    def make(shape=(160, 176), longitude=14.0, latitude=12.0, corner=(0, 0), **changes):
        header = {
            "ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "deg", "cunit2": "deg",
            "cdelt1": 0.03, "cdelt2": 0.03, "crota2": 0.0, "bunit": "Gauss",
            "crval1": longitude, "crval2": latitude,
            "crpix1": 88.5 - corner[0], "crpix2": 80.5 - corner[1],
            "crln_obs": 0.0, "crlt_obs": 5.0, "dsun_obs": 1.479e11, "rsun_ref": 6.96e8,
            "rsun_obs": np.degrees(np.arcsin(6.96e8 / 1.479e11)) * 3600,
            "date-obs": "2012-03-07T02:24:00.000", "telescop": "SDO/HMI", "instrume": "HMI_SIDE1",
            "content": "MAGNETOGRAM", "wavelnth": 6173.0,
        }  # fmt: skip
        hmi_map = sunpy.map.Map(np.ones(shape), header | changes)
        return simulate_mdi(hmi_map, seed=0)

    return make


@pytest.mark.parametrize("longitude", [0.0, 55.0])
def test_white_on_a_heliographic_grid(cea, longitude):
    noise = SunNoise(fine_grid(cea(longitude=longitude)), 3)
    images = np.stack([noise.draw(member) for member in range(6)])
    assert np.isfinite(images).all()
    assert_white(images)
    assert_unit_variance(images)
    assert_normal(images)


def test_heliographic_across_a_full_turn(cea):
    """The middle at a longitude of 359.9 degrees, which is also -0.1; and parts on either side."""
    whole = draw(cea(longitude=359.9))
    np.testing.assert_array_equal(whole, draw(cea(longitude=-0.1)))
    for x, y in ((4, 8), (104, 60)):
        part = draw(cea((80, 72), 359.9, corner=(x, y)))
        np.testing.assert_array_equal(part, whole[y : y + 80, x : x + 72])


def carry(smap, other, x, y):
    """Pixels of another frame at which places are seen, when the surface has carried them."""
    longitude, latitude = to_heliographic(sphere_vectors(smap, x, y), smap)
    time = (other.date - smap.date).to(u.day)
    turned = differential_rotation(time, latitude) - CARRINGTON * time
    longitude += turned + smap.carrington_longitude - other.carrington_longitude
    place = SkyCoord(
        longitude + other.observer_coordinate.lon,
        latitude,
        other.rsun_meters,
        frame=HeliographicStonyhurst(obstime=other.date),
    )
    pixels = other.world_to_pixel(place)
    return pixels.x.value, pixels.y.value


def places_later(smap, other):
    """As `same_places`, for frames at different times."""
    grids = fine_grid(smap), fine_grid(other)
    x, y, first = subpixels(grids[0].shape)
    return first, pixel_number(*carry(grids[0].map, grids[1].map, x, y), grids[1].shape)


def test_the_same_noise_on_the_disk_and_on_a_heliographic_grid(cea, header):
    """What is drawn on a SHARP patch is what is drawn on the sky."""
    patch = cea()
    cards = ("crln_obs", "crlt_obs", "dsun_obs", "rsun_obs", "date-obs")
    sky = blank(header((72, 72), (590, 540), t_obs=None, t_rec=None), (72, 72))
    sky = blank(dict(sky.meta) | {card: patch.meta[card] for card in cards}, (72, 72))
    first, second = places_later(sky, patch)
    assert (second >= 0).mean() > 0.2
    a = draw(sky)
    b = np.zeros(a.shape, np.float32)  # the same shape, in which pixels are numbered
    drawn = draw(patch)
    b[: drawn.shape[0], : drawn.shape[1]] = drawn
    row, column = np.divmod(second, drawn.shape[1])
    second = np.where(second >= 0, row * a.shape[1] + column, -1)
    ratio, error = shared_correlation(a, b, first, second)
    assert ratio == pytest.approx(1, abs=5 * error + 0.02)


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
    noise = SunNoise(Grid(blank(meta, (16, 16))), 0, lifetime * u.day)
    first, second = noise._epochs
    numbers, weights, ages = zip(
        *((e.number, e.weight, e.age) for e in (first, second)), strict=True
    )
    assert sum(w**2 for w in weights) == pytest.approx(1)
    assert numbers[1] == numbers[0] + 1
    assert 0 <= ages[0] / lifetime < 1 + 1e-9
    assert ages[0] - ages[1] == pytest.approx(lifetime)


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


#: One step of a small model: what is tested is what it starts from.
QUICK = {"n_samples": 2, "num_steps": 1, "seed": 5, "progress": False, "dtype": "float32"}


@pytest.fixture
def drawn_from(monkeypatch):
    """The noise that networks were given, in the order of the members."""
    from sunpy_superres.models.residual_ldm import ResidualLDM

    given, whole = [], ResidualLDM.draw

    def spy(self, prepared, noise, *args):
        given.extend(noise.numpy().copy())
        return whole(self, prepared, noise, *args)

    monkeypatch.setattr(ResidualLDM, "draw", spy)
    return given


def test_array_noise_is_that_of_earlier_versions(mdi_cutout, tiny_model, drawn_from):
    import torch

    super_resolve(mdi_cutout, model=tiny_model, noise="array", **QUICK)
    for member, noise in enumerate(drawn_from):
        state = np.random.SeedSequence([5, member]).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(state) >> 1)
        expected = torch.randn((4, 40, 48), generator=generator).numpy()
        np.testing.assert_array_equal(noise, expected)
    assert len(drawn_from) == 2


def test_default_is_the_noise_on_the_sun(mdi_cutout, tiny_model, tiny_network, drawn_from):
    import torch

    hmi_like, _ = super_resolve(mdi_cutout, model=tiny_model, **QUICK)
    assert hmi_like.meta["srnoiset"] == "sun"
    assert hmi_like.meta["srlife"] == 1.0
    for member, noise in enumerate(drawn_from):
        fine = torch.from_numpy(draw(mdi_cutout, member, seed=5))[None, None]
        with torch.inference_mode():
            expected = tiny_network.project_noise(fine)[0].numpy()
        # The folder holds the basis in half precision.
        np.testing.assert_allclose(noise, expected, atol=5e-3)
    never, _ = super_resolve(mdi_cutout, model=tiny_model, lifetime=None, **QUICK)
    assert "srlife" not in never.meta
    assert not np.array_equal(never.data, hmi_like.data)


# sunpy's own warning of the same.
@pytest.mark.filterwarnings("ignore:Missing metadata for observer")
def test_without_an_observer_it_is_tied_to_the_array(mdi_header, bipole, tiny_model):
    header = mdi_header((40, 48), corner=(540, 500), crln_obs=None, crlt_obs=None)
    smap = sunpy.map.Map(bipole((40, 48)), header)
    options = QUICK | {"model": tiny_model}
    with pytest.warns(SuperResWarning, match="observer"):
        hmi_like, _ = super_resolve(smap, **options)
    assert hmi_like.meta["srnoiset"] == "array"
    assert "srlife" not in hmi_like.meta
    with pytest.warns(SuperResWarning, match="observer"):
        told, _ = super_resolve(smap, noise="array", **options)
    np.testing.assert_array_equal(told.data, hmi_like.data)


def test_noise_off_the_disk_and_beside_odd_sides_is_known(
    mdi_header, bipole, tiny_model, drawn_from
):
    """Across the limb, 39 x 47 pixels."""
    smap = sunpy.map.Map(bipole((39, 47)), mdi_header((39, 47), corner=(980, 490)))
    super_resolve(smap, model=tiny_model, **QUICK)
    for noise in drawn_from:
        assert noise.shape == (4, 40, 48)
        assert np.isfinite(noise).all()
        assert_unit_variance(noise[:, :39, :47])
    assert_independent(*drawn_from)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("noise", "moon"),
        ("noise", None),
        ("lifetime", 1.0),
        ("lifetime", 1 * u.G),
        ("lifetime", -1 * u.day),
        ("lifetime", 0 * u.day),
        ("lifetime", np.nan * u.day),
        ("lifetime", [1, 2] * u.day),
    ],
)
def test_wrong_options_are_refused_in_a_sentence(mdi_cutout, tiny_model, option, value):
    with pytest.raises(ValueError, match=rf"^{option} must be .*not .*\.$"):
        super_resolve(mdi_cutout, model=tiny_model, **QUICK | {option: value})


def test_a_lifetime_in_any_unit_of_time(mdi_cutout, tiny_model):
    results = [
        super_resolve(mdi_cutout, model=tiny_model, lifetime=life, **QUICK)[0]
        for life in (36 * u.hour, 1.5 * u.day, "1.5 d")
    ]
    for result in results:
        assert result.meta["srlife"] == 1.5
        np.testing.assert_array_equal(result.data, results[0].data)


def test_a_cutout_is_a_part_of_the_whole():
    """With the embedded model; noise tied to the array draws the cut-out anew."""
    from sunpy_superres.data import example_mdi_map

    whole = example_mdi_map().submap([20, 20] * u.pix, width=67 * u.pix, height=67 * u.pix)
    part = whole.submap([9, 7] * u.pix, width=49 * u.pix, height=49 * u.pix)
    ratios = {}
    for noise in ("sun", "array"):
        options = QUICK | {"num_steps": 2, "noise": noise, "return_samples": True}
        a = super_resolve(whole, **options).samples.data[:, 28 : 28 + 200, 36 : 36 + 200]
        b = super_resolve(part, **options).samples.data
        a, b = (m[:, 64:-64, 64:-64] for m in (a, b))
        spread = np.sqrt(np.mean((a[0] - a[1]) ** 2) / 2)
        ratios[noise] = np.sqrt(np.mean((a - b) ** 2)) / spread
    # So small frames also differ in the noise that is estimated on them.
    assert ratios["sun"] < 0.2
    assert ratios["array"] > 0.7
