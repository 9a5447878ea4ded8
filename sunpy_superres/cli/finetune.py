"""``sunpy-superres finetune``: fine-tune a model on pairs, with LoRA."""

from __future__ import annotations

from sunpy_superres.cli.options import (
    add_model_option,
    add_output_option,
    add_quiet_option,
    get_output,
)

__all__ = ["add_parser", "finetune"]


def add_parser(commands):
    """Add the command to the sub-parsers of argparse."""
    parser = commands.add_parser(
        "finetune",
        help="fine-tune a model on pairs, with LoRA",
        description="Fine-tune a model on real pairs with low-rank adapters (LoRA), and go on "
        "where an earlier run in the same folder was stopped. The tuned model is the folder "
        "RUN/model.",
    )
    parser.add_argument("pairs", metavar="PAIRS", help="file of 'sunpy-superres pairs'")
    add_output_option(parser, "RUN", "folder of the checkpoints and of the tuned model")
    add_model_option(parser)
    parser.add_argument(
        "--recipe", metavar="TOML", help="file with rank, size, batch, seed and [loop]"
    )
    parser.add_argument(
        "--revision", default="local", help="name of this version of the weights ('local')"
    )
    add_quiet_option(parser)
    parser.set_defaults(function=finetune, error=parser.error)


def finetune(options) -> int:
    """Fine-tune a model, and say how to calibrate it."""
    output = get_output(options)
    from sunpy_superres.training.finetune import FineTuning, tune_model
    from sunpy_superres.training.recipe import read_toml

    folder = tune_model(
        options.model,
        options.pairs,
        output,
        FineTuning.from_dict(read_toml(options.recipe) if options.recipe else {}),
        revision=options.revision,
        progress=not options.quiet,
    )
    print(
        f"{folder} still has the calibration of {options.model}; 'sunpy-superres export {folder} "
        "-o ANOTHER --data DATA' makes a model with one of its own."
    )
    return 0
