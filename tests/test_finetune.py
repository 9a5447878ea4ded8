"""Real pairs, here made in code: alignment, packing, and fine-tuning with adapters."""

import dataclasses

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
import torch
from scipy import ndimage
from test_training import TINY

from sunpy_superres.data import example_hmi_map, example_mdi_map
from sunpy_superres.datasets.pairs import (
    _fine_grid,
    align_pair,
    match_pairs,
    observation_time,
    save_pairs,
)
from sunpy_superres.maps.regridding import resample_to
from sunpy_superres.models.residual_ldm import ResidualLDM
from sunpy_superres.training.finetune import (
    FineTuning,
    PairSampler,
    add_adapters,
    finetune,
    merge_adapters,
)
from sunpy_superres.training.loop import LoopConfig


@pytest.fixture(scope="module")
def hmi_map():
    return example_hmi_map()


@pytest.fixture(scope="module")
def mdi_map():
    return example_mdi_map()


def _moved(smap, **cards):
    return sunpy.map.Map(smap.data, dict(smap.meta, **cards))


def test_a_wrong_pointing_is_found_and_taken_out(mdi_map, hmi_map):
    exact = align_pair(mdi_map, hmi_map)
    np.testing.assert_allclose(exact.record.shift, 0, atol=0.06)
    # 3 HMI pixels along x, 5 along y: 0.75 and 1.25 of MDI's.
    off = _moved(hmi_map, crpix1=hmi_map.meta["crpix1"] + 3, crpix2=hmi_map.meta["crpix2"] - 5)
    pair = align_pair(mdi_map, off)
    np.testing.assert_allclose(pair.record.shift, (1.25, -0.75), atol=0.08)
    inner = (slice(40, -40), slice(40, -40))
    truth = hmi_map.data[inner]
    assert np.corrcoef(truth.ravel(), pair.target[inner].ravel())[0, 1] > 0.97
    unmoved = ndimage.shift(hmi_map.data, (5, -3), order=0)[inner]
    assert np.corrcoef(unmoved.ravel(), truth.ravel())[0, 1] < 0.9
    assert pair.record.correlation > 0.97


def test_a_wrong_roll_and_scale_are_found_and_taken_out(mdi_map, hmi_map):
    """0.3 degrees and 0.6 per cent, about a place near the edge of the frame."""
    exact = align_pair(mdi_map, hmi_map)
    np.testing.assert_allclose(exact.record.deformation, 0, atol=5e-4)
    step = hmi_map.meta["cdelt1"] * 1.006
    off = _moved(hmi_map, crota2=0.3, cdelt1=step, cdelt2=step)
    pair = align_pair(mdi_map, off)
    angle = np.deg2rad(0.3)
    expected = (0.006, -angle, angle, 0.006)
    np.testing.assert_allclose(pair.record.deformation, expected, atol=7e-4)
    both = np.isfinite(pair.target) & np.isfinite(exact.target)
    difference = (pair.target - exact.target)[both]
    unregistered = resample_to(_fine_grid(mdi_map), off)[0]
    before = (unregistered - exact.target)[both]
    assert difference.std() < 0.05 * np.nanstd(before)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"date-obs": "2010-10-16T12:00:00", "t_obs": "2010-10-16T12:00:00"}, {}, "min apart"),
        ({}, {"largest_shift": 0.5}, "MDI pixels off"),
        ({}, {"correlation": 0.9999}, "not the same field"),
    ],
)
def test_bad_pairs_are_refused(mdi_map, hmi_map, change, options, message):
    off = _moved(hmi_map, crpix1=hmi_map.meta["crpix1"] + 3, **change)
    with pytest.raises(ValueError, match=message):
        align_pair(mdi_map, off, **options)


HEADERS = {
    "roll": {"crota2": 30.0},
    "matrix": {"crota2": None, "pc1_1": 0.8, "pc1_2": -0.6, "pc2_1": 0.6, "pc2_2": 0.8},
    "CD": {"crota2": None, "cdelt1": None, "cdelt2": None,
           "cd1_1": 1.6, "cd1_2": -1.2, "cd2_1": 1.2, "cd2_2": 1.6},
    "turned by its sign": {"cdelt1": -1.984, "cdelt2": -1.984},
    "degrees": {"cunit1": "deg", "cunit2": "deg", "cdelt1": 5.5e-4, "cdelt2": 5.5e-4,
                "crval1": 0.01, "crval2": -0.02, "crota2": -137.0},
}  # fmt: skip


@pytest.mark.parametrize("header", HEADERS)
def test_moved_grid_is_what_the_header_says_elsewhere(mdi_map, header):
    meta = {k: v for k, v in (dict(mdi_map.meta) | HEADERS[header]).items() if v is not None}
    smap = sunpy.map.Map(mdi_map.data, meta)
    matrix, origin = np.array([[4.02, 0.03], [-0.01, 3.97]]), np.array([3.0, -1.5])
    index = np.array([[0, 5, 90], [7, 60, 20]])  # rows, columns
    there = origin[:, None] + matrix @ index
    # The header's own pixel of a fine one, whose first four lie in the first.
    expected = smap.wcs.pixel_to_world_values(*((there[::-1] - 1.5) / 4))
    row, column = 4 * index + 1.5
    found = _fine_grid(smap, matrix, origin).wcs.pixel_to_world_values(column, row)
    # Longitudes may differ by a turn.
    off = (np.array(found) - expected + 180) % 360 - 180
    np.testing.assert_allclose(off, 0, atol=1e-9)


def test_pairs_are_matched_by_the_middle_of_the_observation(mdi_map):
    noon = _moved(mdi_map, **{"date-obs": "2010-10-15T11:57:30"})
    first = _moved(noon, t_obs="2010.10.15_12:00:34_TAI")
    assert observation_time(first).isot == "2010-10-15T12:00:00.000"
    others = [_moved(noon, t_obs=f"2010.10.15_{t}_TAI") for t in ("11:30:34", "12:02:34")]
    assert match_pairs([first], others) == [(first, others[1])]
    assert match_pairs([first], others, largest_gap=1 * u.min) == []
    assert match_pairs([first], []) == []
    assert observation_time(_moved(mdi_map, t_obs="never")) == mdi_map.date


def test_maps_in_the_wrong_order_are_told(mdi_map, hmi_map):
    meta = {"telescop": "SOHO", "instrume": "MDI"}
    mdi = sunpy.map.Map(
        mdi_map.data, {k: v for k, v in mdi_map.meta.items() if k != "siminst"} | meta
    )
    for first in (mdi, mdi_map):
        with pytest.raises(TypeError, match=r"swapped: .*call align_pair\(mdi_map, hmi_map\)"):
            align_pair(hmi_map, first)
        with pytest.raises(TypeError, match="second Map is from MDI.*give HMI's"):
            align_pair(mdi, first)
    for wrong in (hmi_map.data, None, "hmi.fits", [hmi_map]):
        with pytest.raises(
            TypeError, match=f"align_pair needs a sunpy Map, not {type(wrong).__name__}"
        ):
            align_pair(mdi_map, wrong)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory, mdi_map, hmi_map):
    path = tmp_path_factory.mktemp("pairs") / "pairs.safetensors"
    save_pairs([align_pair(mdi_map, hmi_map)], path)
    return path


def test_crops_of_pairs_stay_registered(pairs, mdi_map):
    sampler = PairSampler(pairs, 32, 6, seed=1)
    batch, _ = sampler(3)
    assert batch.frame.shape == (6, 1, 32, 32)
    assert batch.target.shape == (6, 1, 128, 128)
    coarse = torch.nn.functional.avg_pool2d(batch.target, 4)
    for frame, seen, mask in zip(batch.frame, coarse, batch.mask, strict=True):
        known = mask > 0
        assert torch.corrcoef(torch.stack([frame[known], seen[known]]))[0, 1] > 0.7
    torch.testing.assert_close(batch.frame, PairSampler(pairs, 32, 6, seed=1)(3)[0].frame)
    with pytest.raises(ValueError, match="smaller than a crop"):
        PairSampler(pairs, 200, 1)


def test_adapters_start_as_nothing_and_merge_exactly():
    torch.manual_seed(0)
    model = ResidualLDM(TINY).eval()
    names = list(model.regression.state_dict())
    condition, latent = torch.randn(1, 8, 16, 16), torch.randn(1, 4, 16, 16)
    before = model.regression(condition, latent)
    adapted = add_adapters(model.regression, 2)
    torch.testing.assert_close(adapted(condition, latent), before)
    learnt = [name for name, p in adapted.named_parameters() if p.requires_grad]
    assert learnt
    assert all("lora" in name for name in learnt)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora" in name:
                parameter.add_(0.1 * torch.randn_like(parameter))
    changed = adapted(condition, latent)
    torch.testing.assert_close(
        merge_adapters(adapted)(condition, latent), changed, atol=1e-5, rtol=1e-4
    )
    assert list(model.regression.state_dict()) == names


def _start():
    """A small model whose residual blocks and head do something to adapt."""
    torch.manual_seed(0)
    model = ResidualLDM(TINY)
    for block in (*model.regression.unet.after, *model.denoiser.network.unet.after):
        torch.nn.init.normal_(block.conv2.weight, std=0.1)
    torch.nn.init.normal_(model.regression.head.weight, std=0.05)
    return model


@torch.no_grad()
def _misfit(model, pairs):
    """Squared error of the regression's mean, on crops of its own."""
    error = 0.0
    for step in range(1000, 1008):
        batch, _ = PairSampler(pairs, 32, 4)(step)
        latent = model.autoencoder.encode(batch.target / model.config.field_scale)
        mean, _, _ = model.condition(batch.frame, batch.mask, batch.noise)
        error += float(((mean - latent) * batch.mask).square().mean())
    return error


def test_finetuning_learns_the_pair_and_goes_on(pairs, tmp_path):
    """The regression comes nearer to HMI; a run that was stopped ends where a whole one does."""
    loop = LoopConfig(steps=60, learning_rate=2e-2, warmup=5, checkpoint_minutes=0.0)
    recipe = FineTuning(rank=2, size=32, batch=4, loop=loop)

    def tuned(folder, report=None):
        return finetune(_start(), pairs, tmp_path / folder, recipe, report)

    whole = tuned("whole")
    assert _misfit(whole, pairs) < 0.9 * _misfit(_start(), pairs)
    assert set(whole.state_dict()) == set(ResidualLDM(TINY).state_dict())
    torch.testing.assert_close(whole.regression.head.weight, _start().regression.head.weight)

    class Stopped(Exception):
        pass

    def stop(step, loss):
        if step == 30:
            raise Stopped

    with pytest.raises(Stopped):
        tuned("cut", stop)
    resumed = tuned("cut")
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], tensor)
    with pytest.raises(ValueError, match="another folder"):
        finetune(_start(), pairs, tmp_path / "cut", dataclasses.replace(recipe, rank=3))
    with pytest.raises(ValueError, match="another folder"):
        finetune(whole, pairs, tmp_path / "cut", recipe)


def test_a_recipe_of_finetuning_is_kept_whole():
    recipe = FineTuning.from_dict({"rank": 2, "loop": {"steps": 7}})
    assert (recipe.rank, recipe.batch, recipe.loop.steps) == (2, 8, 7)
    assert recipe.loop.learning_rate == FineTuning().loop.learning_rate
    assert FineTuning.from_dict(recipe.to_dict()) == recipe
    for wrong in ({"rnak": 2}, {"loop": {"steps": 0}}, {"loop": {"rate": 1}}):
        with pytest.raises(ValueError, match="rnak|steps|rate"):
            FineTuning.from_dict(wrong)


def test_only_models_with_a_regression_can_be_tuned(pairs, tmp_path):
    model = ResidualLDM(dataclasses.replace(TINY, base="interpolation"))
    with pytest.raises(ValueError, match="regression"):
        finetune(model, pairs, tmp_path)


def test_from_fits_files_to_a_tuned_model(mdi_map, hmi_map, tmp_path, capsys):
    """The commands, one after the other; a pair that is none is said and left out."""
    from sunpy_superres import load_model
    from sunpy_superres.cli import main

    mdi_map.save(tmp_path / "mdi.fits")
    hmi_map.save(tmp_path / "hmi.fits")
    upside_down = sunpy.map.Map(mdi_map.data[::-1].copy(), mdi_map.meta)
    upside_down.save(tmp_path / "other.fits")
    files = ["--mdi", str(tmp_path / "mdi.fits"), str(tmp_path / "other.fits")]
    files += ["--hmi", str(tmp_path / "hmi.fits")]
    assert main(["pairs", "-o", str(tmp_path / "p.safetensors"), *files]) == 0
    printed = capsys.readouterr()
    assert "1 pairs of 2 MDI files" in printed.out
    assert "left out" in printed.err
    assert main(["pairs", str(tmp_path / "none"), "--mdi", files[2], *files[3:]]) == 1
    assert not (tmp_path / "none").exists()
    toml = tmp_path / "lora.toml"
    toml.write_text("rank = 2\nsize = 32\nbatch = 1\n[loop]\nsteps = 2\nwarmup = 1\n")
    options = ["--recipe", str(toml), "--revision", "tuned"]
    options += ["-o", str(tmp_path / "run")]
    assert main(["finetune", str(tmp_path / "p.safetensors"), *options]) == 0
    model = load_model(tmp_path / "run" / "model")
    assert model.config["revision"] == "tuned"
    tuning = model.config["training"]["fine-tuning"]
    assert tuning["pairs"][0]["correlation"] > 0.9
    assert tuning["start"] == load_model().sha256
    assert tuning["recipe"]["loop"]["steps"] == 2
    assert model.sha256 != load_model().sha256
