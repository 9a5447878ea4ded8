"""``sunpy-superres compare``: score any system's FITS file against HMI."""

from __future__ import annotations

from sunpy_superres.cli.options import add_overwrite_option, parse_table_path

__all__ = ["add_parser", "compare"]


def add_parser(commands):
    """Add the command to the sub-parsers of argparse."""
    parser = commands.add_parser(
        "compare",
        help="score any system's FITS file against HMI",
        description="Score a line-of-sight magnetogram of any system, on any grid and in HMI "
        "Gauss, against what HMI observed: the metrics of sunpy_superres.metrics.compare, on the "
        "grid of the result.",
    )
    add = parser.add_argument
    add("result", metavar="RESULT.fits", help="the system's field")
    add("hmi", metavar="HMI.fits", help="HMI's field at the same time")
    add(
        "--mdi",
        metavar="MDI.fits",
        help="the frame that the result was made from: adds bicubic interpolation, and how well "
        "both agree with the frame (reduced chi-square)",
    )
    add(
        "--uncertainty",
        metavar="FILE",
        help="standard error of the result, on its grid: adds coverage and spread / skill",
    )
    add(
        "--register",
        action="store_true",
        help="remove the difference of pointing between MDI and HMI first, as 'evaluate --split "
        "pairs' does; needs --mdi",
    )
    add(
        "-o",
        "--output",
        type=parse_table_path,
        metavar="TABLE",
        help="also write the table, as .csv, .ecsv, .fits or .json",
    )
    add_overwrite_option(parser, "replace a table that exists already")
    parser.set_defaults(function=compare, error=parser.error)


def compare(options) -> int:
    """Score a file, print the table, and a note for each warning."""
    from sunpy_superres.cli.notes import print_notes
    from sunpy_superres.evaluation.result_files import compare_files
    from sunpy_superres.files import refuse_existing, write_table

    if options.register and options.mdi is None:
        options.error("--register needs --mdi")
    if options.output is not None:
        refuse_existing([options.output], options.overwrite)
    with print_notes():
        table = compare_files(
            options.result,
            options.hmi,
            mdi=options.mdi,
            uncertainty=options.uncertainty,
            register=options.register,
        )
    print("\n".join(table.pformat(max_lines=-1, max_width=-1)))
    if options.output is not None:
        write_table(table, options.output)
    return 0
