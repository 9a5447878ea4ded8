"""``sunpy-superres export``: calibrate a trained run and write it as a model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sunpy_superres.cli.options import (
    add_ensemble_options,
    add_output_option,
    add_quiet_option,
    get_output,
)

__all__ = ["add_parser", "export"]


def add_parser(commands):
    """Add the command to the sub-parsers of argparse."""
    parser = commands.add_parser(
        "export",
        help="calibrate a trained run and write it as a model",
        description="Calibrate a training on validation regions and write it as a model folder: "
        "configuration, weights in half precision (rounded, so lossy), and model card.",
    )
    parser.add_argument("run", metavar="RUN", help="folder of a training or model, or 'default'")
    add_output_option(parser, "MODEL", "the model folder to write")
    parser.add_argument("--data", required=True, help="folder of HMI magnetograms")
    parser.add_argument(
        "--revision", default="local", help="name of this version of the weights ('local')"
    )
    parser.add_argument(
        "--card",
        metavar="FILE",
        help="file with the text of the model card; without it, a card is written from the record "
        "of the training and the scores on the validation regions",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a model that is there")
    add_ensemble_options(parser, steps=False)
    add_quiet_option(parser)
    parser.set_defaults(function=export, error=parser.error)


def export(options) -> int:
    """Export a training and print its calibration."""
    output = get_output(options)
    from sunpy_superres.cli.notes import print_notes
    from sunpy_superres.training.export import export as export_run

    card = Path(options.card).read_text(encoding="utf-8") if options.card else None
    with print_notes(options.quiet):
        calibration = export_run(
            options.run,
            output,
            options.data,
            revision=options.revision,
            card=card,
            n_samples=options.n_samples,
            progress=not options.quiet,
            overwrite=options.overwrite,
        )
    print(json.dumps(calibration))
    if not options.quiet:
        print(f"written: {output}, with the card {Path(output) / 'README.md'}", file=sys.stderr)
    return 0
