"""``sunpy-superres evaluate``: measure models on held-out regions or real pairs."""

from __future__ import annotations

import argparse
from pathlib import Path

from sunpy_superres.cli.options import (
    add_ensemble_options,
    add_overwrite_option,
    add_quiet_option,
)

__all__ = ["add_parser", "evaluate"]


def add_parser(commands):
    """Add the command to the sub-parsers of argparse."""
    parser = commands.add_parser(
        "evaluate",
        help="measure models on held-out regions or real pairs",
        description="Measure models on HMI regions degraded to MDI, or on real pairs. One model "
        "(the embedded one, if none is named) gives the table of its model card; several give one "
        "table beside calibrated bicubic interpolation. DATA is a folder of HMI magnetograms, "
        "which its splits.json or, without one, their headers assign to splits; the split 'pairs' "
        "is its subfolder 'pairs' of MDI and HMI files. Frames whose QUALITY has the bits of an "
        "eclipse have a table of their own.",
    )
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", default=["default"], help="like --model of 'run'"
    )
    parser.add_argument("data", metavar="DATA", help="folder of HMI magnetograms")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="also write tables and plots here"
    )
    parser.add_argument("--figures", dest="output", type=Path, help=argparse.SUPPRESS)
    parser.add_argument(
        "--split",
        default="test",
        choices=("test", "validation", "pairs", "example"),
        help="split of the data that is used; 'test' by default",
    )
    parser.add_argument(
        "--keywords",
        action="store_true",
        help="compare the keywords of SHARP and SMARP with HMI's own, not pixels (one model)",
    )
    add_ensemble_options(parser)
    parser.add_argument(
        "--noise", type=float, default=12.0, metavar="G", help="noise of simulated frames in G (12)"
    )
    parser.add_argument(
        "--resampling",
        choices=("bilinear", "nearest"),
        help="resample the simulated frames, as software does that rotates or reprojects them",
    )
    parser.add_argument(
        "--angle",
        type=float,
        default=0.0,
        metavar="DEG",
        help="angle between MDI's pixels and those frames in degrees (0: they are shifted only)",
    )
    add_overwrite_option(parser, "replace tables and plots that exist already")
    add_quiet_option(parser)
    parser.set_defaults(function=evaluate, error=parser.error)


def evaluate(options) -> int:
    """Measure models and print a table of scores."""
    if options.keywords and len(options.models) > 1:
        options.error("--keywords takes one model")
    from sunpy_superres.cli.notes import print_notes
    from sunpy_superres.files import refuse_existing

    if options.output:
        kind = "comparison" if len(options.models) > 1 else "metrics"
        kind = "keywords" if options.keywords else kind
        names = [f"{options.split}{part}_{kind}" for part in ("", "_eclipse")]
        files = [options.output / (name + end) for name in names for end in (".csv", ".png")]
        refuse_existing(files, options.overwrite)

    with print_notes(options.quiet):
        if options.keywords:
            return _evaluate_keywords(options)
        return _compare(options) if len(options.models) > 1 else _evaluate_one(options)


def _common_arguments(options):
    """Return the arguments that `evaluate_model` and `compare_models` share."""
    import astropy.units as u

    return {
        "split": options.split,
        "n_samples": options.n_samples,
        "num_steps": options.num_steps,
        "noise": options.noise * u.G,
        "resampling": options.resampling,
        "angle": options.angle * u.deg,
        "progress": not options.quiet,
    }


def _evaluate_one(options):
    from sunpy_superres.evaluation.evaluate import ECLIPSE
    from sunpy_superres.evaluation.evaluate import evaluate as evaluate_model
    from sunpy_superres.evaluation.figures import Gathered

    gathered = Gathered() if options.output else None
    scores = evaluate_model(
        options.data, model=options.models[0], look=gathered, **_common_arguments(options)
    )
    if gathered is not None:
        gathered.write(options.output, options.split)
    regions = [name for name in scores if name not in ("all", ECLIPSE)]
    print(_describe(options, len(scores["all"].frames), regions))
    for name, entry in scores.items():
        frames = "" if name == "all" else f": {', '.join(entry.frames)}"
        print(f"== {name}{frames}")
        for label, value in entry.table().items():
            text = value if isinstance(value, int) else f"{value:.4f}"
            print(f"{label:44} {text}")
    return 0


def _describe(options, n_frames, regions):
    """Say in a line what was scored."""
    noise = "" if options.split in ("pairs", "example") else f", {options.noise:g} G of noise"
    where = "of the package" if options.split == "example" else f"of {options.data}"
    return (
        f"{', '.join(options.models)}: split '{options.split}' {where}, {', '.join(regions)} "
        f"(frames: {n_frames}){noise}, {options.n_samples} members"
    )


def _evaluate_keywords(options):
    from sunpy_superres.evaluation.evaluate import evaluate as evaluate_model
    from sunpy_superres.evaluation.keywords import KeywordScores
    from sunpy_superres.models.loading import load_model

    model = load_model(options.models[0])
    calibration = model.config["calibration"]
    scores = KeywordScores(calibration.get("keywords"), calibration.get("keyword_factors"))
    evaluate_model(options.data, model=model, look=scores, **_common_arguments(options))
    if options.output:
        scores.write(options.output, options.split)
    else:
        print("\n".join(scores.table().pformat(max_lines=-1, max_width=-1)))
    return 0


def _compare(options):
    from sunpy_superres.evaluation.comparison import compare_models

    comparison = compare_models(options.data, options.models, **_common_arguments(options))
    if options.output:
        comparison.write(options.output)
    print(_describe(options, comparison.n_frames, comparison.regions))
    for table in (comparison.table, comparison.eclipse):
        if table is not None:
            print("\n".join(table.pformat(max_lines=-1, max_width=-1)))
    return 0
