"""What travels to the sampler, and what comes back."""

import astropy.units as u
import numpy as np
import pytest
import torch

from sunpy_superres.data import example_mdi_map
from sunpy_superres.instruments import FACTOR, MDI
from sunpy_superres.instruments.forward import observe
from sunpy_superres.maps.grid import Grid
from sunpy_superres.maps.magnetogram import read_magnetogram
from sunpy_superres.models.base import evaluate_whole
from sunpy_superres.sampling.observation import Observation
from sunpy_superres.sampling.options import SamplingOptions
from sunpy_superres.sampling.tiling import TiledEvaluation


@pytest.fixture(scope="module")
def odd_map():
    """37 x 41 pixels, with a hole."""
    smap = example_mdi_map().submap([20, 30] * u.pix, width=40 * u.pix, height=36 * u.pix)
    smap.data[5:8, 10:12] = np.nan
    return smap


@pytest.fixture(scope="module")
def observation(odd_map):
    return Observation.from_magnetogram(read_magnetogram(odd_map))


def test_an_observation_holds_the_frame_with_even_sides(odd_map, observation):
    assert observation.frame.shape == (1, 1, 38, 42)
    assert observation.disk.shape == (1, 1, 4 * 38, 4 * 42)
    frame, good = observation.frame[0, 0].numpy(), observation.good[0, 0].numpy()
    expected = np.nan_to_num(odd_map.data).astype(np.float32)
    np.testing.assert_array_equal(frame[:37, :41], expected)
    assert not good[37:].any()
    assert not good[:, 41:].any()
    np.testing.assert_array_equal(good[:37, :41] > 0, np.isfinite(odd_map.data))
    assert observation.plate_scale == pytest.approx(odd_map.scale.axis1.value / FACTOR)
    assert len(observation.inputs) == 3  # pixels of the sky are not foreshortened


def test_readings_beyond_the_training_are_set_to_its_largest(odd_map):
    import sunpy.map

    data = odd_map.data.copy()
    data[20, 20], data[21, 21] = 19_000, -19_000
    with pytest.warns(match="saturates"):
        magnetogram = read_magnetogram(sunpy.map.Map(data, odd_map.meta))
    frame = Observation.from_magnetogram(magnetogram).frame
    assert (float(frame.max()), float(frame.min())) == (MDI.largest_reading, -MDI.largest_reading)


def test_a_crop_is_a_part_of_the_observation(observation):
    rows, columns = slice(4, 24), slice(10, 40)
    part = observation.crop(rows, columns)
    for name in ("frame", "good", "noise", "visible_fraction"):
        whole = getattr(observation, name)[..., rows, columns]
        torch.testing.assert_close(getattr(part, name), whole, rtol=0, atol=0)
    assert part.disk.shape == (1, 1, 80, 120)
    fine = slice(16, 96), slice(40, 160)
    np.testing.assert_allclose(part.grid.mu, observation.grid.mu[fine], atol=1e-6)
    whole = observation.grid.positions[(slice(None), *fine)]
    np.testing.assert_allclose(part.grid.positions, whole, atol=1e-9)
    np.testing.assert_array_equal(part.grid.on_disk, observation.grid.on_disk[fine])


def test_an_observation_moves_to_a_device(observation):
    moved = observation.to("meta")
    assert {t.device.type for t in (*moved.inputs, moved.disk, moved.visible_fraction)} == {"meta"}
    assert moved.grid is observation.grid
    assert observation.frame.device.type == "cpu"


def test_an_observation_observes_a_field(observation):
    field = torch.randn(1, 1, 152, 168, generator=torch.Generator().manual_seed(0)) * 100
    expected = observe(field, MDI, observation.plate_scale, observation.visible_fraction)
    torch.testing.assert_close(observation.observe(field), expected)


def test_a_grid_looks_up_its_disk_once(odd_map, monkeypatch):
    grid = Grid(odd_map)
    first = grid.on_disk
    monkeypatch.setattr("sunpy_superres.maps.grid.on_disk_mask", None)
    assert grid.on_disk is first


def test_tiles_are_zero_outside_and_agree_with_the_whole():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 3, 40, 44, generator=generator)
    layer = torch.nn.Conv2d(3, 2, 5, padding=2)
    inside = torch.zeros(1, 1, 40, 44)
    inside[..., 6:30, 8:40] = 1
    done = []
    evaluate = TiledEvaluation(inside, 16, torch.device("cpu"), advance=done.append)
    with torch.no_grad():
        tiled = evaluate(layer, [x], 2, 2)
        torch.testing.assert_close(tiled, evaluate_whole(layer, [x]) * inside)
    assert done == [2] * len(evaluate.tiles())
    assert len(evaluate.tiles(factor=FACTOR)) > len(evaluate.tiles())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 0}, "n_samples must be an integer of at least 1, not 0"),
        ({"n_samples": None}, "n_samples must be"),
        ({"num_steps": 2.5}, "num_steps must be"),
        ({"tile_size": 8}, "tile_size must be an integer of at least 16"),
        ({"batch_size": -1}, "batch_size must be"),
        ({"seed": -1}, "seed must be an integer from 0"),
        ({"seed": "7"}, "seed must be an integer"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SamplingOptions(**options)
