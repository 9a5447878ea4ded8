"""Options of the command line that `run` and `batch` hand to `super_resolve`."""

from __future__ import annotations

import argparse

__all__ = ["add_draw_options", "draw_options"]


def add_draw_options(parser):
    """
    Add what decides how a result is drawn, but for its seed.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    add = parser.add_argument
    add("--model", default="default", help="'default', a folder, or owner/name@rev")
    add("--estimate", default="sample", choices=("sample", "mean", "median"))
    add("--samples", type=_positive, default=8, metavar="N", help="ensemble members")
    add("--steps", type=_positive, metavar="N", help="solver steps")
    add("--device", help="torch device, for example cpu or cuda:0")
    add("--dtype", choices=("float32", "bfloat16"))


def draw_options(options) -> dict:
    """
    Keywords of `~sunpy_superres.super_resolve` but its model, of parsed options.

    Parameters
    ----------
    options : argparse.Namespace
    """
    return {
        "estimate": options.estimate,
        "n_samples": options.samples,
        "num_steps": options.steps,
        "device": options.device,
        "dtype": options.dtype,
    }


def _positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value
