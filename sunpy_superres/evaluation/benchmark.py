"""
Speed and memory of the package on this machine.

``python -m sunpy_superres.benchmark`` prints the time and the peak memory of an active region and
of a full disk, where the time goes, how it grows with pixels and samples, and the procedure of
Ramunno et al. (2025) timed beside it.  With ``--against COMMIT_OR_ENV`` it runs another build and
this one in turn, and prints the ratios of their times and of their peak memory.
"""

from __future__ import annotations

import argparse
import functools
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from sunpy_superres.evaluation.side_by_side import (
    describe_build,
    find_build,
    measure_builds,
    tabulate,
    this_build,
)
from sunpy_superres.instruments import FACTOR

__all__ = [
    "compare_builds",
    "convolution_peak",
    "count_work",
    "main",
    "measure",
    "published_seconds",
    "benchmark_frame",
]

#: MDI pixels along a side of a crop of 1024 x 1024 HMI pixels.
_CROP = 256
#: Steps of the published sampler, and the work in TFLOP of its autoencoder, which encodes and
#: decodes such a crop.
_PUBLISHED_STEPS, _PUBLISHED_AUTOENCODER = 1000, 14.0
#: Name of this module, however it is run.
_NAME = "sunpy_superres.evaluation.benchmark"
#: Stages that the networks and the sampler record for the profiler; one is the network's core.
_STAGES = ("encode", "network", "decode", "consistency")
_NETWORK = "network"
#: MDI pixels along the sides, and numbers of members, that show how the time grows.
_SIDES, _COUNTS = (64, 128, 256, 512), (1, 2, 4, 8)
#: MDI pixels along a side of the frame before the one that is timed.
_WARM_UP = 32


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


class _CorePixels:
    """Counts the MDI pixels that the core of a network evaluates, the tiles' margins included."""

    def __init__(self, core):
        self.count, self._core = 0, core

    def __enter__(self):
        self._hook = self._core.register_forward_pre_hook(self._add)
        return self

    def __exit__(self, *error):
        self._hook.remove()

    def _add(self, core, arguments):
        n, _, ny, nx = arguments[0].shape
        self.count += n * ny * nx


def count_work(network, num_steps, side=64) -> tuple[float, float, float]:
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
    prepare, draw, core : float
        Operations once for a frame, for each member, and for one evaluation of the network's core.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from sunpy_superres.sampling.schedule import angle_schedule, solve

    frame = torch.zeros(1, 1, side, side)
    inputs = (frame, torch.ones_like(frame), torch.full((1, 1, 1, 1), 12.0))
    noise = torch.zeros(1, network.noise_channels, side, side)
    solver = functools.partial(solve, sigmas=angle_schedule(num_steps))
    counters = [FlopCounterMode(display=False) for _ in range(2)]
    with torch.inference_mode(), _CorePixels(network.core) as evaluated:
        with counters[0]:
            prepared = network.prepare(inputs)
        with counters[1]:
            list(network.draw(prepared, noise, solver))
    core = sum(
        sum(counter.get_flop_counts().get(type(network.core).__name__, {}).values())
        for counter in counters
    )
    prepare, draw = (counter.get_total_flops() / side**2 for counter in counters)
    return prepare, draw, core / evaluated.count


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
    from sunpy_superres.batch.scheduling import TILE_SIZE, reuse_memory

    reuse_memory()
    loaded = load_model(model)
    _, _, work = count_work(loaded.network, 1)
    options = {"model": loaded, "dtype": dtype, "num_steps": num_steps, "seed": 0}
    options["tile_size"] = TILE_SIZE  # as the command line has it
    super_resolve(benchmark_frame(_WARM_UP), n_samples=1, progress=False, **options)
    frame = benchmark_frame(side)
    with (
        _CorePixels(loaded.network.core) as evaluated,
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
        "flops": work * evaluated.count / spent[_NETWORK],
    }


def published_seconds(dtype="bfloat16", steps=3, side=_CROP) -> dict:
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
            part = (side / _CROP) ** 2
            both = _PUBLISHED_AUTOENCODER * 1e12 * part / convolution_peak(dtype)
        else:
            autoencoder = autoencoder.eval().to(memory_format=torch.channels_last)
            field = torch.randn(1, 1, FACTOR * side, FACTOR * side)
            started = time.perf_counter()
            autoencoder(field)
            both = time.perf_counter() - started
    step = float(np.median(times))
    return {"step": step, "autoencoder": both, "total": _PUBLISHED_STEPS * step + both}


def _in_a_process(function, **options):
    """Call a function of this module in a process of its own, which has its own peak memory."""
    call = json.dumps({"function": function, "options": options})
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", _NAME, call],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def _print_row(label, found, peak):
    """Print a row of the table: time, memory and stages of a result of `measure`."""
    total = found["seconds"]
    shares = ", ".join(f"{name} {100 * s / total:.0f} %" for name, s in found["stages"].items())
    part = f"{found['flops'] / 1e9:.0f} GFLOP/s, {100 * found['flops'] / peak:.0f} % of the peak"
    print(
        f"{label:34} {total:8.2f} s {found['memory'] / 2**30:6.2f} GiB   {shares}; network {part}"
    )


def _print_scaling(name, values, times):
    """Print the times, and the exponent of a power law through the last two."""
    slope = np.log(times[-1] / times[-2]) / np.log(values[-1] / values[-2])
    listed = ", ".join(f"{v}: {t:.2f} s" for v, t in zip(values, times, strict=True))
    print(f"{name:34} {listed}; the last two as the power {slope:.2f}")


def compare_builds(
    against, *, sides=(1024, 128), n_samples=8, memory_side=512, memory_samples=(4, 64), repeats=1,
    report=None, **options,
):  # fmt: skip
    """
    Run another build and this one in turn, each run in a process of its own.

    Parameters
    ----------
    against : str
        See `~sunpy_superres.evaluation.side_by_side.find_build`.
    sides : sequence of int
        MDI pixels along a side of the frames that are timed; 1024 is a full disk.
    n_samples : int
        Their ensemble members.
    memory_side : int
        MDI pixels along a side of the frame whose peak memory is compared between numbers of
        members; 0 leaves these two rows out.
    memory_samples : tuple of int
        These numbers, the smaller first.
    repeats : int
        Runs of each row with each build; the medians count.
    report : callable, optional
        See `~sunpy_superres.evaluation.side_by_side.measure_builds`.
    **options
        Other arguments of `~sunpy_superres.super_resolve`, for both builds.

    Returns
    -------
    table : `~astropy.table.Table`
        See `~sunpy_superres.evaluation.side_by_side.tabulate`.
    builds : list of str
        Which builds these are, and the defaults that each used.

    Raises
    ------
    ValueError
        If ``against`` names no build, or a run fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        builds = {"old": find_build(against, folder / "old"), "new": this_build()}
        (folder / "frames").mkdir()

        def write_frame(side):
            path = folder / "frames" / f"{side}.fits"
            if not path.exists():
                benchmark_frame(side).save(path)
            return path

        def label(side, n):
            return f"{'full disk' if side == 1024 else f'{side} x {side}'}, {n} samples"

        rows = {label(side, n_samples): (write_frame(side), n_samples) for side in sides}
        few_and_many = [label(memory_side, n) for n in memory_samples] if memory_side else []
        for row, n in zip(few_and_many, memory_samples, strict=False):
            rows[row] = (write_frame(memory_side), n)
        measured = measure_builds(builds, rows, write_frame(_WARM_UP), repeats, report, **options)
        facts = next(iter(measured.values()))
        described = [describe_build(n, builds[n], facts[n]["facts"]) for n in builds]
    return tabulate(measured, few_and_many), described


def _print_comparison(options):
    """Run two builds side by side as the options say, and print the table."""

    def report(label, name, found):
        print(f"  {label}, {name}: {found['seconds']:.2f} s, {found['memory'] / 2**30:.2f} GiB",
              file=sys.stderr)  # fmt: skip

    given = {"dtype": (options.dtypes or [None])[0], "num_steps": options.steps}
    table, builds = compare_builds(
        options.against,
        sides=options.sides or (1024, 128),
        n_samples=(options.samples or [8])[0],
        memory_side=options.memory_side,
        memory_samples=options.memory_samples,
        repeats=options.repeats,
        report=report,
        model=options.model,
        **{name: value for name, value in given.items() if value is not None},
    )
    print("\n".join([*builds, *table.pformat(max_lines=-1, max_width=-1)]))
    return 0


def main(arguments=None):
    """
    Run ``python -m sunpy_superres.benchmark``.

    Parameters
    ----------
    arguments : list of str, optional
        The command line, without the program's name.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments and arguments[0].startswith("{"):
        call = json.loads(arguments[0])
        function = {"measure": measure, "published": published_seconds}[call["function"]]
        print(json.dumps(function(**call["options"])))
        return 0
    parser = argparse.ArgumentParser(
        prog=f"python -m {_NAME}",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="default")
    add = parser.add_argument
    add("--sides", type=int, nargs="+", metavar="PIXELS",
        help="MDI pixels along a side of the frames (128 1024)")  # fmt: skip
    add("--samples", type=int, nargs="+", metavar="N",
        help="ensemble members (1 8; with --against one number, 8)")  # fmt: skip
    add("--dtypes", nargs="+", metavar="DTYPE",
        help="number formats (bfloat16 float32; with --against the default of each build)",
        )  # fmt: skip
    add("--steps", type=int, help="solver steps")
    add("--no-scaling", action="store_true")
    add("--no-published", action="store_true", help="leave out the paper's")
    against = parser.add_argument_group("two builds side by side")
    add = against.add_argument
    add("--against", metavar="COMMIT_OR_ENV",
        help="the other build: a commit of the git checkout that this package is run from, or the "
        "path of an interpreter, of a virtual environment or of a source tree")  # fmt: skip
    add("--repeats", type=int, default=1, metavar="N",
        help="runs of each row with each build, in turn; the medians count (1)")  # fmt: skip
    add("--memory-side", type=int, default=512, metavar="PIXELS",
        help="side of the frame whose memory is compared between two numbers of members (512); "
        "0 leaves it out")  # fmt: skip
    add("--memory-samples", type=int, nargs=2, default=[4, 64], metavar="N",
        help="these two numbers (4 64)")  # fmt: skip
    options = parser.parse_args(arguments)
    if options.against is not None:
        try:
            return _print_comparison(options)
        except ValueError as error:
            parser.exit(1, f"benchmark: {error}\n")
    import torch

    sides, counts = options.sides or (128, 1024), options.samples or (1, 8)
    dtypes = options.dtypes or ["bfloat16", "float32"]
    common = {"model": options.model, "num_steps": options.steps}
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, "
          f"torch {torch.__version__}")  # fmt: skip
    peaks = {dtype: convolution_peak(dtype) for dtype in dtypes}
    for dtype, peak in peaks.items():
        print(f"convolution peak, {dtype}: {peak / 1e9:.0f} GFLOP/s")
    for side in sides:
        for dtype in dtypes:
            for n in counts:
                found = _in_a_process("measure", side=side, n_samples=n, dtype=dtype, **common)
                _print_row(f"{side} x {side}, {dtype}, {n} samples", found, peaks[dtype])
    dtype = dtypes[0]

    def time_one(side, n):
        return _in_a_process("measure", side=side, n_samples=n, dtype=dtype, **common)["seconds"]

    if not options.no_scaling:
        times = [time_one(side, 1) for side in _SIDES]
        _print_scaling(f"sides, {dtype}, 1 sample", _SIDES, times)
        times = [time_one(128, n) for n in _COUNTS]
        _print_scaling(f"samples, {dtype}, 128 x 128", _COUNTS, times)
    if not options.no_published:
        ours = time_one(_CROP, 1)
        theirs = _in_a_process("published", dtype=dtype)
        print(
            f"1024 x 1024 HMI pixels, {dtype}, one sample: {ours:.2f} s; the published procedure "
            f"{theirs['total']:.0f} s ({_PUBLISHED_STEPS} steps of {theirs['step']:.2f} s, "
            f"autoencoder {theirs['autoencoder']:.1f} s): {theirs['total'] / ours:.0f} times"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
