"""``sunpy-superres keywords``: the keywords of SHARP and SMARP of many files, in one table."""

from __future__ import annotations

import sys

from sunpy_superres.cli.options import (
    add_device_option,
    add_level_option,
    add_model_option,
    add_noise_options,
    add_overwrite_option,
    add_quiet_option,
    get_lifetime,
    parse_positive,
    parse_table_path,
)

__all__ = ["add_parser", "keywords"]


def add_parser(commands):
    """Add the command to the sub-parsers of argparse."""
    parser = commands.add_parser(
        "keywords",
        help="measure the keywords of SHARP and SMARP, with error bars",
        description="Measure R_VALUE, USFLUXL, MEANGBL, areas and positions of the active regions "
        "in magnetograms of MDI or HMI, in SHARP and SMARP patches, or in results of 'run' and "
        "'batch'. With --samples, MDI files are super-resolved, and each keyword has an error bar. "
        "A file that cannot be done is named and left out.",
    )
    parser.add_argument("inputs", nargs="+", metavar="FILE", help="file, pattern or folder")
    parser.add_argument(
        "-o",
        "--output",
        type=parse_table_path,
        required=True,
        metavar="TABLE",
        help="a .ecsv (which keeps units and metadata), .csv, .fits or .json file",
    )
    parser.add_argument(
        "--samples",
        type=parse_positive,
        metavar="N",
        help="super-resolve the files, of MDI, with N members, which give the error bars (values "
        "are those of the first); by default the files are measured as they are",
    )
    parser.add_argument(
        "--whole",
        action="store_true",
        help="measure each file as one region; by default patches of SHARP and SMARP are, and of "
        "other files the active regions",
    )
    parser.add_argument(
        "--num-steps",
        type=parse_positive,
        metavar="N",
        help="steps of the solver; by default the model's own number",
    )
    add_model_option(parser)
    add_device_option(parser)
    add_noise_options(parser)
    add_level_option(parser)
    add_overwrite_option(parser, "replace a table that exists already")
    add_quiet_option(parser, "show no progress and no messages, except of failures")
    parser.set_defaults(function=keywords, error=parser.error)


def keywords(options) -> int:
    """Measure the files, write the table, and name the files that it lacks."""
    from sunpy_superres.batch.keywords import measure_keywords
    from sunpy_superres.files import refuse_existing, write_table

    if options.samples == 1:
        options.error("--samples must be at least 2: one member has no spread")
    refuse_existing([options.output], options.overwrite)
    how = {}
    if options.samples is not None:
        how = {"model": options.model, "num_steps": options.num_steps, "noise": options.noise}
        how |= {"level": options.level, "device": options.device}
        how |= get_lifetime(options)
    table, failures, notes = measure_keywords(
        options.inputs,
        n_samples=options.samples,
        region="map" if options.whole else None,
        seed=options.seed,
        progress=not options.quiet,
        **how,
    )
    write_table(table, options.output)
    if not options.quiet:
        for path, texts in notes.items():
            for text in texts:
                print(f"note: {path}: {text}", file=sys.stderr)
    for path, reason in failures.items():
        print(f"failed: {path}: {reason}", file=sys.stderr)
    if not options.quiet:
        print(f"{options.output}: regions: {len(table)}; files that failed: {len(failures)}")
        if not len(table):
            print(
                "note: no file shows an active region within 70 deg of disk centre; --whole "
                "measures each file as one region.",
                file=sys.stderr,
            )
    return 1 if failures else 0
