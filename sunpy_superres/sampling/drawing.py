"""Draw an ensemble of fields for an observation: prepare, draw, make consistent."""

from __future__ import annotations

import copy
import functools

import numpy as np
import torch
from torch.profiler import record_function
from tqdm.auto import tqdm

from sunpy_superres.instruments import FACTOR
from sunpy_superres.progress import shows_bars
from sunpy_superres.sampling.consistency import Corrector, reduced_chi_square
from sunpy_superres.sampling.ensemble import Ensemble
from sunpy_superres.sampling.memory import return_memory
from sunpy_superres.sampling.schedule import SolverSettings, solve
from sunpy_superres.sampling.sun_noise import SunNoise
from sunpy_superres.sampling.tiling import TiledEvaluation

__all__ = ["choose_dtype", "describe_device", "draw_ensemble"]

#: MDI pixels along the side of a tile: small tiles stay in the processor's cache and need less
#: new memory, large ones keep a GPU busy.
_TILE = {"cpu": 512, "cuda": 512}
#: Fine pixels whose noise on the Sun is drawn together, of one member or of several: each takes
#: memory, and the first most of the time.  Four members of a full disk.
_NOISE_PIXELS = 2**26


def choose_dtype(device) -> torch.dtype:
    """Return bfloat16 if the device computes in it by hardware, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    fast = any(
        getattr(torch.cpu, name, lambda: False)()
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return torch.bfloat16 if fast else torch.float32


def _check_device(device, dtype):
    """Return the device and the number format of torch that a user asked for, or the default."""
    try:
        device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"The device {device!r} cannot be used ({str(error).splitlines()[0]}); "
            "give 'cpu', or 'cuda' where there is a GPU."
        ) from error
    if dtype is None:
        return device, choose_dtype(device)
    resolved = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if resolved not in (torch.float32, torch.bfloat16):
        raise ValueError(f"dtype must be 'float32' or 'bfloat16', not {dtype!r}.")
    return device, resolved


def describe_device(device, dtype) -> tuple[str, str]:
    """
    Name the kind of device and the number format that a draw uses.

    Parameters
    ----------
    device, dtype : str or None
        As in `~sunpy_superres.super_resolve`.

    Returns
    -------
    device : str
        "cpu" or "cuda".
    dtype : str
        "float32" or "bfloat16".
    """
    device, dtype = _check_device(device, dtype)
    return device.type, str(dtype).removeprefix("torch.")


def _array_noise(seed, member, shape):
    """Draw standard normal numbers tied to the array, on the CPU: the same on every machine."""
    state = np.random.SeedSequence([seed, member]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state) >> 1)
    return torch.randn(shape, generator=generator)


def _noise_source(network, observation, options):
    """Make a function of members that draws their noise, ``(members, noise_channels, ny, nx)``."""
    size = observation.frame.shape[-2:]
    shape = (network.noise_channels, *size)
    if not network.noise_channels:
        return lambda members: torch.empty(len(members), *shape)
    if options.noise == "array":

        def draw(members):
            return [_array_noise(options.seed, member, shape) for member in members]

    else:
        on_the_sun = SunNoise(observation.grid, options.seed, options.lifetime)

        def project(fine):
            # Rows and columns that only make the sides even.
            pad = [(0, FACTOR * n - m) for n, m in zip(size, fine.shape, strict=True)]
            fine = torch.from_numpy(np.pad(fine, pad) if np.any(pad) else fine)
            return network.project_noise(fine[None, None])[0]

        def draw(members):
            # Several wait for their turn, so they do in half precision: rounding moves a member
            # by 0.006 G (rms).
            return on_the_sun.draw_projected(members, lambda fine: project(fine).half())

    def draw_stacked(members):
        with record_function("noise"):
            return torch.stack(draw(members)).to(memory_format=torch.channels_last)

    return draw_stacked


def _batches(numbers, size):
    """Split numbers into pieces of at most ``size``."""
    return (numbers[first : first + size] for first in range(0, len(numbers), size))


@torch.inference_mode()
def draw_ensemble(
    network, observation, shape, options, solver=SolverSettings(), *, keep=False, finish=None
) -> Ensemble:
    """
    Draw HMI-like fields given an MDI frame.

    The members are drawn one after another, or ``batch_size`` at once, and added to the ensemble.

    Parameters
    ----------
    network : `~sunpy_superres.models.base.BaseNetwork`
    observation : `~sunpy_superres.sampling.observation.Observation`
        On the CPU.
    shape : tuple of int
        Shape of the fields.  The observation may reach further, by the row and the column that make
        its sides even.
    options : `~sunpy_superres.sampling.options.SamplingOptions`
        As returned by `~sunpy_superres.sampling.options.SamplingOptions.for_model`.
    solver : `~sunpy_superres.sampling.schedule.SolverSettings`
        Gives the noise levels; the number of steps is taken from the options.
    keep : bool
        Whether the ensemble holds its members.
    finish : callable, optional
        A function of an array of ``shape``, applied to each member and to the predicted images
        before they are added.

    Returns
    -------
    Ensemble

    Raises
    ------
    ValueError
        If the device or the number format is not available.
    """
    device, dtype = _check_device(options.device, options.dtype)
    if device != torch.device("cpu"):
        network = copy.deepcopy(network).to(device)
    n, inside = options.n_samples, observation.inside
    tile_size = options.tile_size or _TILE.get(device.type, _TILE["cpu"])
    batch_size = options.batch_size or (n if device.type == "cuda" else 1)
    solve_residual = functools.partial(solve, sigmas=solver.levels(options.num_steps))
    ensemble = Ensemble(n, keep)
    corrector = Corrector(observation) if network.is_corrected else None

    def as_image(field):
        """Turn a field into a finished array, without the pixels that made its sides even."""
        image = field[0, 0, : shape[0], : shape[1]].float().cpu().numpy()
        return image if finish is None else finish(image)

    def correct(field):
        """Set a field to zero off the disk, and correct it where the network asks for it."""
        field.mul_(observation.disk)
        if corrector is None:
            return field
        with record_function("consistency"):
            return corrector.correct(field)

    with tqdm(
        desc="super-resolving", unit="tile", disable=not shows_bars(options.progress), leave=False
    ) as bar:
        evaluate = TiledEvaluation(inside, tile_size, device, dtype, bar.update)
        coarse, fine = network.count_evaluations(n, options.num_steps)
        bar.reset(coarse * len(evaluate.tiles()) + fine * len(evaluate.tiles(factor=FACTOR)))
        prepared = network.prepare(observation.inputs, evaluate)
        return_memory()
        draw_noise = _noise_source(network, observation, options)
        together = max(batch_size, _NOISE_PIXELS // (shape[0] * shape[1]), 1)
        for group in _batches(range(n), together):
            noise = draw_noise(list(group))
            return_memory()
            for chosen in noise.split(batch_size):
                for field in network.draw(prepared, chosen.float(), solve_residual, evaluate):
                    field = correct(field)
                    chi_square = float(reduced_chi_square(field, observation))
                    ensemble.add(as_image(field), chi_square)
                    del field  # or it would lie beside the next one's
                    return_memory()
            del noise, chosen
        mean, std = network.expect(prepared, evaluate)
        del prepared
        ensemble.mean = as_image(correct(mean))
        del mean
        if n == 1:
            ensemble.std = as_image(std)
        return ensemble
