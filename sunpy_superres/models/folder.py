"""
A model as a folder: config.json, safetensors and a model card.

A folder is checked before it is used: first the configuration, then the names of the files, their
SHA-256, and the names and shapes of the tensors.  Only then a tensor is read.
"""

from __future__ import annotations

import json
from pathlib import Path, PureWindowsPath

from sunpy_superres.exceptions import ModelError
from sunpy_superres.files import file_sha256, write_atomically, write_tensors
from sunpy_superres.models.registry import ARCHITECTURES
from sunpy_superres.torch_state import own_torch_state

__all__ = ["CARD", "CONFIG", "FORMAT", "WEIGHTS", "read_folder", "write_folder"]

#: Version of the layout of config.json; a newer one is refused.
FORMAT = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
#: Suffixes of files that run code when they are read; this package reads none of them.
_PICKLES = {".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"}
#: Number formats of weights, under safetensors' names.
_NUMBERS = {"F16", "BF16", "F32"}


@own_torch_state()
def read_folder(folder, remedy="download the model again"):
    """
    Check a model folder and read it.

    Parameters
    ----------
    folder : path-like
    remedy : str
        What to do about a damaged folder; the messages end with it.

    Returns
    -------
    network : `~sunpy_superres.models.base.BaseNetwork`
        In evaluation mode, float32, on the CPU.
    config : dict
        All of config.json.
    sha256 : str
        SHA-256 of the weights file.
    card : str or None
        Text of README.md.

    Raises
    ------
    ModelError
        If it is no model folder, is damaged or was changed, names or links to files outside of
        it, holds a pickle, or needs a newer version of this package.
    """
    import torch
    from safetensors.torch import load_file

    folder = Path(folder)
    try:
        config = _read_config(folder, remedy)
        _check_files(folder, config["files"], remedy)
    except (OSError, RuntimeError) as error:  # a link to itself gives a RuntimeError
        raise ModelError(
            f"{folder} cannot be read ({error}); check its links and permissions, or {remedy}."
        ) from error
    weights = folder / WEIGHTS
    network = _build_network(folder, config, _read_shapes(weights, remedy), remedy)
    network.load_state_dict({name: v.float() for name, v in load_file(weights).items()})
    network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    card = folder / CARD
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else None
    return network, config, config["files"][WEIGHTS], text


def _read_config(folder, remedy):
    path = folder / CONFIG
    if not path.is_file():
        raise ModelError(f"{folder} is no model folder: {CONFIG} is missing; check the path.")

    def damaged(problem):
        return ModelError(f"{path} is damaged or not of this package ({problem}); {remedy}.")

    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        version, architecture = config["format"], config["architecture"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(error) from error
    if not isinstance(version, int) or version > FORMAT:
        raise ModelError(
            f"{path} has format {version!r}; this version reads up to {FORMAT}: "
            "update sunpy_superres."
        )
    if not isinstance(architecture, str) or architecture not in ARCHITECTURES:
        raise ModelError(
            f"{path} is of the unknown architecture {architecture!r}; update sunpy_superres."
        )
    try:
        sampler, calibration = config["sampler"], config["calibration"]
        numbers = [config["model"]["gain"], calibration.get("mean_weight", 0.0)]
        numbers += [sampler[name] for name in ("num_steps", "sigma_max", "power")]
        numbers += [*calibration["field"], *calibration["factor"]]
        if not all(isinstance(number, int | float) for number in numbers):
            raise TypeError("a setting is not a number")
        if not isinstance(config["revision"], str):
            raise TypeError("no name of the revision")
        if WEIGHTS not in config["files"]:
            raise TypeError(f"no SHA-256 of {WEIGHTS}")
        for name, digest in config["files"].items():
            if not isinstance(digest, str):
                raise TypeError(f"no SHA-256 of {name}")
    except (KeyError, TypeError, AttributeError) as error:
        raise damaged(error) from error
    return config


def _check_files(folder, declared, remedy):
    """Check names, places and SHA-256 of all files, before a tensor is read."""
    for name in declared:
        # Windows paths have drives and both kinds of slashes: the strictest reading of a name.
        path = PureWindowsPath(name)
        if path.anchor or ".." in path.parts:
            raise ModelError(
                f"{CONFIG} of {folder} names the file {name!r} outside of the folder; get the "
                "model from a source that you trust."
            )
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _PICKLES:
            raise ModelError(
                f"{folder} holds the pickle {path.name}, which could run code; remove it, only "
                "safetensors are read."
            )
        if path.suffix == ".safetensors" and path.relative_to(folder).as_posix() not in declared:
            raise ModelError(f"{path} is not listed in {CONFIG}; remove it or {remedy}.")
    for name in (CONFIG, CARD, *declared):
        path = folder / name
        # Strict, because Python 3.13 would otherwise accept a link to itself.
        if not path.resolve(strict=path.is_symlink()).is_relative_to(_boundary(folder)):
            raise ModelError(
                f"{path} is a link to a file outside of the folder; put a copy of the "
                "file in its place."
            )
    for name, digest in declared.items():
        path = folder / name
        if not path.is_file():
            raise ModelError(f"{folder} holds no {name}; {remedy}.")
        if file_sha256(path) != digest:
            raise ModelError(
                f"The SHA-256 of {path} is not the one in {CONFIG}: the file is damaged or was "
                f"changed; {remedy}."
            )


def _boundary(folder):
    """
    Return the folder that the links of a model folder may not leave: usually itself.

    A snapshot in the Hub's cache consists of links to files elsewhere in the cache.
    """
    folder = folder.resolve()
    if folder.parent.name == "snapshots" and folder.parents[1].name.startswith("models--"):
        return folder.parents[2]
    return folder


def _read_shapes(weights, remedy):
    """Read the shape of each tensor in a file, but no tensor."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(weights), framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            numbers = {part.get_dtype() for part in slices.values()}
    except SafetensorError as error:
        raise ModelError(
            f"{weights} is cut short or no safetensors file ({error}); {remedy}."
        ) from error
    if not numbers <= _NUMBERS:
        raise ModelError(
            f"{weights} holds numbers of the kind {', '.join(sorted(numbers - _NUMBERS))}, not "
            f"{', '.join(sorted(_NUMBERS))}; {remedy}."
        )
    return shapes


def _build_network(folder, config, shapes, remedy):
    """Build the configured network, if one built without memory has the shapes of the file."""
    import torch

    from sunpy_superres.models.registry import build, configure

    def unfit(problem):
        return ModelError(
            f"The weights in {folder} do not fit its configuration "
            f"({str(problem).partition(chr(10))[0]}); {remedy}."
        )

    try:
        settings = configure(config["architecture"], config["model"])
        with torch.device("meta"), _limit_calls(len(shapes)):
            expected = {k: tuple(v.shape) for k, v in build(settings).state_dict().items()}
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise unfit(error) from error
    for name in sorted(expected.keys() | shapes.keys()):
        if name not in shapes:
            raise unfit(f"the tensor {name} is missing")
        if name not in expected:
            raise unfit(f"the tensor {name} is one too many")
        if shapes[name] != expected[name]:
            raise unfit(f"the tensor {name} is {shapes[name]}, not {expected[name]}, in shape")
    return build(settings)


def _limit_calls(n_tensors):
    """Make a mode of torch, for this thread, that stops building a network too deep for a file."""
    from torch.overrides import TorchFunctionMode

    class Limit(TorchFunctionMode):
        # Making a tensor takes some ten calls; the limit is generous.
        left = 100 * (n_tensors + 10)

        def __torch_function__(self, function, types, args=(), kwargs=None):
            self.left -= 1
            if self.left < 0:
                raise ValueError(f"it asks for far more than the {n_tensors} tensors there are")
            return function(*args, **(kwargs or {}))

    return Limit()


def write_folder(folder, network, config, card=None):
    """
    Write a model folder; no file is ever half written, and the configuration comes last.

    Parameters
    ----------
    folder : path-like
        Created if it does not exist.
    network : `~sunpy_superres.models.base.BaseNetwork`
        Its weights are written in half precision.
    config : dict
        Entries of config.json; its format, package version and SHA-256 are filled in.
    card : str, optional
        Text of README.md; by default an existing README.md is kept.
    """
    import torch

    from sunpy_superres.version import __version__

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.to(torch.float16) for k, v in network.state_dict().items()}
    write_tensors(folder / WEIGHTS, state, {"format": "pt"})
    if card is not None:
        write_atomically(folder / CARD, lambda path: Path(path).write_text(card, encoding="utf-8"))
    digest = file_sha256(folder / WEIGHTS)
    written = {"format": FORMAT, "package_version": __version__, "files": {WEIGHTS: digest}}
    text = json.dumps({"format": FORMAT} | config | written, indent=1) + "\n"
    write_atomically(folder / CONFIG, lambda path: Path(path).write_text(text, encoding="utf-8"))
