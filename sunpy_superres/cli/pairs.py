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
        "MDI's, register the two, and write all pairs into one file. A pair that is refused "
        "and a file that cannot be read are named and left out; after the latter the exit code "
        "is 1.",
    )
    add_output_option(parser, "PAIRS", "the file to write")
    parser.add_argument(
        "--mdi", nargs="+", required=True, metavar="FILE", help="MDI files, patterns or folders"
    )
    parser.add_argument(
        "--hmi", nargs="+", required=True, metavar="FILE", help="HMI files, patterns or folders"
    )
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

    from sunpy_superres.batch.sources import find_files
    from sunpy_superres.datasets.pairs import AlignedPair, align_files, save_pairs
    from sunpy_superres.exceptions import SuperResWarning

    kept = []
    mdi, hmi = (
        [name for entry in given for name in find_files(entry)]
        for given in (options.mdi, options.hmi)
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", SuperResWarning)
        gap = options.largest_gap * u.min
        for time, pair in align_files(mdi, hmi, largest_gap=gap):
            if isinstance(pair, AlignedPair):
                kept.append(pair)
                print(json.dumps(asdict(pair.record)))
            else:
                print(f"left out: {time.isot}: {pair}", file=sys.stderr)
        if kept:
            save_pairs(kept, output)
    told = dict.fromkeys(str(w.message) for w in caught)
    bad = [text for text in told if " is left out: " in text]
    for text in told:
        print(f"{'failed' if text in bad else 'note'}: {text}", file=sys.stderr)
    print(f"{len(kept)} pairs of {len(mdi)} MDI files; {len(bad)} files failed.")
    if not kept:
        raise ValueError(
            "No pair is left; nothing was written. Files are matched whose observations lie within "
            f"{options.largest_gap:g} minutes (--largest-gap)."
        )
    return 1 if bad else 0
