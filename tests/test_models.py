"""The networks: receptive fields, preconditioning, round trip."""

import pytest
import torch

from sunpy_superres.models.autoencoder import Autoencoder, AutoencoderConfig
from sunpy_superres.models.denoiser import Denoiser, DenoiserConfig, EDMPreconditioner
from sunpy_superres.models.residual_ldm import ResidualLDM, ResidualLDMConfig
from sunpy_superres.models.unet import UNet


def randomised(module, seed=0):
    """All weights random, so that no zero start hides a path."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return module.double()


def reach(function, shape, factor=1):
    """Largest distance, in input pixels, over which an input pixel changes the output."""
    x = torch.zeros(shape, dtype=torch.float64)
    middle = shape[-1] // 2
    before = function(x)
    x[..., middle, middle] = 1.0
    changed = (function(x) - before).abs().amax(dim=(0, 1)) > 0
    rows = changed.any(1).nonzero().flatten() // factor
    return int(max(middle - rows.min(), rows.max() - middle))


def test_unet_halo_covers_the_receptive_field():
    net = randomised(UNet(2, 1, (4, 6), (1, 2, 1)))
    found = reach(net, (1, 2, 64, 64))
    assert found <= net.halo <= found + 3


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_unet_gives_the_same_with_and_without_gradients(layout):
    """Without gradients memory is written again, and features may come in half precision."""
    torch.manual_seed(0)
    net = UNet(3, 4, (6, 8), (1, 2, 1), embedding=5)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    net = net.to(memory_format=layout)
    x, embedding, added = torch.randn(2, 3, 12, 8), torch.randn(2, 5), torch.randn(2, 6, 12, 8)
    added = added.half()
    expected = net(x.to(memory_format=layout), embedding, added.float())
    with torch.no_grad():
        found = net(x.to(memory_format=layout), embedding, added)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.1


@pytest.mark.parametrize("channels_out", [0, 3])
def test_unet_without_a_margin_gives_the_same_inside(channels_out):
    """What is cut off on the way is what the inner pixels do not read; 0 at a frame's own edge."""
    net = randomised(UNet(2, channels_out, (4, 6), (1, 2, 1))).double()
    x = torch.randn(1, 2, 64, 72, dtype=torch.float64)
    whole, sizes = net(x), []
    net.after[0].register_forward_hook(lambda _, inputs, out: sizes.append(out.shape[-2:]))
    for margin in ((0, 16, 18, 0), (20, 2, 0, 24), (16, 16, 16, 16)):
        above, below, left, right = margin
        expected = whole[..., above : 64 - below, left : 72 - right]
        torch.testing.assert_close(net(x, margin=margin), expected)
    # The last blocks have read two pixels more than is returned, and one for the head.
    assert sizes[-1] == ((32 + 8, 40 + 8) if channels_out else (32 + 4, 40 + 4))


def test_denoiser_halo_covers_the_receptive_field():
    net = randomised(Denoiser(2, 3, DenoiserConfig((4, 6), (1, 1, 1), 8)))
    prepared = net.prepare(torch.zeros(1, 3, 64, 64, dtype=torch.float64))
    sigma = torch.zeros(1, dtype=torch.float64)
    found = reach(lambda x: net(x, sigma, prepared), (1, 2, 64, 64))
    assert found <= net.halo <= found + 3


def test_autoencoder_halos_cover_the_receptive_fields():
    net = randomised(Autoencoder(AutoencoderConfig(4, 3, 4, 1, 2)))
    assert reach(net.decode, (1, 3, 48, 48), factor=4) == net.decoder_halo


def test_condition_halo_covers_the_receptive_field():
    config = ResidualLDMConfig.from_dict(
        {
            "autoencoder": {"latent_channels": 3, "width": 4, "decoder_blocks": 1},
            "regression": {"widths": [4, 6], "blocks": [1, 1, 1]},
            "denoiser": {"widths": [4, 6], "blocks": [1, 1, 1], "embedding": 8},
        }
    )
    model = randomised(ResidualLDM(config))
    ones = torch.ones(1, 1, 96, 96, dtype=torch.float64)
    found = reach(lambda x: model.condition(100 * x, ones, 10 * ones).mean, (1, 1, 96, 96))
    assert found <= model.condition_halo <= found + 5


def test_only_models_with_sampling_look_at_it():
    """They take its logarithm, per pixel or one for all; without it the sides are 1."""
    sizes = {
        "autoencoder": {"latent_channels": 3, "width": 4, "decoder_blocks": 1},
        "regression": {"widths": [4, 6], "blocks": [1, 1, 1]},
        "denoiser": {"widths": [4, 6], "blocks": [1, 1, 1], "embedding": 8},
    }
    frame = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(1)).double() * 100
    inputs = (frame, torch.ones_like(frame), torch.full((2, 1, 1, 1), 10.0).double())
    sides = torch.tensor([0.5, 1.0]).double()[None, :, None, None]
    for told in (False, True):
        model = randomised(
            ResidualLDM(ResidualLDMConfig.from_dict({**sizes, "foreshortening": told}))
        )
        plain = model.condition(*inputs)
        one = model.condition(*inputs, sides)
        torch.testing.assert_close(one.features, model.condition(
            *inputs, sides.expand(2, 2, 16, 16)).features)  # fmt: skip
        torch.testing.assert_close(plain.mean, model.condition(*inputs, sides / sides).mean)
        assert torch.equal(plain.mean, one.mean) != told
        assert torch.equal(plain.features, one.features) != told


def test_linear_basis_is_the_best_for_its_number_of_channels():
    """With as many channels as pixels nothing is lost; with fewer, the principal part stays."""
    generator = torch.Generator().manual_seed(1)
    fields = torch.randn(6, 1, 32, 32, generator=generator).cumsum(-1)
    full = Autoencoder(AutoencoderConfig(4, 16, 4, 0, 0))
    full.set_linear_basis(fields)
    torch.testing.assert_close(full(fields), fields, atol=1e-4, rtol=1e-4)
    errors = []
    for channels in (2, 8):
        small = Autoencoder(AutoencoderConfig(4, channels, 4, 0, 0))
        small.set_linear_basis(fields)
        errors.append(float((small(fields) - fields).square().mean().detach()))
    blocks = torch.nn.functional.pixel_unshuffle(fields.double(), 4).movedim(1, -1).reshape(-1, 16)
    values = torch.linalg.eigvalsh(blocks.T @ blocks / len(blocks))
    assert errors == pytest.approx(
        [float(values[:14].sum() / 16), float(values[:8].sum() / 16)], rel=1e-3
    )


def test_preconditioner_returns_its_input_without_noise_and_zero_mean_far_away():
    """c_skip goes from 1 to 0, and c_out from 0 to sigma_data."""

    class Ones(torch.nn.Module):
        def forward(self, x, c_noise, prepared, margin):
            return torch.ones_like(x)

    denoise = EDMPreconditioner(Ones())
    x = torch.full((2, 1, 2, 2), 3.0)
    out = denoise(x, torch.tensor([1e-4, 1e4]), torch.zeros(2, 1, 2, 2))
    torch.testing.assert_close(out[0], x[0], atol=1e-3, rtol=0)
    torch.testing.assert_close(out[1], torch.ones(1, 2, 2), atol=1e-3, rtol=0)


def test_configuration_survives_json():
    import json

    config = ResidualLDMConfig(gain=1.3, denoiser=DenoiserConfig((8, 12), (1, 1, 1), 16))
    assert ResidualLDMConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_calibrated_interpolation_of_a_uniform_frame():
    """MDI reads gain times HMI's field; the baseline takes it out again."""
    from sunpy_superres.instruments.forward import gain_response

    model = ResidualLDM()
    c = model.config
    field = torch.full((1, 1, 8, 8), 150.0)
    reading = gain_response(field, c.gain, c.weak_excess, c.weak_scale)
    assert float(reading[0, 0, 0, 0]) > 1.4 * 150
    out = model.interpolate(reading)
    assert out.shape == (1, 1, 32, 32)
    torch.testing.assert_close(out, torch.full_like(out, 150.0), rtol=1e-4, atol=0)


def test_strong_fields_survive_bfloat16():
    """The linear maps stay in full precision: eight bits would round 2500 G by up to 8 G."""
    from sunpy_superres import load_model

    network = load_model().network
    rows = torch.linspace(-3000, 3000, 128)[:, None]
    field = (rows + 200 * torch.sin(torch.arange(128) / 9.0))[None, None]
    plain = network.decode(network.autoencoder.encode(field / 200.0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = network.decode(network.autoencoder.encode(field / 200.0))
    assert half.dtype == torch.float32
    assert float((half - plain).abs().max()) < 4
    assert float((half - plain).square().mean().sqrt()) < 1
