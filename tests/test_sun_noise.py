"""The noise that lives on the Sun: white in any frame, and the same at the same place."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import sunpy.map
from noise_tools import (
    assert_independent,
    assert_normal,
    assert_unit_variance,
    assert_white,
    blank,
    draw,
    fine_grid,
    make_header,
    pixel_number,
    places_later,
    shared_correlation,
    subpixels,
)

from sunpy_superres import simulate_mdi
from sunpy_superres.maps.geometry import heliocentric_mu
from sunpy_superres.sampling.cells import cell_noise, weighted_table
from sunpy_superres.sampling.sun_noise import SunNoise


@pytest.fixture(scope="module")
def header():
    """``header(shape, corner=(x, y), **changes)``: see `make_header`."""
    return make_header


@pytest.fixture(scope="module")
def cutout(header):
    """Near disk centre, 52 x 60 MDI pixels."""
    return blank(header((52, 60)), (52, 60))


@pytest.fixture(scope="module")
def members(cutout):
    """Sixteen members, ``(16, 208, 240)``."""
    noise = SunNoise(fine_grid(cutout), 7)
    return np.stack([noise.draw(member) for member in range(16)])


def test_numbers_of_the_cells_are_normal_and_independent():
    keys = np.random.default_rng(0).integers(2**32, size=(2, 200, 1), dtype=np.uint32)
    columns = np.broadcast_to(np.arange(18000, dtype=np.uint32), (200, 18000))
    noise = cell_noise([keys], columns, [weighted_table(1.0)])
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
    tables = [weighted_table(1.0)]
    first = cell_noise([keys], columns, tables)
    for change in ([[[1]], [[0]]], [[[0]], [[1]]], [[[0]], [[2**31]]]):
        other = cell_noise([keys ^ np.array(change, np.uint32)], columns, tables)
        assert_independent(first, other)


def test_numbers_of_two_epochs_are_added_with_their_weights():
    columns = np.broadcast_to(np.arange(18000, dtype=np.uint32), (100, 18000))
    keys = list(np.random.default_rng(0).integers(2**32, size=(2, 2, 100, 1), dtype=np.uint32))
    both = cell_noise(keys, columns, [weighted_table(0.6), weighted_table(0.8)])
    one, other = (cell_noise([key], columns, [weighted_table(1.0)]) for key in keys)
    # Entries are rounded to a multiple of 2**-16, and four are added.
    np.testing.assert_allclose(both, 0.6 * one + 0.8 * other, atol=4 * 2.0**-16)
    assert_normal(both)
    assert (both * 2.0**16 == np.rint(both * 2.0**16)).all()  # so that sums are exact


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
