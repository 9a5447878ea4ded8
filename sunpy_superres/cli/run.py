"""``sunpy-superres run``: super-resolve some files in this process, and report on each."""

from __future__ import annotations

import sys
from pathlib import Path

from sunpy_superres.cli.options import LOSSY, add_result_options, get_lifetime

__all__ = ["add_parser", "process_inputs", "run"]


def add_parser(commands):
    """Add the command to the sub-parsers of argparse."""
    parser = commands.add_parser(
        "run",
        help="super-resolve FITS files",
        description="Super-resolve FITS files, or the embedded example. Results that exist "
        f"already are kept. {LOSSY}",
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="MDI line-of-sight magnetogram")
    parser.add_argument(
        "--example",
        action="store_true",
        help="super-resolve the embedded example, a real cut-out of 1999-12-11",
    )
    add_result_options(parser)
    parser.set_defaults(function=run, error=parser.error)


def run(options) -> int:
    """Super-resolve the files of ``run`` and print a line for each."""
    if bool(options.files) == options.example:
        options.error("give FILE... or --example")
    if options.example:
        from sunpy_superres.batch.sources import ExampleSource
    inputs = [ExampleSource()] if options.example else options.files

    def show(record):
        from tqdm.auto import tqdm

        name = record["file"]
        if record["state"] == "failed":
            tqdm.write(f"failed: {name}: {record['reason']}", file=sys.stderr)
        elif not options.quiet:
            for note in record["notes"]:
                tqdm.write(f"note: {name}: {note}", file=sys.stderr)
            tqdm.write(f"{record['state']}: {name}: {', '.join(record['outputs'])}")

    records = process_inputs(options, inputs, show=show)
    failures = sum(record["state"] == "failed" for record in records.values())
    if failures and len(records) > 1:
        print(f"{failures} of {len(records)} files failed.", file=sys.stderr)
    if failures == len(records):
        report = Path(options.output) / "report.jsonl"
        print(f"Nothing was written, except for the report, {report}.", file=sys.stderr)
    return 1 if failures else 0


def process_inputs(options, inputs, **how) -> dict[str, dict]:
    """
    Super-resolve inputs as the options of ``run`` and ``batch`` say.

    Parameters
    ----------
    options : argparse.Namespace
    inputs : list
        As in `~sunpy_superres.batch.super_resolve_files`.
    **how
        Other arguments of that function.

    Returns
    -------
    dict
        Record of each input.
    """
    from sunpy_superres.batch import super_resolve_files
    from sunpy_superres.batch.sources import find_sources
    from sunpy_superres.sampling.memory import reuse_memory

    try:
        sources = find_sources(inputs)
    except ValueError as error:
        options.error(str(error))
    try:
        Path(options.output).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        options.error(f"cannot make the folder {options.output} ({error})")
    reuse_memory()
    names = (
        "model estimate n_samples num_steps seed noise level device dtype lossless plot overwrite"
    )
    how |= {name: getattr(options, name) for name in names.split()} | get_lifetime(options)
    how |= {"progress": not options.quiet}
    return super_resolve_files(sources, options.output, **how)
