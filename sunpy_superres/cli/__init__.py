"""
The command line: ``sunpy-superres``, or ``python -m sunpy_superres.cli``.

Each command has a module here: ``add_parser`` adds it to the sub-parsers of argparse, and a
function with the name of the command takes the parsed options, calls the package and returns the
exit code.  No module here loads anything heavy before its command runs.
"""

from __future__ import annotations

import argparse
import sys

from sunpy_superres.batch.failures import describe_failure
from sunpy_superres.batch.interruption import Terminated, end_orderly
from sunpy_superres.cli import (
    batch,
    compare,
    download,
    evaluate,
    export,
    finetune,
    info,
    keywords,
    movie,
    pack,
    pairs,
    publish,
    run,
    train,
)
from sunpy_superres.version import __version__

__all__ = ["build_parser", "main"]

#: Modules of the commands, in the order of the help.
_COMMANDS = (
    run, batch, keywords, movie, info, compare, download, publish, pack, train, export, evaluate,
    pairs,
    finetune,
)  # fmt: skip

#: Exit codes beside 0 (success) and argparse's 2 (wrong use): a file or the command failed; and
#: those of shells for Ctrl-C and SIGTERM.
FAILED, INTERRUPTED, TERMINATED = 1, 130, 143


def build_parser():
    """
    Build the parser of all commands.

    Returns
    -------
    argparse.ArgumentParser
    """
    parser = argparse.ArgumentParser(
        prog="sunpy-superres",
        description="HMI-like magnetograms, with their uncertainty, from SOHO/MDI ones.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    for module in _COMMANDS:
        module.add_parser(commands)
    return parser


def _parse(arguments):
    """Parse a command line; the output may come last, after other options."""
    options, rest = build_parser().parse_known_args(arguments)
    # argparse takes an optional positional argument only if it stands beside the others.
    if getattr(options, "positional_output", "") is None and rest and rest[0][:1] != "-":
        options.positional_output = rest.pop(0)
    if rest:
        options.error(f"unrecognized arguments: {' '.join(rest)}")
    return options


def main(arguments=None) -> int:
    """
    Run a command of ``sunpy-superres``.

    Parameters
    ----------
    arguments : list of str, optional
        The command line, without the program's name.

    Returns
    -------
    int
        0 on success, 1 if a file or the command failed, 130 on Ctrl-C and 143 on SIGTERM.
        Wrong use raises SystemExit with code 2.
    """
    options = _parse(sys.argv[1:] if arguments is None else list(arguments))
    try:
        with end_orderly():
            return options.function(options)
    except (ImportError, TypeError, ValueError, OSError) as error:
        said = describe_failure(error) if isinstance(error, OSError) else error
        print(f"sunpy-superres {options.command}: {said}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as stop:
        print("sunpy-superres: interrupted; finished results are kept.", file=sys.stderr)
        return TERMINATED if isinstance(stop, Terminated) else INTERRUPTED
