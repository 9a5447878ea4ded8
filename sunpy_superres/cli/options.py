"""Options that several commands share; each is defined here once."""

from __future__ import annotations

import argparse

__all__ = [
    "add_ensemble_options",
    "add_model_option",
    "add_output_option",
    "add_quiet_option",
    "add_result_options",
    "get_output",
    "parse_positive",
]

#: End of the description of each command that writes results.
LOSSY = (
    "Results are Rice-compressed and lossy by default: the field is rounded to steps of 0.5 G and "
    "the uncertainty to steps of 0.1 G, with dither; --lossless keeps each bit."
)


def parse_positive(text) -> int:
    """
    Read an integer of at least 1.

    Parameters
    ----------
    text : str

    Raises
    ------
    ValueError
        If it is no integer.
    argparse.ArgumentTypeError
        If it is too small.
    """
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


parse_positive.__name__ = "positive integer"  # argparse's name for it in an error


def add_quiet_option(parser, text="show no progress"):
    """
    Add ``--quiet``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    text : str
        Help of the option.
    """
    parser.add_argument("--quiet", action="store_true", help=text)


def add_model_option(parser):
    """
    Add ``--model``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.add_argument(
        "--model",
        default="default",
        help="'default' (the embedded model), a folder, or owner/name@revision on the Hub",
    )


def add_ensemble_options(parser, steps=True):
    """
    Add ``--n-samples`` and ``--num-steps``; their old names work, but are not shown.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    steps : bool
        Add ``--num-steps`` too.
    """
    parser.add_argument(
        "--n-samples", type=parse_positive, default=8, metavar="N", help="ensemble members (8)"
    )
    _add_old_name(parser, "--samples", "n_samples")
    if steps:
        parser.add_argument(
            "--num-steps",
            type=parse_positive,
            metavar="N",
            help="steps of the solver; by default the model's own number",
        )
        _add_old_name(parser, "--steps", "num_steps")


def _add_old_name(parser, name, destination):
    parser.add_argument(
        name,
        dest=destination,
        type=parse_positive,
        default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
    )


def add_output_option(parser, metavar, text):
    """
    Add ``-o``, and accept the output as the last positional argument, as earlier versions did.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        All its other positional arguments have been added.
    metavar, text : str
        Name of the value, and help of the option.
    """
    parser.add_argument("positional_output", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", metavar=metavar, help=text)


def get_output(options) -> str:
    """
    Return the output of a command that has `add_output_option`.

    Parameters
    ----------
    options : argparse.Namespace
        With ``error`` of the parser, which exits if no output is given, or two are.
    """
    given = [name for name in (options.output, options.positional_output) if name is not None]
    if len(given) != 1:
        problem = "no output is given" if not given else f"two outputs are given, {given}"
        options.error(f"{problem}; name one by -o")
    return given[0]


def add_result_options(parser):
    """
    Add the options of the commands that write results, ``run`` and ``batch``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    add = parser.add_argument
    add("-o", "--output", required=True, metavar="DIR", help="folder of the results")
    add_model_option(parser)
    add(
        "--estimate",
        default="sample",
        choices=("sample", "mean", "median"),
        help="'sample' (one draw, the default), 'mean' or 'median' of the ensemble",
    )
    add_ensemble_options(parser)
    add("--device", help="torch device, for example cpu or cuda:0")
    add(
        "--dtype",
        choices=("float32", "bfloat16"),
        help="number format of the network; by default bfloat16 where it is fast",
    )
    add(
        "--seed",
        type=int,
        default=0,
        help="seed of the whole run (0), from which that of each frame follows; it is SRSEED in "
        "the header of a result, and gives the same result with super_resolve",
    )
    add(
        "--lossless",
        action="store_true",
        help="keep each bit; by default the FITS files are lossy, in steps of 0.5 G (field) and "
        "0.1 G (uncertainty)",
    )
    add("--plot", action="store_true", help="also draw a picture of each result")
    add(
        "--overwrite",
        action="store_true",
        help="replace any file at the path of a result; by default only a damaged result of the "
        "same input, model and settings is replaced",
    )
    add_quiet_option(parser, "show no progress and no messages, except of failures")
