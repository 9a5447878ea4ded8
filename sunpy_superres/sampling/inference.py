"""From a checked frame to an ensemble of fields: condition, solve, decode, make consistent."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np
import torch
from tqdm.auto import tqdm

from sunpy_superres.instruments.forward import blurred_mean
from sunpy_superres.sampling.consistency import enforce_consistency, reduced_chi_square
from sunpy_superres.sampling.schedule import angle_schedule, solve
from sunpy_superres.sampling.tiling import apply_tiled, make_tiles

__all__ = ["Ensemble", "default_dtype", "draw_ensemble"]

#: MDI pixels along the side of a tile; small ones stay in the processor's cache and need less
#: fresh memory, large ones fill a GPU.
_TILE = {"cpu": 256, "cuda": 512}
#: MDI Gauss; the instruments of the training read up to 4500 G, and no MDI much more.
_LARGEST_READING = 5000.0
#: MDI pixels beyond the limb in which the latent is still drawn.
_MARGIN = 8


class Ensemble(NamedTuple):
    """
    What `draw_ensemble` returns.

    Parameters
    ----------
    images : numpy.ndarray
        HMI Gauss, float32, ``(n + 2, 4 ny, 4 nx)``: the members, then the mean and the
        standard deviation that the regression foretells.
    chi_square : float
        Mean reduced chi-square of the members observed through MDI.
    """

    images: np.ndarray
    chi_square: float


def default_dtype(device) -> torch.dtype:
    """bfloat16 where the processor computes in it, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    fast = any(
        getattr(torch.cpu, name, lambda: False)()
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return torch.bfloat16 if fast else torch.float32


def _resolve(device, dtype):
    try:
        device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"The device {device!r} cannot be used ({str(error).splitlines()[0]}); "
            "give 'cpu', or 'cuda' where there is a GPU."
        ) from error
    if dtype is None:
        return device, default_dtype(device)
    resolved = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if resolved not in (torch.float32, torch.bfloat16):
        raise ValueError(f"dtype must be 'float32' or 'bfloat16', not {dtype!r}.")
    return device, resolved


def _member_noise(seed, member, shape):
    """Standard normal field of one member, on the CPU: the same on every machine."""
    state = np.random.SeedSequence([seed, member]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state) >> 1)
    return torch.randn(shape, generator=generator)


def _to_even(values, fill=0):
    """As a (1, 1, ny, nx) tensor with even sides, filled up at the upper and right edge."""
    pad = [(0, n % 2) for n in values.shape]
    return torch.from_numpy(np.pad(values, pad, constant_values=fill).astype(np.float32))[
        None, None
    ]


@torch.inference_mode()
def draw_ensemble(
    model,
    magnetogram,
    on_disk,
    *,
    instrument,
    plate_scale,
    n_samples,
    num_steps,
    seed,
    device=None,
    dtype=None,
    tile_size=None,
    batch_size=None,
    progress=True,
) -> Ensemble:
    """
    Draw HMI-like fields given an MDI frame.

    Parameters
    ----------
    model : `~sunpy_superres.models.loading.Model`
    magnetogram : `~sunpy_superres.maps.magnetogram.Magnetogram`
    on_disk : numpy.ndarray of bool
        Of the fine grid, ``(4 ny, 4 nx)``.
    instrument : `~sunpy_superres.instruments.Instrument`
        What the frame was observed with.
    plate_scale : float
        Of the fine grid, arcsec per pixel.
    n_samples, num_steps, seed, device, dtype, tile_size, batch_size, progress
        As in `~sunpy_superres.super_resolve`.

    Returns
    -------
    Ensemble
    """
    device, dtype = _resolve(device, dtype)
    network = model.network
    if device != torch.device("cpu"):
        network = copy.deepcopy(network).to(device)
    factor = network.factor
    ny, nx = magnetogram.frame.shape
    frame, good, noise = (
        _to_even(a, fill)
        for a, fill in ((magnetogram.frame, 0), (magnetogram.good, 0), (magnetogram.noise, 1))
    )
    # Beyond what the training drew the networks would go on at random.
    frame = frame.clamp(-_LARGEST_READING, _LARGEST_READING)
    inputs = [frame, good, noise]
    if magnetogram.foreshortening is not None:
        inputs.append(torch.cat([_to_even(side, 1) for side in magnetogram.foreshortening], dim=1))
    size = frame.shape[-2:]
    disk = _to_even(on_disk)
    disk = torch.nn.functional.pad(
        disk, (0, factor * size[1] - disk.shape[-1], 0, factor * size[0] - disk.shape[-2])
    )
    # The disk and a margin, as the training had it.  Outside everything is zero, whatever
    # the tiles, so that what one tile sees of another does not depend on them.
    inside = torch.nn.functional.max_pool2d(disk, factor)
    inside = torch.nn.functional.max_pool2d(inside, 2 * _MARGIN + 1, 1, _MARGIN)
    needed = inside[0, 0].numpy() > 0
    tile_size = (tile_size or _TILE.get(device.type, 256)) // 2 * 2
    batch_size = batch_size or (n_samples if device.type == "cuda" else 1)
    autocast = torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)

    if not network.stochastic:
        return _predicted(
            network, magnetogram, inputs, disk, needed,
            instrument, plate_scale, device, autocast, tile_size, progress,
        )  # fmt: skip
    channels = network.latent_channels
    denoise_tiles = make_tiles(needed, tile_size, network.denoiser_halo)
    decode_tiles = make_tiles(needed, tile_size // 2 // 2 * 2, network.autoencoder.decoder_halo)
    bar = tqdm(
        total=n_samples * num_steps * len(denoise_tiles) + (n_samples + 1) * len(decode_tiles),
        desc="super-resolving",
        unit="tile",
        disable=not progress,
        leave=False,
    )

    def condition_of(*inputs):
        with autocast:
            condition = network.condition(*(x.to(device) for x in inputs))
            prepared = network.denoiser.network.prepare(condition.features)
        return torch.cat([condition.mean, condition.scale, prepared.float()], dim=1)

    with bar:
        width = 2 * channels + network.config.denoiser.widths[0]
        store = torch.zeros((1, width, *size)).to(memory_format=torch.channels_last)
        halo = network.condition_halo + 2
        apply_tiled(condition_of, inputs, make_tiles(needed, tile_size, halo), store)
        store *= inside
        mean, scale, prepared = store.split([channels, channels, width - 2 * channels], dim=1)
        images = np.empty((n_samples + 2, factor * ny, factor * nx), np.float32)
        chi_squares = []
        sampler = model.config["sampler"]
        sigmas = angle_schedule(num_steps, sampler["sigma_max"], sampler["power"])
        visible_fraction = blurred_mean(disk, instrument, plate_scale)
        observation = (frame, good, noise, instrument, plate_scale, visible_fraction)

        def decode(z):
            bar.update(1)
            with autocast:
                return network.decode(z.to(device))

        def field_of(latent):
            """Decoded, zero off the disk, and in agreement with the frame."""
            field = torch.zeros((1, 1, factor * size[0], factor * size[1]))
            apply_tiled(decode, [latent], decode_tiles, field, factor)
            return enforce_consistency(field * disk, *observation, disk=disk)

        for first in range(0, n_samples, batch_size):
            chosen = range(first, min(first + batch_size, n_samples))
            start = torch.stack([_member_noise(seed, i, (channels, *size)) for i in chosen])
            start = start.to(memory_format=torch.channels_last)

            def one_tile(noisy, features, level):
                bar.update(len(noisy))
                features = features.to(device).expand(len(noisy), -1, -1, -1)
                with autocast:
                    return network.denoiser(noisy.to(device), level.flatten().to(device), features)

            def denoise(x, sigma):
                level = torch.full((len(x), 1, 1, 1), sigma)
                clean = torch.zeros_like(x)
                apply_tiled(one_tile, [x, prepared, level], denoise_tiles, clean)
                return clean * inside

            latent = mean + scale * solve(denoise, start, sigmas)
            for row, number in enumerate(chosen):
                field = field_of(latent[row : row + 1])
                chi_squares.append(float(reduced_chi_square(field, *observation)))
                images[number] = _cropped(field, factor, ny, nx)
        images[-2] = _cropped(field_of(mean), factor, ny, nx)
        spread = network.autoencoder.decoded_std(scale.to(device)).cpu()
        images[-1] = _cropped(spread * network.config.field_scale, factor, ny, nx)
    return Ensemble(images, float(np.mean(chi_squares)))


def _cropped(field, factor, ny, nx):
    """Without the pixels that made the sides even, as an array."""
    return field[0, 0, : factor * ny, : factor * nx].float().numpy()


def _predicted(
    network, magnetogram, inputs, disk, needed,
    instrument, plate_scale, device, autocast, tile_size, progress,
):  # fmt: skip
    """`Ensemble` of a deterministic network: its one field, and a spread of 1 G to calibrate."""
    factor = network.factor
    tiles = make_tiles(needed, tile_size // 2 // 2 * 2, network.halo)
    size = inputs[0].shape[-2:]
    bar = tqdm(total=len(tiles), desc="super-resolving", unit="tile", disable=not progress,
               leave=False)  # fmt: skip

    def predict(*pieces):
        bar.update(1)
        with autocast:
            return network.predict(*(x.to(device) for x in pieces))

    with bar:
        field = torch.zeros((1, 1, factor * size[0], factor * size[1]))
        apply_tiled(predict, inputs, tiles, field, factor)
        field = field * disk
        visible_fraction = blurred_mean(disk, instrument, plate_scale)
        frame, good, noise = inputs[:3]
        chi_square = reduced_chi_square(
            field, frame, good, noise, instrument, plate_scale, visible_fraction
        )
    ny, nx = magnetogram.frame.shape
    image = _cropped(field, factor, ny, nx)
    return Ensemble(np.stack([image, image, np.ones_like(image)]), float(chi_square[0]))
