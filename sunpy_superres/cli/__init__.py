"""The command line: ``sunpy-superres run``, ``info``, and the commands of other modules."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import warnings
from pathlib import Path

from sunpy_superres.batch.interruption import Terminated, check, orderly_end
from sunpy_superres.cli.options import add_draw_options, draw_options
from sunpy_superres.exceptions import ModelError
from sunpy_superres.version import __version__

__all__ = ["main"]

#: Other commands, and the modules whose own command lines they are.
_OTHERS = {
    "batch": (
        "batch.archive",
        "super-resolve many files in parallel; goes on where it was stopped",
    ),
    "pack": ("datasets.packing", "gather HMI magnetograms for a training in one file"),
    "train": ("training.train", "train by a recipe; goes on where it was stopped"),
    "export": ("training.export", "calibrate a trained run and write it as a model"),
    "pairs": ("datasets.pairs", "match and register MDI and HMI files"),
    "finetune": ("training.finetune", "fine-tune a model on pairs, with LoRA"),
    "evaluate": ("evaluation.evaluate", "measure models on held-out regions or real pairs"),
}

#: Exit codes: all done, some files failed, wrong use (as argparse), interrupted and terminated
#: (as shells).
DONE, FAILED, USAGE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143


def _parser():
    parser = argparse.ArgumentParser(
        prog="sunpy-superres",
        description="HMI-like magnetograms, with their uncertainty, from SOHO/MDI ones.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="super-resolve FITS files")
    run.add_argument("files", nargs="*", metavar="FILE", help="MDI line-of-sight magnetogram")
    run.add_argument(
        "--example", action="store_true", help="the embedded example (simulated, not observed)"
    )
    run.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the results")
    run.add_argument("--plot", action="store_true", help="also write a picture of each result")
    add_draw_options(run)
    run.add_argument("--seed", type=int, help="of the ensemble; drawn and recorded by default")
    run.add_argument("--overwrite", action="store_true", help="replace results that exist")
    run.add_argument("--quiet", action="store_true", help="no progress, no messages but errors")

    info = commands.add_parser("info", help="version, model and device")
    info.add_argument("--model", default="default", help="'default', a folder, or owner/name@rev")
    info.add_argument("--json", action="store_true", help="for programs")

    download = commands.add_parser("download", help="bring a model of the Hub into the cache")
    download.add_argument("name", metavar="OWNER/NAME[@REVISION]")
    download.add_argument("--force", action="store_true", help="fetch again what is there")
    download.add_argument("--quiet", action="store_true", help="no progress")

    publish = commands.add_parser("publish", help="put a model, with its card, on the Hub")
    publish.add_argument(
        "model",
        nargs="?",
        default="default",
        metavar="MODEL",
        help="'default' (if none) or a folder",
    )
    publish.add_argument("name", metavar="OWNER/NAME")
    publish.add_argument(
        "--private", action="store_true", help="only the owner sees a repository made for it"
    )
    publish.add_argument("--revision", metavar="BRANCH", help="made if need be")
    publish.add_argument("--message", help="of the commit")
    publish.add_argument("--quiet", action="store_true", help="no progress")

    for name, (_, summary) in _OTHERS.items():
        commands.add_parser(name, help=summary, add_help=False)
    return parser


def _save(outputs, mdi_map, result, overwrite):
    """Write all outputs of one input, or none of them."""
    from sunpy_superres.batch.results import partial_folder
    from sunpy_superres.files import move_together, write_atomically
    from sunpy_superres.maps.plotting import plot_result

    writers = {
        kind: lambda name, kind=kind: getattr(result, kind).save(name, overwrite=True)
        for kind in ("hmi_like", "uncertainty")
    }
    if "plot" in outputs:
        figure = plot_result(mdi_map, result)
        writers["plot"] = lambda name: figure.savefig(name, dpi=110, format="png")
    with partial_folder(outputs["hmi_like"].parent) as folder:
        finished = {kind: folder / path.name for kind, path in outputs.items()}
        for kind, path in finished.items():
            write_atomically(path, writers[kind])
        move_together(
            list(finished.values()),
            list(outputs.values()),
            check=None if overwrite else lambda: _refuse_existing(outputs),
        )


def _refuse_existing(outputs):
    existing = next((path for path in outputs.values() if os.path.lexists(path)), None)
    if existing is not None:
        raise FileExistsError(f"{existing} exists; give --overwrite or another folder.")


def _one(source, outputs, options, model):
    """Super-resolve one file, or the example where ``source`` is None."""
    from sunpy_superres.batch.scheduling import TILE_SIZE
    from sunpy_superres.maps.examples import example_mdi_map
    from sunpy_superres.maps.reading import read_map
    from sunpy_superres.super_resolution import super_resolve

    if not options.overwrite:
        _refuse_existing(outputs)
    mdi_map = example_mdi_map() if source is None else read_map(source)
    result = super_resolve(
        mdi_map,
        model=model,
        seed=options.seed,
        tile_size=TILE_SIZE,
        progress=not options.quiet,
        **draw_options(options),
    )
    _save(outputs, mdi_map, result, options.overwrite)


def _run(options, parser):
    from sunpy_superres.batch.results import clean_up_leftovers, file_stem
    from sunpy_superres.batch.scheduling import reuse_memory

    reuse_memory()
    if bool(options.files) == options.example:
        parser.error("give FILE... or --example")
    sources = [None] if options.example else [Path(name) for name in options.files]
    stems = ["example" if s is None else file_stem(s) for s in sources]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        parser.error(f"two inputs are named {twice!r}; run them into different folders")
    folder = Path(options.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"the folder {folder} cannot be made ({error})")
    with clean_up_leftovers(folder):
        return _each(sources, stems, folder, options)


def _each(sources, stems, folder, options):
    """One file after another; exit code."""
    from tqdm.auto import tqdm

    from sunpy_superres.batch.results import output_paths
    from sunpy_superres.models.loading import load_model

    model = load_model(options.model, progress=not options.quiet)
    failures = 0
    bar = tqdm(
        list(zip(sources, stems, strict=True)),
        unit="file",
        desc="files",
        disable=options.quiet or len(sources) == 1,
    )
    for source, stem in bar:
        name = "the example" if source is None else str(source)
        outputs = output_paths(folder, stem)
        if options.plot:
            outputs["plot"] = folder / f"{stem}.png"
        try:
            with _warnings_as_messages(name, options.quiet):
                _one(source, outputs, options, model)
        except Exception as error:  # whatever it is, the other files are done
            check()
            failures += 1
            tqdm.write(f"failed: {name}: {error}", file=sys.stderr)
            continue
        check()
        if not options.quiet:
            written = ", ".join(str(path) for path in outputs.values())
            tqdm.write(f"done: {name}: {written}", file=sys.stdout)
    if failures and len(sources) > 1:
        print(f"{failures} of {len(sources)} files failed.", file=sys.stderr)
    return FAILED if failures else DONE


@contextlib.contextmanager
def _warnings_as_messages(name, quiet):
    """Our own warnings as a line each; those of other libraries about headers, not at all."""
    from sunpy_superres.exceptions import SuperResWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", SuperResWarning)
        yield
    if not quiet:
        for message in dict.fromkeys(str(w.message) for w in caught):
            print(f"note: {name}: {message}", file=sys.stderr)


def _info(options):
    import torch

    from sunpy_superres.models.loading import load_model
    from sunpy_superres.sampling.drawing import choose_dtype

    model = load_model(options.model)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    sampler = model.config["sampler"]
    facts = {
        "version": __version__,
        "model": model.name,
        "revision": model.revision,
        "architecture": model.config["architecture"],
        "parameters": sum(p.numel() for p in model.network.parameters()),
        "sha256": model.sha256,
        "steps": sampler["num_steps"],
        "training": model.config.get("training", {}),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "dtype": str(choose_dtype(device)).removeprefix("torch."),
    }
    if options.json:
        print(json.dumps(facts, indent=1))
        return DONE
    for name, value in facts.items():
        if isinstance(value, dict):
            for inner, text in value.items():
                if inner != "recipe":  # a page of its own
                    print(f"{name + '.' + inner:24} {text}")
        else:
            print(f"{name:24} {value}")
    return DONE


def _download(options):
    from sunpy_superres.models.loading import download_model

    folder = download_model(options.name, force=options.force, progress=not options.quiet)
    print(f"{'folder':24} {folder}\n{'revision':24} {folder.name}")
    return DONE


def _publish(options):
    from sunpy_superres.models.loading import load_model

    model = load_model(options.model, progress=not options.quiet)
    published = model.push_to_hub(
        options.name,
        private=options.private or None,
        revision=options.revision,
        message=options.message,
        progress=not options.quiet,
    )
    print(f"published: {published}")
    return DONE


def _other(command, *arguments):
    """A command of another module; its errors as a sentence."""
    from importlib import import_module

    module = import_module(f"sunpy_superres.{_OTHERS[command][0]}")
    try:
        return module.main(arguments)
    except (ImportError, TypeError, ValueError, OSError) as error:
        print(f"sunpy-superres {command}: {error}", file=sys.stderr)
        return FAILED


def main(arguments=None) -> int:
    """
    Entry point of ``sunpy-superres``.

    Parameters
    ----------
    arguments : list of str, optional
        The command line, without the program's name.

    Returns
    -------
    int
        0 if all is done, 1 if a file or the model failed, 130 on Ctrl-C and 143 on SIGTERM; wrong
        use exits with 2.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        with orderly_end():
            return _command(arguments)
    except ModelError as error:
        print(f"sunpy-superres: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as stop:
        print("sunpy-superres: interrupted; finished results are kept.", file=sys.stderr)
        return TERMINATED if isinstance(stop, Terminated) else INTERRUPTED


def _command(arguments):
    if arguments and arguments[0] in _OTHERS:
        return _other(*arguments)
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "run":
        return _run(options, parser)
    return {"info": _info, "download": _download, "publish": _publish}[options.command](options)


if __name__ == "__main__":
    sys.exit(main())
