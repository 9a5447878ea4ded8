"""``sunpy-superres movie``: a movie of a sequence, whose draws show the same Sun."""

from __future__ import annotations

import sys
from pathlib import Path

from sunpy_superres.cli.options import (
    add_device_option,
    add_ensemble_options,
    add_level_option,
    add_model_option,
    add_noise_options,
    add_overwrite_option,
    add_quiet_option,
    get_lifetime,
)

__all__ = ["add_parser", "movie"]


def add_parser(commands):
    """Add the command to the sub-parsers of argparse."""
    parser = commands.add_parser(
        "movie",
        help="a movie of input, draw and uncertainty side by side",
        description="Super-resolve files one after the other, in the order in which they are "
        "named, and draw input, one draw and its uncertainty side by side. The draws are tied to "
        "the Sun's surface, so that what does not change on the Sun does not flicker. A file that "
        "cannot be done is named and left out.",
    )
    parser.add_argument("inputs", nargs="+", metavar="FILE", help="file, pattern or folder")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="MOVIE",
        help="a .gif; a .mp4, .mov, .mkv or .webm, which need ffmpeg; or, without a suffix, a new "
        "folder of PNG files",
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="put every frame on the grid of the first one turned with the Sun",
    )
    parser.add_argument("--fps", type=float, default=5.0, metavar="N", help="frames per second (5)")
    add_model_option(parser)
    add_device_option(parser)
    add_ensemble_options(parser)
    add_noise_options(parser)
    add_level_option(parser)
    add_overwrite_option(
        parser, "replace a movie that exists already; a folder of PNG files must always be new"
    )
    add_quiet_option(parser, "show no progress and no messages, except of failures")
    parser.set_defaults(function=movie, error=parser.error)


def movie(options) -> int:
    """Write the movie, and name the files that it lacks."""
    from sunpy_superres.batch import write_movie
    from sunpy_superres.cli.notes import print_notes
    from sunpy_superres.files import refuse_existing
    from sunpy_superres.sampling.memory import reuse_memory

    if not Path(options.output).is_dir():  # whose content is looked at later
        refuse_existing([options.output], options.overwrite)
    reuse_memory()
    with print_notes(options.quiet):
        left_out = write_movie(
            options.inputs,
            options.output,
            model=options.model,
            seed=options.seed,
            n_samples=options.n_samples,
            num_steps=options.num_steps,
            noise=options.noise,
            level=options.level,
            device=options.device,
            follow=options.follow,
            fps=options.fps,
            progress=not options.quiet,
            **get_lifetime(options),
        )
    for name, reason in left_out:
        print(f"left out: {name}: {reason}", file=sys.stderr)
    if not options.quiet:
        print(f"done: {options.output}")
    return 1 if left_out else 0
