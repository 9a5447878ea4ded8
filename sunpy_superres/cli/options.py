"""Options that several commands share; each is defined here once."""

from __future__ import annotations

import argparse
from pathlib import Path

from sunpy_superres.files import check_table_path

__all__ = [
    "add_device_option",
    "add_ensemble_options",
    "add_model_option",
    "add_level_option",
    "add_noise_options",
    "add_output_option",
    "add_overwrite_option",
    "add_quiet_option",
    "add_result_options",
    "get_lifetime",
    "get_output",
    "parse_days",
    "parse_positive",
    "parse_table_path",
]

#: End of the description of each command that writes results.
LOSSY = (
    "Results are Rice-compressed and lossy by default: the field is rounded to steps of 0.5 G and "
    "the uncertainty to steps of 0.1 G, with dither; --lossless keeps each bit."
)


def parse_table_path(text):
    """
    Read the path of a table, whose end says its format.

    Parameters
    ----------
    text : str

    Returns
    -------
    pathlib.Path

    Raises
    ------
    argparse.ArgumentTypeError
        If `~sunpy_superres.files.write_table` does not know the format.
    """
    try:
        check_table_path(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return Path(text)


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


def parse_days(text):
    """
    Read a positive number of days, or "none".

    Parameters
    ----------
    text : str

    Returns
    -------
    float or None
        None for "none".

    Raises
    ------
    ValueError
        If it is neither.
    argparse.ArgumentTypeError
        If it is not positive.
    """
    if text.lower() == "none":
        return None
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number of days, not {text}")
    return value


parse_days.__name__ = "number of days, or 'none'"


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


def add_device_option(parser):
    """
    Add ``--device``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.add_argument("--device", help="torch device, for example cpu or cuda:0")


def add_overwrite_option(parser, text="replace files that exist already"):
    """
    Add ``--overwrite``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    text : str
        Help of the option.
    """
    parser.add_argument("--overwrite", action="store_true", help=text)


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


def add_noise_options(parser):
    """
    Add ``--seed``, ``--noise`` and ``--lifetime``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="seed of the whole run (0); SRSEED in the header of a result is the seed that gives "
        "the same frame with super_resolve",
    )
    parser.add_argument(
        "--noise",
        default="sun",
        choices=("sun", "array"),
        help="what the noise of the draws is tied to: 'sun' (the Sun's surface, so that all frames "
        "show the same Sun; the default) or 'array' (each frame is drawn anew)",
    )
    parser.add_argument(
        "--lifetime",
        type=parse_days,
        default=argparse.SUPPRESS,
        metavar="DAYS|none",
        help="time over which the noise on the Sun is renewed: one day by default, 'none' for "
        "never",
    )


def add_level_option(parser):
    """
    Add ``--level``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.add_argument(
        "--level",
        choices=("1.8.2", "1.8"),
        help="level of MDI's calibration; by default by the header, or by the noise. '1.8' (before "
        "October 2007) is multiplied by 1.65",
    )


def get_lifetime(options) -> dict:
    """
    Return ``lifetime`` as an argument of the package, if ``--lifetime`` was given.

    Parameters
    ----------
    options : argparse.Namespace
    """
    if not hasattr(options, "lifetime"):
        return {}
    import astropy.units as u

    return {"lifetime": None if options.lifetime is None else options.lifetime * u.day}


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
    parser.add_argument("-o", "--output", metavar=metavar, help=f"{text} (required)")


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
    add_device_option(parser)
    add(
        "--dtype",
        choices=("float32", "bfloat16"),
        help="number format of the network; by default bfloat16 where it is fast",
    )
    add_noise_options(parser)
    add_level_option(parser)
    add(
        "--lossless",
        action="store_true",
        help="keep each bit; by default the FITS files are lossy, in steps of 0.5 G (field) and "
        "0.1 G (uncertainty)",
    )
    add("--plot", action="store_true", help="also draw a picture of each result")
    add_overwrite_option(
        parser,
        "replace any file at the path of a result; by default only a damaged result of the same "
        "input, model and settings is replaced",
    )
    add_quiet_option(parser, "show no progress and no messages, except of failures")
