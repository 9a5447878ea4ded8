"""What the benchmark times: one super-resolution, and the published procedure."""

from __future__ import annotations

import functools
import resource
import time

import numpy as np

from sunpy_superres.instruments import FACTOR

__all__ = [
    "CROP",
    "PUBLISHED_STEPS",
    "WARM_UP",
    "benchmark_frame",
    "convolution_peak",
    "count_work",
    "measure",
    "published_seconds",
]

#: MDI pixels along a side of a crop of 1024 x 1024 HMI pixels.
CROP = 256
#: Steps of the published sampler.
PUBLISHED_STEPS = 1000
#: MDI pixels along a side of the frame before the one that is timed.
WARM_UP = 32
#: Work in TFLOP of the published autoencoder, which encodes and decodes such a crop.
_PUBLISHED_AUTOENCODER = 14.0
#: Stages that the networks and the sampler record for the profiler; one is the network's core.
_STAGES = ("encode", "noise", "network", "decode", "consistency")
_NETWORK = "network"


def benchmark_frame(side):
    """
    Make a simulated MDI frame by repeating the embedded example; 1024 pixels give a full disk.

    Parameters
    ----------
    side : int
        MDI pixels.

    Returns
    -------
    `~sunpy.map.GenericMap`
    """
    import sunpy.map

    from sunpy_superres.maps.examples import example_mdi_map
    from sunpy_superres.maps.geometry import on_disk_mask

    example = example_mdi_map()
    data = np.tile(example.data, (-(-side // 128),) * 2)[:side, :side].copy()
    meta = dict(example.meta, naxis1=side, naxis2=side)
    if side > 512:
        meta |= {"crpix1": (side + 1) / 2, "crpix2": (side + 1) / 2}
    smap = sunpy.map.Map(data, meta)
    data[~on_disk_mask(smap)] = np.nan
    return sunpy.map.Map(data, meta)


def convolution_peak(dtype="bfloat16", seconds=1.0) -> float:
    """
    Measure the FLOP/s of a plain 3 x 3 convolution of 128 channels, a peak for this machine.

    Parameters
    ----------
    dtype : str
        Name of a torch dtype.
    seconds : float
        How long the convolution is repeated; the shortest time counts.
    """
    import torch

    kind = getattr(torch, dtype)
    layer = torch.nn.Conv2d(128, 128, 3, padding=1, dtype=kind)
    layer = layer.to(memory_format=torch.channels_last)
    x = torch.randn(4, 128, 128, 128).to(kind).to(memory_format=torch.channels_last)
    best, end = np.inf, time.perf_counter() + seconds
    with torch.inference_mode():
        layer(x)
        while time.perf_counter() < end:
            started = time.perf_counter()
            layer(x)
            best = min(best, time.perf_counter() - started)
    return 2 * x.numel() * 128 * 9 / best


class _CoreWork:
    """Counts the operations of the convolutions and matrices of a network's core, as it runs."""

    def __init__(self, core):
        self.count, self._core = 0, core

    def __enter__(self):
        from torch import nn

        layers = [m for m in self._core.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        self._hooks = [layer.register_forward_hook(self._add) for layer in layers]
        return self

    def __exit__(self, *error):
        for hook in self._hooks:
            hook.remove()

    def _add(self, layer, inputs, output):
        # Each output is a sum over one filter, a multiplication and an addition for each weight.
        self.count += 2 * output.numel() * layer.weight[0].numel()


def count_work(network, num_steps, side=64) -> tuple[float, float]:
    """
    Count the floating-point operations of a network for an MDI pixel, by torch on a small frame.

    Parameters
    ----------
    network : `~sunpy_superres.models.base.BaseNetwork`
    num_steps : int
        Steps of the solver.
    side : int
        MDI pixels of the frame.

    Returns
    -------
    prepare, draw : float
        Operations once for a frame, and for each member.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from sunpy_superres.sampling.schedule import angle_schedule, solve

    frame = torch.zeros(1, 1, side, side)
    inputs = (frame, torch.ones_like(frame), torch.full((1, 1, 1, 1), 12.0))
    noise = torch.zeros(1, network.noise_channels, side, side)
    solver = functools.partial(solve, sigmas=angle_schedule(num_steps))
    counters = [FlopCounterMode(display=False) for _ in range(2)]
    with torch.inference_mode():
        with counters[0]:
            prepared = network.prepare(inputs)
        with counters[1]:
            list(network.draw(prepared, noise, solver))
    prepare, draw = (counter.get_total_flops() / side**2 for counter in counters)
    return prepare, draw


def measure(side, n_samples, dtype, model="default", num_steps=None) -> dict:
    """
    Time one super-resolution in this process, after a small one to warm up.

    Parameters
    ----------
    side : int
        MDI pixels.
    n_samples, dtype, model, num_steps
        As in `~sunpy_superres.super_resolve`.

    Returns
    -------
    dict
        "seconds", "memory" (the process's peak, bytes), "stages" (seconds of each), "flops" (of
        the denoiser or the deterministic network, per second).
    """
    from torch.profiler import ProfilerActivity, profile

    from sunpy_superres import load_model, super_resolve
    from sunpy_superres.sampling.memory import reuse_memory

    reuse_memory()
    loaded = load_model(model)
    options = {"model": loaded, "dtype": dtype, "num_steps": num_steps, "seed": 0}
    super_resolve(benchmark_frame(WARM_UP), n_samples=1, progress=False, **options)
    frame = benchmark_frame(side)
    with (
        _CoreWork(loaded.network.core) as work,
        profile(activities=[ProfilerActivity.CPU]) as profiled,
    ):
        started = time.perf_counter()
        super_resolve(frame, n_samples=n_samples, progress=False, **options)
        seconds = time.perf_counter() - started
        # Taken before the profile is read, since that needs memory too.
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    spent = {
        event.key: event.cpu_time_total / 1e6
        for event in profiled.key_averages()
        if event.key in _STAGES
    }
    return {
        "seconds": seconds,
        "memory": memory,
        "stages": spent | {"Map and the rest": seconds - sum(spent.values())},
        "flops": work.count / spent[_NETWORK],
    }


def published_seconds(dtype="bfloat16", steps=3, side=CROP) -> dict:
    """
    Time the published procedure on a crop of 1024 x 1024 HMI pixels, with untrained networks.

    Parameters
    ----------
    dtype : str
    steps : int
        Evaluations of its U-Net that are timed; the published sampler takes 1000.
    side : int
        MDI pixels of the crop.

    Returns
    -------
    dict
        Seconds: "step"; "autoencoder", which is timed if diffusers is installed, and computed from
        the convolution peak otherwise; and the "total" of one sample.
    """
    import torch

    from sunpy_superres.models.denoiser import DenoiserConfig
    from sunpy_superres.models.paper_unet import PaperUNet
    from sunpy_superres.models.stable_diffusion import (
        StableDiffusionAutoencoder,
        StableDiffusionConfig,
    )

    kind = getattr(torch, dtype)
    network = PaperUNet(1, 1, DenoiserConfig.published()).eval()
    network = network.to(memory_format=torch.channels_last)
    x, sigma = torch.randn(1, 1, side, side), torch.zeros(1)
    with torch.inference_mode(), torch.autocast("cpu", kind, enabled=kind != torch.float32):
        prepared = network.prepare(x)
        times = []
        for _ in range(steps):
            started = time.perf_counter()
            network(x, sigma, prepared)
            times.append(time.perf_counter() - started)
        try:
            autoencoder = StableDiffusionAutoencoder(StableDiffusionConfig(weights=""), 200.0)
        except ImportError:
            part = (side / CROP) ** 2
            both = _PUBLISHED_AUTOENCODER * 1e12 * part / convolution_peak(dtype)
        else:
            autoencoder = autoencoder.eval().to(memory_format=torch.channels_last)
            field = torch.randn(1, 1, FACTOR * side, FACTOR * side)
            started = time.perf_counter()
            autoencoder(field)
            both = time.perf_counter() - started
    step = float(np.median(times))
    return {"step": step, "autoencoder": both, "total": PUBLISHED_STEPS * step + both}
