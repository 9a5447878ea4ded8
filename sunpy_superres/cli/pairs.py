"""``sunpy-superres pairs``: match and register MDI and HMI files."""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import asdict

from sunpy_superres.cli.options import add_output_option, get_output

__all__ = ["add_parser", "pairs"]


def add_parser(commands):
    """Add the command to the sub-parsers of argparse."""
    parser = commands.add_parser(
        "pairs",
        help="match and register MDI and HMI files",
        description="Match MDI and HMI files in time, put HMI on a grid four times finer than "
        "MDI's, register the two, and write all pairs into one file. A pair that is refused is "
        "named and left out.",
    )
    add_output_option(parser, "PAIRS", "the file to write")
    parser.add_argument("--mdi", nargs="+", required=True, metavar="FILE", help="MDI files")
    parser.add_argument("--hmi", nargs="+", required=True, metavar="FILE", help="HMI files")
    parser.add_argument(
        "--largest-gap",
        type=float,
        default=6.0,
        metavar="MINUTES",
        help="largest time between the two observations of a pair (6)",
    )
    parser.set_defaults(function=pairs, error=parser.error)


def pairs(options) -> int:
    """Match, register and save pairs, and print a line for each."""
    output = get_output(options)
    import astropy.units as u

    from sunpy_superres.datasets.pairs import AlignedPair, align_files, save_pairs

    kept = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gap = options.largest_gap * u.min
        for time, pair in align_files(options.mdi, options.hmi, largest_gap=gap):
            if isinstance(pair, AlignedPair):
                kept.append(pair)
                print(json.dumps(asdict(pair.record)))
            else:
                print(f"left out: {time.isot}: {pair}", file=sys.stderr)
    print(f"{len(kept)} pairs of {len(options.mdi)} MDI files.")
    if not kept:
        raise ValueError("No pair is left; nothing was written.")
    save_pairs(kept, output)
    return 0
