"""``sunpy-superres train``: train a model by a recipe, also on a bare GPU machine."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from sunpy_superres.cli.options import add_output_option, add_quiet_option, get_output

__all__ = ["add_parser", "train"]


def add_parser(commands):
    """Add the command to the sub-parsers of argparse."""
    folder = files("sunpy_superres") / "training" / "recipes"
    names = sorted(path.name.removesuffix(".toml") for path in folder.iterdir())
    parser = commands.add_parser(
        "train",
        help="train by a recipe; resumes where it was stopped",
        description="Train a model by a recipe, and go on where an earlier training in the same "
        "folder was stopped. torch, numpy and safetensors are all that it needs. For several "
        "GPUs: accelerate launch -m sunpy_superres.cli train PACK -o RUN.",
    )
    parser.add_argument("pack", metavar="PACK", help="file of 'sunpy-superres pack'")
    add_output_option(parser, "RUN", "folder of the checkpoints and the weights")
    parser.add_argument(
        "--recipe",
        default="residual_ldm",
        help=f"a TOML file, or one of {', '.join(names)}; residual_ldm by default",
    )
    parser.add_argument("--stages", nargs="+", metavar="STAGE", help="train these stages only")
    parser.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="total steps of all stages but the autoencoder, in the proportions of the recipe",
    )
    parser.add_argument(
        "--autocast",
        choices=("none", "bfloat16"),
        help="number format of all stages but the autoencoder, in place of the recipe's",
    )
    parser.add_argument("--start", metavar="FILE", help="model.safetensors to start from")
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="stop after this time in a stage; the same command continues",
    )
    add_quiet_option(parser)
    parser.set_defaults(function=train, error=parser.error)


def train(options) -> int:
    """Train by the recipe that the options name and change."""
    output = get_output(options)
    from sunpy_superres.training.recipe import load_recipe
    from sunpy_superres.training.train import train as train_recipe

    recipe = load_recipe(options.recipe)
    if options.steps is not None:
        recipe = recipe.shortened(options.steps)
    if options.autocast is not None:
        recipe = recipe.in_precision(options.autocast)
    train_recipe(
        options.pack,
        output,
        recipe,
        stages=options.stages,
        start=options.start,
        seconds=options.seconds,
        progress=not options.quiet,
    )
    if not options.quiet:
        print(f"written: {Path(output) / 'model.safetensors'}")
    return 0
