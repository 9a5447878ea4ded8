"""
Speed and memory of the package on this machine.

``python -m sunpy_superres.benchmark`` prints the time and the peak memory of an active region and
of a full disk, where the time goes, how it grows with pixels and samples, and the procedure of
Ramunno et al. (2025) timed beside it.  With ``--against COMMIT_OR_ENV`` it runs another build and
this one in turn, and prints the ratios of their times and of their peak memory.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from sunpy_superres.evaluation.side_by_side import (
    describe_build,
    find_build,
    measure_builds,
    tabulate,
    this_build,
)
from sunpy_superres.evaluation.timing import (
    CROP,
    PUBLISHED_STEPS,
    WARM_UP,
    benchmark_frame,
    convolution_peak,
    measure,
    published_seconds,
)

__all__ = ["compare_builds", "main"]

#: Name of this module, however it is run.
_NAME = "sunpy_superres.evaluation.benchmark"
#: MDI pixels along the sides, and numbers of members, that show how the time grows.
_SIDES, _COUNTS = (64, 128, 256, 512), (1, 2, 4, 8)


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
        measured = measure_builds(builds, rows, write_frame(WARM_UP), repeats, report, **options)
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
        ours = time_one(CROP, 1)
        theirs = _in_a_process("published", dtype=dtype)
        print(
            f"1024 x 1024 HMI pixels, {dtype}, one sample: {ours:.2f} s; the published procedure "
            f"{theirs['total']:.0f} s ({PUBLISHED_STEPS} steps of {theirs['step']:.2f} s, "
            f"autoencoder {theirs['autoencoder']:.1f} s): {theirs['total'] / ours:.0f} times"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
