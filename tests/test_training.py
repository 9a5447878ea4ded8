"""Training: data, degradation, losses, the resumable loop and the recipe, in miniature."""

import numpy as np
import pytest
import torch

from sunpy_superres.datasets.packed import CropSampler, Frame, load_pack, save_pack
from sunpy_superres.instruments.forward import block_mean
from sunpy_superres.models.autoencoder import AutoencoderConfig
from sunpy_superres.models.denoiser import DenoiserConfig
from sunpy_superres.models.regression import RegressionConfig
from sunpy_superres.models.residual_ldm import ResidualLDMConfig
from sunpy_superres.training import progress
from sunpy_superres.training.degradation import DegradationConfig, degrade
from sunpy_superres.training.loop import LoopConfig, optimise, save_checkpoint
from sunpy_superres.training.losses import (
    EDMLoss,
    ScoreConfig,
    ScoreLoss,
    beta_nll,
    reconstruction_loss,
)

TINY = ResidualLDMConfig(
    autoencoder=AutoencoderConfig(4, 4, 8, 1, 1),
    regression=RegressionConfig((8, 8), (1, 1, 1)),
    denoiser=DenoiserConfig((8, 8), (1, 1, 1), 16),
)
EXACT = DegradationConfig(
    blur=(2.78, 2.78), wings=(0.0, 0.0), gain=(1.4, 1.4), weak_excess=(0.0, 0.0),
    noise=(1e-3, 1e-3), noise_slope=0.0, noise_misjudged=0.0, saturation=(9e9, 9e9),
    offset=0.0, limb=0.0, gaps=0.0, resampled=0.0, rotated=0.0,
)  # fmt: skip


def field(seed=0, shape=(150, 170), strength=400.0):
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    return (strength * 8 * ndimage.gaussian_filter(rng.standard_normal(shape), 3)).astype("f4")


@pytest.fixture
def pack(tmp_path):
    frames = [Frame(f"f{i}", f"region{i % 2}", "train", field(i)) for i in range(3)]
    frames.append(Frame("v", "region9", "validation", field(9)))
    save_pack(frames, tmp_path / "pack.safetensors")
    return tmp_path / "pack.safetensors"


def test_pack_round_trip(pack):
    frames = load_pack(pack)
    assert [f.name for f in frames] == ["f0", "f1", "f2", "v"]
    np.testing.assert_allclose(frames[0].field, field(0), atol=0.11)
    assert [f.region for f in load_pack(pack, "validation")] == ["region9"]
    holed = field(0)
    holed[3, 4] = np.nan
    save_pack([Frame("n", "r", "train", holed)], pack)
    np.testing.assert_array_equal(np.isnan(load_pack(pack)[0].field), np.isnan(holed))


def test_pack_keeps_the_sampling(tmp_path):
    nodes = np.linspace(0.3, 1.1, 2 * 6 * 7).reshape(2, 6, 7)
    frames = [Frame("a", "r", "train", field(), nodes), Frame("b", "s", "train", field())]
    save_pack(frames, tmp_path / "p.safetensors")
    one, other = load_pack(tmp_path / "p.safetensors")
    np.testing.assert_allclose(one.foreshortening, nodes, rtol=1e-3)
    assert other.foreshortening is None


def test_a_region_stays_in_one_split(tmp_path):
    frames = [Frame("a", "r", "train", field()), Frame("b", "r", "test", field())]
    with pytest.raises(ValueError, match="one split"):
        save_pack(frames, tmp_path / "p.safetensors")
    assert not list(tmp_path.iterdir())


def test_crops_depend_on_seed_and_step_alone(pack):
    frames = load_pack(pack, "train")
    one, other = CropSampler(frames, 64, 3, seed=1), CropSampler(frames, 64, 3, seed=1)
    one(0), one(1)
    torch.testing.assert_close(one(7)[0], other(7)[0])
    assert one(7)[1].initial_seed() == other(7)[1].initial_seed()
    assert not torch.equal(one(7)[0], one(8)[0])
    assert one(7)[0].shape == (3, 1, 64, 64)


def test_long_series_do_not_dominate():
    """Ten copies of one region weigh as much as the root of ten of another."""
    plus, minus = np.full((80, 80), 1.0, "f4"), np.full((80, 80), 2.0, "f4")
    ramp = np.arange(80, dtype="f4") * 40
    frames = [Frame(str(i), "long", "train", plus * ramp) for i in range(9)]
    frames.append(Frame("x", "short", "train", minus * ramp[::-1] * 100))
    sampler = CropSampler(frames, 40, 400)
    share = (sampler(0)[0].abs().amax(dim=(1, 2, 3)) > 5000).float().mean()
    assert 0.17 < float(share) < 0.33  # 1 / (1 + sqrt 9)


def test_crops_from_small_and_holed_frames():
    small = CropSampler([Frame("s", "r", "train", field(shape=(40, 50)))], 96, 2)
    assert torch.isfinite(small(0)[0]).all()
    nothing = CropSampler([Frame("s", "r", "train", np.full((100, 100), np.nan, "f4"))], 64, 1)
    with pytest.raises(ValueError, match="finite crop"):
        nothing(0)


def test_sampling_turns_with_the_crop():
    """Stripes along y, in a frame whose sides along x grow from left to right."""
    image = np.repeat(1000.0 * np.sin(np.arange(256.0) / 2)[None], 256, axis=0).astype("f4")
    nodes = np.ones((2, 9, 9), "f4")
    nodes[0] = np.linspace(0.2, 0.6, 9)
    crops, _, foreshortening = CropSampler([Frame("s", "r", "train", image, nodes)], 64, 64)(0)
    assert foreshortening.shape == (64, 2, 1, 1)
    along = torch.stack([crops.diff(dim=-1).abs().amax((1, 2, 3)),
                         crops.diff(dim=-2).abs().amax((1, 2, 3))], 1)  # fmt: skip
    foreshortened = foreshortening[:, :, 0, 0] < 1
    torch.testing.assert_close(foreshortened, along > 100)
    assert foreshortened.any(0).all()
    inside = foreshortening[:, :, 0, 0].amin(1)
    assert 0.2 < float(inside.min()) < 0.3
    assert 0.5 < float(inside.max()) < 0.6


def test_wings_take_their_share_of_the_light():
    """A point: the light beyond 3 MDI pixels is what the wider Gaussian has there."""
    crops = torch.zeros(64, 1, 160, 160)
    crops[..., 80, 80] = 1e4
    settings = {"wings": (0.2, 0.2), "wing_blur": (2.0, 2.0)}
    config = DegradationConfig(**{**EXACT.__dict__, **settings})
    batch = degrade(crops, config, torch.Generator().manual_seed(5), 16)
    light = batch.frame / 1.4
    torch.testing.assert_close(light.sum((1, 2, 3)), torch.full((64,), 1e4 / 16), rtol=0.01, atol=0)
    y = torch.arange(32) - 15.9  # the point lies in pixel 16, 1/8 to the left of its middle
    far = torch.hypot(y[:, None], y) > 3.5
    outside = (light * far).sum((1, 2, 3)) / light.sum((1, 2, 3))
    expected = 0.2 * np.exp(-(3.5**2) / (2 * (2.0**2 + 1 / 12)))
    with_wings = outside > expected / 2
    assert 16 < int(with_wings.sum()) < 48
    torch.testing.assert_close(
        outside[with_wings].mean(), torch.tensor(expected, dtype=torch.float32), rtol=0.1, atol=0
    )
    assert float(outside[~with_wings].max()) < 1e-3


def test_degradation_is_blur_average_and_gain():
    """A broad structure keeps its mean; only the factor 1.4 is left."""
    from scipy import ndimage

    crops = torch.from_numpy(field(shape=(128, 128)))[None, None]
    batch = degrade(crops, EXACT, torch.Generator().manual_seed(0), 16)
    assert batch.frame.shape == (1, 1, 24, 24)
    assert batch.target.shape == (1, 1, 96, 96)
    torch.testing.assert_close(batch.target, crops[..., 16:-16, 16:-16])
    expected = ndimage.gaussian_filter(crops[0, 0].numpy(), 2.78)
    expected = block_mean(torch.from_numpy(expected)[None, None])[..., 4:-4, 4:-4] * 1.4
    torch.testing.assert_close(batch.frame, expected, atol=0.05, rtol=1e-3)


def test_noise_is_as_told():
    config = DegradationConfig(**{**EXACT.__dict__, "noise": (10.0, 30.0)})
    batch = degrade(torch.zeros(12, 1, 160, 160), config, torch.Generator().manual_seed(1), 16)
    measured = batch.frame.std(dim=(1, 2, 3))
    np.testing.assert_allclose(measured, batch.noise[..., 0, 0].flatten(), rtol=0.12)
    assert float(batch.noise.min()) >= 10
    assert float(batch.noise.max()) <= 30.1


def test_noise_grows_across_a_crop_as_told():
    """Frames of zero field, whose local spread follows the level that the network is told."""
    config = DegradationConfig(**{**EXACT.__dict__, "noise": (20.0, 20.0), "noise_slope": 0.5})
    batch = degrade(torch.zeros(24, 1, 288, 288), config, torch.Generator().manual_seed(3), 16)
    assert batch.noise.shape == batch.frame.shape
    edges = batch.noise[..., :16, :16].mean((1, 2, 3)) / batch.noise[..., -16:, -16:].mean(
        (1, 2, 3)
    )
    assert float(edges.log().std()) > 0.4
    scaled = batch.frame / batch.noise
    for corner in (scaled[..., :16, :16], scaled[..., -16:, -16:]):
        assert float(corner.std()) == pytest.approx(1, abs=0.05)


def test_resampled_frames_stay_registered_and_are_told_less_noise():
    crops = torch.from_numpy(field(shape=(192, 192)))[None, None].expand(8, -1, -1, -1)
    config = DegradationConfig(**{**EXACT.__dict__, "resampled": 1.0})
    batch = degrade(crops, config, torch.Generator().manual_seed(2), 16)
    plain = degrade(crops, EXACT, torch.Generator().manual_seed(2), 16)
    for one, other in zip(batch.frame, plain.frame, strict=True):
        together = torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1]
        assert together > 0.98
        for axis in (-1, -2):
            moved = torch.stack([one.roll(1, axis).flatten(), other.flatten()])
            assert torch.corrcoef(moved)[0, 1] < together
    assert float(batch.noise.min()) < 0.5e-3
    assert float(batch.noise.max()) <= 1e-3 + 1e-9


def rotated(crops, seed=0, **settings):
    settings = {"rotated": 1.0, "gain": (1.0, 1.0)} | settings
    config = DegradationConfig(**{**EXACT.__dict__, **settings})
    return degrade(crops, config, torch.Generator().manual_seed(seed), 16)


@pytest.mark.parametrize("axis", [0, 1])
def test_rotated_frames_stay_registered(axis):
    """A ramp of 1 G per MDI pixel: bilinear frames follow it, nearest ones jump by half a pixel."""
    ramp = torch.meshgrid(torch.arange(160.0), torch.arange(160.0), indexing="ij")[axis] / 4
    crops = ramp[None, None].expand(12, -1, -1, -1)
    smooth = rotated(crops, nearest=0.0, wings=(0.0, 0.2), noise=(1e-6, 1e-6))
    error = (smooth.frame - block_mean(smooth.target))[..., 5:-5, 5:-5]  # wings reach the edges
    assert float(error.abs().max()) < 1e-4
    coarse = rotated(crops, nearest=1.0, noise=(1e-6, 1e-6))
    error = coarse.frame - block_mean(coarse.target)
    assert 0.45 < float(error.abs().max()) < 0.74  # the half diagonal of a pixel stretched by 3 %
    assert float(error.std()) == pytest.approx(12**-0.5, rel=0.08)
    assert float(error.mean()) == pytest.approx(0, abs=0.08)


@pytest.mark.parametrize("nearest", [0.0, 1.0])
def test_noise_of_rotated_frames_is_told_as_it_is_measured(nearest):
    from sunpy_superres.maps.noise import estimate_noise

    batch = rotated(torch.zeros(8, 1, 544, 544), 3, nearest=nearest, noise=(40.0, 40.0))
    frames, told = batch.frame[:, 0].numpy() / 4, batch.noise.amax((1, 2, 3)) / 4
    measured = [estimate_noise(frame, np.ones(frame.shape, bool)) for frame in frames]
    np.testing.assert_allclose(measured, told, rtol=0.09)
    spread = batch.frame.std(dim=(1, 2, 3)) / 40
    assert float(spread.mean()) == pytest.approx(1 if nearest else 2 / 3, abs=0.03)


def test_told_noise_of_rotated_frames_has_the_least_of_real_ones():
    batch = rotated(torch.zeros(8, 1, 96, 96), nearest=0.0, noise=(10.0, 10.0))
    assert float(batch.noise.min()) == float(batch.noise.max()) == 9.0


def test_frames_that_are_not_rotated_do_not_depend_on_the_share():
    crops = torch.from_numpy(field(shape=(160, 160)))[None, None].expand(32, -1, -1, -1)
    settings = {"limb": 0.5, "gaps": 0.5, "resampled": 0.5, "noise": (6.0, 30.0)}
    plain, some = (rotated(crops, 5, **settings, rotated=share) for share in (0.0, 0.3))
    same = [torch.equal(one, other) for one, other in zip(plain.frame, some.frame, strict=True)]
    assert 8 < sum(same) < 30
    torch.testing.assert_close(plain.target, some.target, rtol=0, atol=0)
    for one, other, kept in zip(plain.noise, some.noise, same, strict=True):
        assert torch.equal(one, other) == kept


def test_limb_and_gaps_of_rotated_frames_are_masked():
    """What is left is 100 G: no pixel off the disk was mixed in."""
    for nearest in (0.0, 1.0):
        crops = torch.full((12, 1, 160, 160), 100.0)
        batch = rotated(crops, 3, nearest=nearest, limb=1.0, gaps=0.3)
        assert 0.2 < float(batch.mask.mean()) < 0.9
        assert set(batch.mask.unique().tolist()) == {0.0, 1.0}
        assert float(batch.frame[batch.mask == 0].abs().max()) == 0
        values = batch.frame[batch.mask == 1]
        torch.testing.assert_close(values, torch.full_like(values, 100.0), atol=0.1, rtol=0)


def test_limb_and_gaps_are_masked_and_empty():
    config = DegradationConfig(**{**EXACT.__dict__, "limb": 1.0, "gaps": 1.0})
    batch = degrade(
        torch.full((6, 1, 160, 160), 100.0), config, torch.Generator().manual_seed(3), 16
    )
    assert 0.2 < float(batch.mask.mean()) < 0.9
    assert float(batch.frame[batch.mask == 0].abs().max()) == 0
    assert float(batch.target.min()) == 0
    inside = torch.nn.functional.max_pool2d(1 - batch.mask, 9, 1, 4) == 0
    torch.testing.assert_close(
        batch.frame[inside], torch.full_like(batch.frame[inside], 140.0), atol=0.1, rtol=0
    )


def test_beta_nll_is_minimal_at_mean_and_standard_deviation():
    generator = torch.Generator().manual_seed(0)
    target = 3 + 2 * torch.randn(4, 1, 50, 50, generator=generator)
    weight = torch.ones(4, 1, 50, 50)

    def loss(mean, scale):
        # beta = 0 is the likelihood itself
        shape = torch.ones_like(target)
        return float(beta_nll(mean * shape, scale * shape, target, weight, beta=0.0))

    best = loss(3.0, 2.0)
    assert all(best < loss(*p) for p in ((3.3, 2.0), (2.7, 2.0), (3.0, 2.2), (3.0, 1.8)))
    weight[:, :, :25] = 0
    target[:, :, :25] = 1e6
    assert loss(3.0, 2.0) == pytest.approx(best, abs=0.05)


def test_edm_loss_of_the_best_denoiser_and_of_none():
    """For standard normal data D = x / (1 + sigma^2) has the weighted loss 1."""
    generator = torch.Generator().manual_seed(0)
    clean = torch.randn(64, 1, 16, 16, generator=generator)
    weight = torch.ones(64, 1, 16, 16)

    def best(noisy, sigma):
        return noisy / (1 + sigma[:, None, None, None] ** 2)

    edm = EDMLoss()
    assert float(edm(best, clean, weight, torch.Generator().manual_seed(1))) == pytest.approx(
        1.0, abs=0.05
    )
    worse = edm(lambda noisy, sigma: noisy, clean, weight, torch.Generator().manual_seed(1))
    assert float(worse) > 1.5


def _smooth_fields(n, generator):
    """Fields with neighbours that hang together: unit variance, four times averaged."""
    white = torch.randn(n, 1, 40, 40, generator=generator)
    smooth = torch.nn.functional.avg_pool2d(white, 5, stride=1, padding=2)[..., 4:-4, 4:-4]
    return smooth / smooth.std()


def _score(members, truth, **settings):
    loss = ScoreLoss(ScoreConfig(**settings))
    return float(loss(members, truth, torch.ones_like(truth)))


@pytest.mark.parametrize("patches", [(4, 2, 1, 1), (1, 1, 1, 1)])
def test_the_score_is_best_for_members_like_the_truth(patches):
    """Neither too little nor too much spread, no bias, and the truth's own spectrum."""
    generator = torch.Generator().manual_seed(0)
    settings = {"patches": patches, "weights": (1.0,) * 4, "alpha": 1.0}
    truth = _smooth_fields(200, generator)
    members = _smooth_fields(400, generator).unflatten(0, (2, 200))
    best = _score(members, truth, **settings)
    white = torch.randn(members.shape, generator=generator)
    for worse in (0.7 * members, 1.3 * members, members + 0.3, white, white.abs()):
        assert _score(worse, truth, **settings) > best + 0.005


def test_the_fair_score_does_not_depend_on_the_number_of_members():
    generator = torch.Generator().manual_seed(1)
    truth = _smooth_fields(300, generator)
    many = _smooth_fields(1800, generator).unflatten(0, (6, 300))
    fair = [_score(many[:m], truth, alpha=1.0) for m in (2, 6)]
    assert fair[0] == pytest.approx(fair[1], rel=0.01)
    # Of one pixel and two members, by hand: |1 - 3| and |6 - 3|, and 5 between the two.
    single = {"patches": (1,), "weights": (0.0,)}
    members, truth = torch.tensor([1.0, 6.0])[:, None, None, None, None], torch.full((1,) * 4, 3.0)
    assert _score(members, truth, alpha=1.0, **single) == pytest.approx(2.5 - 2.5)
    assert _score(members, truth, alpha=0.0, **single) == pytest.approx(2.5 - 1.25)


def test_the_score_ignores_pixels_without_weight():
    generator = torch.Generator().manual_seed(2)
    truth, members = _smooth_fields(3, generator), _smooth_fields(6, generator)
    members, weight = members.unflatten(0, (2, 3)), torch.ones_like(truth)
    weight[..., :16] = 0
    loss = ScoreLoss(ScoreConfig(patches=(4, 2, 1), weights=(1.0, 2.0, 3.0)))
    before = float(loss(members, truth, weight))
    truth[..., :16], members[..., :16] = 0, 0  # as off the disk
    assert float(loss(members, truth, weight)) == pytest.approx(before, rel=0.05)
    truth[..., 16:] += 1
    assert float(loss(members, truth, weight)) > 1.2 * before


def test_bands_add_up_to_the_field():
    field = _smooth_fields(2, torch.Generator().manual_seed(3))
    loss = ScoreLoss()
    total = 0
    for band in loss.bands(field):
        total = total + torch.nn.functional.interpolate(band, size=(32, 32), mode="nearest")
    torch.testing.assert_close(total, field)
    assert loss.coarsest == 16


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"members": 1}, "at least 2"),
        ({"weights": (1.0,)}, "one of each"),
        ({"alpha": 1.5}, "alpha must lie from 0 to 1"),
        ({"diffusion_share": -0.1}, "diffusion_share must lie"),
    ],
)
def test_settings_of_the_score_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        ScoreConfig(**settings)


def test_reconstruction_loss_counts_absolute_and_squared_error():
    a, b = torch.zeros(1, 1, 2, 2), torch.tensor([[[[2.0, 0.0], [0.0, 0.0]]]])
    assert float(reconstruction_loss(a, b)) == pytest.approx(0.5 + 0.5 * 1.0)


def _problem():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.SiLU(), torch.nn.Linear(8, 1))

    def loss(step):
        x = torch.randn(16, 3, generator=torch.Generator().manual_seed(step))
        return (module(x) - x.sum(1, keepdim=True)).square().mean()

    return module, loss


def test_resumed_training_equals_uninterrupted(tmp_path):
    config = LoopConfig(steps=30, warmup=5, learning_rate=1e-2)
    module, loss = _problem()
    whole, steps = optimise(module, loss, config)
    assert steps == 30

    class Killed(Exception):
        pass

    def kill(step, value):
        if step == 17:
            raise Killed

    checkpoint = tmp_path / "c.checkpoint"
    eager = LoopConfig(**{**config.__dict__, "checkpoint_minutes": 0.0})
    module, loss = _problem()
    with pytest.raises(Killed):
        optimise(module, loss, eager, checkpoint, kill)
    module, loss = _problem()
    resumed, steps = optimise(module, loss, config, checkpoint)
    assert steps == 30
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_training_lowers_the_loss_and_averages(tmp_path):
    module, loss = _problem()
    before = float(loss(999).detach())
    seen = []
    averaged, _ = optimise(
        module,
        loss,
        LoopConfig(steps=150, warmup=5, learning_rate=2e-2),
        report=lambda step, value: seen.append(value),
    )
    assert float(loss(999).detach()) < 0.2 * before
    assert len(seen) == 150
    differs = [
        not torch.equal(a, b)
        for a, b in zip(module.parameters(), averaged.parameters(), strict=True)
    ]
    assert any(differs)


def test_time_limit_stops_with_a_checkpoint(tmp_path):
    module, loss = _problem()
    _, steps = optimise(module, loss, LoopConfig(steps=10**6), tmp_path / "c", seconds=0.05)
    assert 0 < steps < 10**6
    assert torch.load(tmp_path / "c", weights_only=True)["step"] == steps


def test_failed_checkpoint_keeps_the_old_one(tmp_path):
    path = tmp_path / "c"
    save_checkpoint(path, {"step": 1})
    with pytest.raises(Exception, match=r".*"):
        save_checkpoint(path, {"step": lambda: None})
    assert torch.load(path, weights_only=True) == {"step": 1}


def test_learning_rate_warms_up_and_falls():
    config = LoopConfig(steps=100, warmup=10, learning_rate=1.0)
    assert config.rate(0) == pytest.approx(0.1)
    assert config.rate(9) == pytest.approx(1.0)
    assert config.rate(99) < 0.03


@pytest.mark.parametrize("tqdm", [None, progress.tqdm])
def test_progress_without_bars(tqdm, monkeypatch, capsys):
    """Without tqdm, or in a file, which is what stderr is here: lines, and no bar."""
    monkeypatch.setattr(progress, "tqdm", tqdm)
    with progress.progress_bar(500, "diffusion", True) as bar:
        for _ in range(500):
            bar.set_postfix(loss="0.5")
            bar.update(1)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"diffusion {50 * i}/500 loss 0.5" for i in range(1, 11)]
