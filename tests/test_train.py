"""Recipes, and each architecture from its training to a Map, in miniature."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy import ndimage
from torch.utils.flop_counter import FlopCounterMode

from sunpy_superres import load_model, super_resolve
from sunpy_superres.cli import main
from sunpy_superres.datasets.packed import CropSampler, Frame, load_pack, save_pack
from sunpy_superres.models.denoiser import DenoiserConfig, build_denoiser
from sunpy_superres.models.deterministic import Deterministic, DeterministicConfig
from sunpy_superres.models.loading import save_model
from sunpy_superres.models.registry import ARCHITECTURES, build, configure
from sunpy_superres.models.stable_diffusion import (
    StableDiffusionAutoencoder,
    StableDiffusionConfig,
)
from sunpy_superres.sampling.schedule import SolverSettings
from sunpy_superres.training import train as recipes
from sunpy_superres.training.export import _read_trained
from sunpy_superres.training.recipe import Recipe
from sunpy_superres.training.stages import MARGIN, ObservedCrops, score_loss
from sunpy_superres.training.train import train

LOOP = {"steps": 3, "warmup": 1, "size": 48, "batch": 2}
DIFFUSION = {
    "autoencoder": {"latent_channels": 4, "width": 8, "encoder_blocks": 1, "decoder_blocks": 1},
    "regression": {"widths": [8, 8], "blocks": [1, 1, 1]},
    "denoiser": {"widths": [8, 8], "blocks": [1, 1, 1], "embedding": 16},
}
#: Recipe of a few steps for each architecture; two of the residual latent diffusion.
TINY = {
    "residual_ldm": ("residual_ldm", DIFFUSION, ["autoencoder", "regression", "diffusion"]),
    "interpolation": (
        "residual_ldm", {**DIFFUSION, "base": "interpolation"}, ["autoencoder", "diffusion"],
    ),
    "ldm": ("ldm", DIFFUSION, ["autoencoder", "diffusion"]),
    "published": (
        "published",
        {
            "denoiser": {
                "kind": "published", "widths": [8, 8, 8, 8], "embedding": 16, "patch": 2,
            },
            "stable_diffusion": {
                "widths": [8, 8, 8, 8], "layers": 1, "norm_groups": 4, "weights": "",
            },
        },
        ["diffusion"],
    ),
    "palette": ("palette", DIFFUSION, ["diffusion"]),
    "palette_residual": ("palette_residual", DIFFUSION, ["diffusion"]),
    "enhance": ("enhance", {"width": 4}, ["network"]),
    "progressive": (
        "progressive", {"width": 4, "multipliers": [1, 1, 1, 1, 1, 1, 1]}, ["network"],
    ),
}  # fmt: skip


def tiny(name, **changes):
    architecture, model, stages = TINY[name]
    values = {
        "architecture": architecture,
        "model": model,
        "stages": dict.fromkeys(stages, LOOP),
        "sampler": {"num_steps": 2, "sigma_max": 40.0, "power": 1.75},
    }
    return Recipe.from_dict({**values, **changes})


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    rng = np.random.default_rng(0)
    frames = [
        Frame(
            f"f{i}", f"region{i}", "train" if i < 2 else "test",
            (3000 * ndimage.gaussian_filter(rng.standard_normal((120, 140)), 3)).astype("f4"),
        )
        for i in range(3)
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("pack") / "pack.safetensors"
    save_pack(frames, path)
    return path


#: Stages and sampler of a network that draws in one step.
SCORED = {
    "stages": dict.fromkeys([*TINY["residual_ldm"][2], "score"], LOOP),
    "sampler": {"num_steps": 1, "single_sigma": 1e4},
}


def test_the_stage_score_trains_a_single_step(pack, tmp_path):
    loop = LOOP | {"steps": 60, "learning_rate": 5e-3, "ema": 0.9}
    score = {"diffusion_share": 0.25, "patches": [2, 1, 1], "weights": [1.0, 1.0, 1.0]}
    recipe = tiny("residual_ldm", **SCORED, score=score)
    recipe.stages["score"] = tiny("residual_ldm", **SCORED | {
        "stages": dict.fromkeys(SCORED["stages"], loop)}).stages["score"]  # fmt: skip
    before = train(
        pack, tmp_path, recipe, device="cpu", progress=False, stages=TINY["residual_ldm"][2]
    )
    frozen = {k: v.clone() for k, v in before.state_dict().items()}
    assert all(p.requires_grad for p in before.parameters())
    after = train(pack, tmp_path, recipe, device="cpu", progress=False, stages=["score"])
    changed = {k for k, v in after.state_dict().items() if not torch.equal(v, frozen[k])}
    assert changed
    assert all(name.startswith("denoiser") for name in changed)

    frames = load_pack(pack, "train")
    sampler = CropSampler(frames, 48 + 2 * MARGIN, 8, seed=99)
    batches = ObservedCrops(sampler, recipe.degradation)
    solver = SolverSettings.from_dict(recipe.sampler)
    found = []
    for network in (build(recipe.config), after):
        if network is not after:
            network.load_state_dict(frozen)
        only_score = dataclasses.replace(recipe.score, diffusion_share=0.0)
        loss = score_loss(network, batches, "cpu", solver, only_score)
        with torch.no_grad():
            found.append(float(np.mean([loss(i) for i in range(4)])))
    assert found[1] < 0.97 * found[0]


def test_an_interrupted_score_training_ends_the_same(pack, tmp_path):
    recipe = tiny("residual_ldm", **SCORED)
    whole = train(pack, tmp_path / "a", recipe, device="cpu", progress=False)
    common = {"device": "cpu", "progress": False}
    train(pack, tmp_path / "b", recipe, stages=TINY["residual_ldm"][2], **common)
    train(pack, tmp_path / "b", recipe, stages=["score"], seconds=1e-9, **common)
    checkpoint = torch.load(tmp_path / "b" / "score.checkpoint", weights_only=True)
    assert checkpoint["step"] == 1
    resumed = train(pack, tmp_path / "b", recipe, stages=["score"], **common)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_what_is_no_finished_training_is_not_exported(pack, tmp_path):
    with pytest.raises(ValueError, match="check the path"):
        _read_trained(tmp_path)
    out = tmp_path / "run"
    train(pack, out, tiny("enhance"), device="cpu", progress=False)
    state = load_file(out / "model.safetensors")
    save_file(state, out / "model.safetensors", metadata={"stage": "statistics"})
    with pytest.raises(ValueError, match="sunpy-superres train"):
        _read_trained(out)


def test_a_start_without_sampling_gains_it(pack, tmp_path):
    """The channels that the old weights lack begin at zero: at first nothing changes."""
    old = build(configure("residual_ldm", TINY["residual_ldm"][1]))
    torch.manual_seed(4)
    for parameter in old.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    save_file(old.state_dict(), tmp_path / "old.safetensors")
    told = TINY["residual_ldm"][1] | {"sampling": True}
    new = build(configure("residual_ldm", told))
    recipes._start_from(new, tmp_path / "old.safetensors")
    frame = 100 * torch.randn(1, 1, 16, 16)
    inputs = (frame, torch.ones_like(frame), torch.full((1, 1, 1, 1), 10.0))
    before, after = old.condition(*inputs), new.condition(*inputs, 0.5 * torch.ones(1, 2, 1, 1))
    torch.testing.assert_close(before.mean, after.mean)
    prepared = [m.denoiser.network.prepare(c.features) for m, c in ((old, before), (new, after))]
    torch.testing.assert_close(*prepared)


def test_a_start_with_other_channels_gains_nothing(pack, tmp_path):
    """Fewer latent channels in front: the same places mean other things, so they start afresh."""
    old = build(configure("residual_ldm", TINY["residual_ldm"][1]))
    save_file(old.state_dict(), tmp_path / "old.safetensors")
    more = {**DIFFUSION, "autoencoder": {**DIFFUSION["autoencoder"], "latent_channels": 7}}
    new = build(configure("residual_ldm", {**more, "sampling": True}))
    before = new.regression.unet.stem.weight.clone()
    recipes._start_from(new, tmp_path / "old.safetensors")
    torch.testing.assert_close(new.regression.unet.stem.weight, before, rtol=0, atol=0)


@pytest.mark.parametrize("name", TINY)
def test_from_training_to_a_map(name, pack, tmp_path, mdi_cutout):
    """Train, resume, write as a model, load, super-resolve."""
    out = tmp_path / "run"
    recipe = tiny(name)
    model = train(pack, out, recipe, device="cpu", progress=False)
    again = train(pack, out, recipe, device="cpu", progress=False)
    for one, other in zip(model.state_dict().values(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other)
    network, architecture, sampler, record = _read_trained(out)
    assert architecture == recipe.architecture
    assert record["trained on"] == ["region0", "region1"]
    assert record["held out"] == {"test": ["region2"]}
    assert record["data"].startswith("2 frames")
    assert record["recipe"] == recipe.to_dict() == json.loads(json.dumps(recipe.to_dict()))
    save_model(
        tmp_path / "model", network, architecture=architecture, sampler=sampler, revision="r",
        calibration={"field": [0.0], "factor": [2.0]}, training=record,
    )  # fmt: skip
    loaded = load_model(tmp_path / "model")
    assert loaded.config["architecture"] == architecture
    options = {"n_samples": 3, "seed": 1, "progress": False, "dtype": "float32"}
    result = super_resolve(mdi_cutout, model=loaded, return_samples=True, **options)
    assert result.hmi_like.data.shape == (160, 192)
    assert np.isfinite(result.hmi_like.data).all()
    assert (result.uncertainty.data > 0).all()
    stochastic = ARCHITECTURES[architecture].family == "diffusion"
    assert len(result.samples.data) == (3 if stochastic else 1)
    assert result.hmi_like.meta["srnsamp"] == (3 if stochastic else 1)
    assert architecture in result.hmi_like.meta["history"]
    if architecture == "published":  # it looks at statistics of a whole tile
        return
    tiled = super_resolve(mdi_cutout, model=loaded, tile_size=16, **options)
    np.testing.assert_allclose(tiled.hmi_like.data, result.hmi_like.data, atol=0.05)


def test_a_deterministic_uncertainty_is_its_calibration(tmp_path, mdi_cutout):
    """By field strength, and that of the ratio; whatever the number of members asked for."""
    network = build(configure("enhance", {"width": 4}))
    save_model(
        tmp_path, network, architecture="enhance", revision="r", training={},
        sampler={"num_steps": 1, "sigma_max": 40.0, "power": 1.75},
        calibration={"mean_weight": 1.0, "field": [0.0, 100.0], "factor": [9.0, 29.0]},
    )  # fmt: skip
    hmi_like, sigma = super_resolve(mdi_cutout, model=tmp_path, n_samples=8, progress=False)
    field = np.abs(hmi_like.data)
    expected = np.hypot(9 + 0.2 * np.clip(field, 0, 100), 0.05 * field)
    np.testing.assert_allclose(sigma.data, expected, rtol=1e-3)


@pytest.mark.parametrize("kind", ["enhance", "progressive"])
def test_an_untrained_network_leaves_the_interpolated_frame(kind, mdi_cutout):
    """With a head of zeros the field is calibrated bicubic: in place to a fraction of a pixel."""
    network = build(configure(kind, {} if kind == "enhance" else {"multipliers": [1] * 7}))
    torch.nn.init.zeros_(network.network.head.weight)
    if network.network.head.bias is not None:
        torch.nn.init.zeros_(network.network.head.bias)
    frame = torch.from_numpy(np.asarray(mdi_cutout.data, np.float32))[None, None]
    with torch.inference_mode():
        field = network.predict(frame, torch.ones_like(frame), torch.full((1, 1, 1, 1), 12.0))
    torch.testing.assert_close(field, network.interpolate(frame))


@pytest.mark.parametrize("kind", ["enhance", "progressive"])
def test_halo_covers_the_receptive_field(kind):
    multipliers = (1,) * (6 if kind == "enhance" else 7)
    network = Deterministic(DeterministicConfig(kind, 4, multipliers)).double()
    frame = torch.zeros(1, 1, 60, 60, dtype=torch.float64)
    one, noise = torch.ones_like(frame), torch.full((1, 1, 1, 1), 12.0, dtype=torch.float64)
    with torch.inference_mode():
        before = network.predict(frame, one, noise)
        frame[..., 30, 30] = 500.0
        changed = (network.predict(frame, one, noise) - before).abs().amax((0, 1)) > 0
    rows = changed.any(1).nonzero().flatten() // 4
    found = int(max(30 - rows.min(), rows.max() - 30))
    assert found <= network.halo <= found + 3


def test_published_sizes():
    with torch.device("meta"):
        sizes = {
            kind: sum(
                p.numel() for p in Deterministic(DeterministicConfig.published(kind)).parameters()
            )
            for kind in ("enhance", "progressive")
        }
    assert sizes["enhance"] == pytest.approx(109e6, rel=0.01)
    assert sizes["progressive"] == pytest.approx(51e6, rel=0.01)


def test_the_published_unet_has_the_published_size_and_work():
    """92.8 M parameters; 207 GFLOP on the latent of a 1024 x 1024 crop, without attention."""
    config = DenoiserConfig((128, 256, 512, 512), embedding=256, kind="published")
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = build_denoiser(4, 4, config)
        condition = network.prepare(torch.zeros(1, 4, 128, 128))
        network(torch.zeros(1, 4, 128, 128), torch.zeros(1), condition)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(92.8e6, rel=0.001)
    work = counter.get_flop_counts()["Global"]
    outside = sum(count for kind, count in work.items() if kind != torch.ops.aten.bmm)
    assert outside == pytest.approx(207e9, rel=0.06)


def test_an_autoencoder_of_stable_diffusion_is_filled_in_from_a_folder(pack, tmp_path):
    """Fields come back from it as from the autoencoder that diffusers wrote."""
    diffusers = pytest.importorskip("diffusers")
    sizes = {"widths": (8, 8, 8, 8), "layers": 1, "norm_groups": 4}
    original = StableDiffusionAutoencoder(StableDiffusionConfig(**sizes, weights=""), 200.0)
    original.network.save_pretrained(tmp_path / "vae")
    config = StableDiffusionConfig(**sizes, weights=str(tmp_path / "vae"))
    filled = StableDiffusionAutoencoder(config, 200.0)
    filled.load_pretrained()
    field = 3 * torch.randn(1, 1, 32, 48)
    torch.testing.assert_close(filled(field), original(field))
    vae = diffusers.AutoencoderKL.from_pretrained(tmp_path / "vae")
    colours = (field * 200 / 3000).clamp(-1, 1).repeat(1, 3, 1, 1)
    expected = vae.decode(vae.encode(colours).latent_dist.mode()).sample.mean(1, keepdim=True) * 15
    torch.testing.assert_close(filled(field), expected, atol=1e-3, rtol=1e-3)
    assert filled.encode(field).shape == (1, 1, 8, 12)
    absent = StableDiffusionConfig(**sizes, weights=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="cannot be loaded"):
        StableDiffusionAutoencoder(absent, 200.0).load_pretrained()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "vast"}, "kind"),
        ({"kind": "published"}, "4 widths"),
        ({"widths": (8,)}, "2 widths"),
    ],
)
def test_wrong_denoisers_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        DenoiserConfig(**settings)


def test_a_run_is_not_continued_by_another_recipe(pack, tmp_path):
    train(pack, tmp_path, tiny("palette"), device="cpu", progress=False)
    with pytest.raises(ValueError, match="run with other settings"):
        train(pack, tmp_path, tiny("palette", seed=1), device="cpu", progress=False)
    with pytest.raises(ValueError, match="no stage"):
        train(pack, tmp_path, tiny("palette"), stages=["regression"], progress=False)


def test_an_autoencoder_is_shared(pack, tmp_path):
    """A run that starts from another's weights, and trains its own part only."""
    first = train(pack, tmp_path / "a", tiny("residual_ldm"), device="cpu", progress=False)
    start = tmp_path / "a" / "model.safetensors"
    second = train(
        pack, tmp_path / "b", tiny("ldm"), stages=["diffusion"], start=start, device="cpu",
        progress=False,
    )  # fmt: skip
    for name, value in first.autoencoder.state_dict().items():
        torch.testing.assert_close(second.autoencoder.state_dict()[name], value)
    torch.testing.assert_close(second.latent_std, first.latent_std)
    # What is diffused is the whole field: as wide as the latent.
    ratio = second.residual_std / second.latent_std
    assert 0.5 < float(ratio.min()) <= float(ratio.max()) < 2
    with pytest.raises(ValueError, match="in common"):
        train(pack, tmp_path / "c", tiny("enhance"), start=start, device="cpu", progress=False)


def test_a_residual_is_narrower_than_the_field(pack, tmp_path):
    whole = train(pack, tmp_path / "a", tiny("palette"), device="cpu", progress=False)
    rest = train(pack, tmp_path / "b", tiny("palette_residual"), device="cpu", progress=False)
    assert float((rest.residual_std / whole.residual_std).max()) < 0.6


def test_the_command_line_trains(pack, tmp_path, capsys):
    path = tmp_path / "tiny.toml"
    lines = [
        'architecture = "progressive"',
        "[model]",
        "width = 4",
        "multipliers = [1,1,1,1,1,1,1]",
    ]
    path.write_text("\n".join([*lines, "[stages.network]", "steps = 4", "size = 48", "batch = 2"]))
    assert main(["train", str(pack), "-o", str(tmp_path / "run"), "--recipe", str(path)]) == 0
    assert "4/4" in capsys.readouterr().err
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "log", "model.safetensors", "network.checkpoint", "recipe.json", "stages.json",
    ]  # fmt: skip


def test_trained_longer_is_better(pack, tmp_path):
    """A few dozen steps bring a small network below interpolation, on draws it has not seen."""
    stages = {"network": {**LOOP, "steps": 120, "learning_rate": 4e-3, "batch": 4}}
    recipe = tiny("enhance", stages=stages, model={"width": 8})
    model = train(pack, tmp_path / "run", recipe, device="cpu", progress=False)
    sampler = recipes.CropSampler(recipes.load_pack(pack, "train"), 80, 8, seed=5)
    batches = recipes.ObservedCrops(sampler, recipe.degradation)
    loss = recipes.network_loss(model, batches, "cpu")
    fresh = build(recipe.config)
    torch.nn.init.zeros_(fresh.network.head.weight)
    torch.nn.init.zeros_(fresh.network.head.bias)
    baseline = recipes.network_loss(fresh, batches, "cpu")
    with torch.inference_mode():
        assert float(loss(10**6)) < 0.9 * float(baseline(10**6))


def test_a_stage_that_stops_early_stops_the_run(pack, tmp_path):
    """The later stages would be trained on a latent that then changes."""
    recipe = tiny("residual_ldm")
    common = {"device": "cpu", "progress": False}
    out = tmp_path / "run"
    train(pack, out, recipe, seconds=1e-9, **common)
    assert (out / "autoencoder.checkpoint").exists()
    assert not (out / "regression.checkpoint").exists()
    resumed = train(pack, out, recipe, **common)
    whole = train(pack, tmp_path / "whole", recipe, **common)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_a_stage_whose_predecessor_has_changed_is_refused(pack, tmp_path):
    recipe = tiny("residual_ldm")
    common = {"device": "cpu", "progress": False}
    train(pack, tmp_path, recipe, stages=["autoencoder"], seconds=1e-9, **common)
    train(pack, tmp_path, recipe, stages=["regression"], **common)
    train(pack, tmp_path, recipe, stages=["autoencoder"], **common)
    with pytest.raises(ValueError, match=r"stage autoencoder before that was trained further; del"):
        train(pack, tmp_path, recipe, **common)
    (tmp_path / "regression.checkpoint").unlink()
    train(pack, tmp_path, recipe, **common)
    assert (tmp_path / "diffusion.checkpoint").exists()
