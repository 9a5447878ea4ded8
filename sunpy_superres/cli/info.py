"""``sunpy-superres info``: version, model and device."""

from __future__ import annotations

import json

from sunpy_superres.cli.options import add_model_option
from sunpy_superres.version import __version__

__all__ = ["add_parser", "info"]


def add_parser(commands):
    """Add the command to the sub-parsers of argparse."""
    parser = commands.add_parser("info", help="show version, model and device")
    add_model_option(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(function=info, error=parser.error)


def info(options) -> int:
    """Print the facts about a model and this machine."""
    import torch

    from sunpy_superres.models.loading import load_model
    from sunpy_superres.sampling.drawing import choose_dtype

    model = load_model(options.model)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    facts = {
        "version": __version__,
        "model": model.name,
        "revision": model.revision,
        "architecture": model.config["architecture"],
        "parameters": sum(p.numel() for p in model.network.parameters()),
        "sha256": model.sha256,
        "steps": model.config["sampler"]["num_steps"],
        "training": model.config.get("training", {}),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "dtype": str(choose_dtype(device)).removeprefix("torch."),
    }
    if options.json:
        print(json.dumps(facts, indent=1))
        return 0
    for name, value in facts.items():
        if isinstance(value, dict):
            for inner, text in value.items():
                if inner != "recipe":  # it would fill a page
                    print(f"{name + '.' + inner:24} {text}")
        else:
            print(f"{name:24} {value}")
    return 0
