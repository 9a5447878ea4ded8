"""``sunpy-superres batch``: super-resolve an archive, with several processes or on a cluster."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from pathlib import Path

from sunpy_superres.cli.options import LOSSY, add_result_options, parse_positive
from sunpy_superres.cli.run import process_inputs

__all__ = ["add_parser", "batch"]


def add_parser(commands):
    """Add the command to the sub-parsers of argparse."""
    parser = commands.add_parser(
        "batch",
        help="super-resolve many files in parallel; resumes where it was stopped",
        description="Super-resolve files, and all FITS files of folders. A batch that was stopped "
        f"and is started again computes only what is missing or damaged. {LOSSY}",
    )
    parser.add_argument("inputs", nargs="+", metavar="IN", help="file, pattern or folder")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--scheduler", metavar="ADDRESS", help="scheduler of a dask cluster")
    where.add_argument(
        "--workers", type=parse_positive, metavar="N", help="processes on this machine (1)"
    )
    add_result_options(parser)
    parser.set_defaults(function=batch, error=parser.error)


def batch(options) -> int:
    """Super-resolve the inputs of ``batch``, then print the failures and a summary."""
    with contextlib.ExitStack() as stack:
        client = None
        if options.scheduler:
            from distributed import Client

            client = stack.enter_context(Client(options.scheduler, timeout="30s"))
        records = process_inputs(options, options.inputs, client=client, workers=options.workers)
    for path, record in records.items():
        if record["state"] == "failed":
            print(f"failed: {path}: {record['reason']}", file=sys.stderr)
    count = Counter(record["state"] for record in records.values())
    print(
        f"{count['done']} done, {count['kept']} kept, {count['failed']} failed; "
        f"see {Path(options.output) / 'report.jsonl'}",
        file=sys.stdout if not options.quiet else sys.stderr,
    )
    return 1 if count["failed"] else 0
