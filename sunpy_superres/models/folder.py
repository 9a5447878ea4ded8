"""
A model as a folder: config.json, safetensors and a card; read with suspicion, written whole.

Nothing of a folder is believed before it is checked: the configuration, then the names of the
files, then their SHA-256, then names and shapes of the tensors, and only then a tensor is read.
"""

from __future__ import annotations

import json
from pathlib import Path, PureWindowsPath

from sunpy_superres.exceptions import ModelError
from sunpy_superres.files import file_sha256, write_atomically
from sunpy_superres.models.registry import ARCHITECTURES

__all__ = ["CARD", "CONFIG", "FORMAT", "WEIGHTS", "read_folder", "write_folder"]

#: Version of the layout of config.json; a newer one is refused.
FORMAT = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
#: Suffixes of files that run code when they are read; this package reads none of them.
_PICKLES = {".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"}
#: Number formats of the weights, as safetensors calls them.
_NUMBERS = {"F16", "BF16", "F32"}


def read_folder(folder, remedy="download the model again"):
    """
    Check a model folder and read it; the network comes ready to use, float32 on the CPU.

    Parameters
    ----------
    folder : path-like
    remedy : str
        What to do about a damaged folder, for the messages.

    Returns
    -------
    network : `~sunpy_superres.models.base.BaseNetwork`
    config : dict
        The whole of config.json.
    sha256 : str
        SHA-256 of the weights file.
    card : str or None
        Text of README.md.

    Raises
    ------
    ModelError
        If it is no model folder, is damaged or was changed, reaches out of itself, holds a
        pickle, or is of a newer version than this package.
    """
    import torch
    from safetensors.torch import load_file

    folder = Path(folder)
    try:
        config = _read_config(folder, remedy)
        _check_files(folder, config["files"], remedy)
    except (OSError, RuntimeError) as error:  # the latter for a link to itself
        raise ModelError(
            f"{folder} cannot be read ({error}); check its links and permissions, or {remedy}."
        ) from error
    weights = folder / WEIGHTS
    network = _fitting_network(folder, config, _header(weights, remedy), remedy)
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
    """Names, places and SHA-256 of all files, before one of them is opened as a tensor."""
    for name in declared:
        # Read as Windows does, a name shows drives and both kinds of slashes.
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
        # A link is followed to its end: Python 3.13 would stop in silence at one to itself.
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
    Where the links of a folder may lead: into itself.

    A snapshot in the Hub's cache is made of links to files beside it, which lie in the cache.
    """
    folder = folder.resolve()
    if folder.parent.name == "snapshots" and folder.parents[1].name.startswith("models--"):
        return folder.parents[2]
    return folder


def _header(weights, remedy):
    """Shape of each tensor in a file; none of them is read."""
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


def _fitting_network(folder, config, shapes, remedy):
    """The configured network, built only after a model of it without memory fits the file."""
    import torch

    from sunpy_superres.models.registry import build, configure

    def unfit(problem):
        return ModelError(
            f"The weights in {folder} do not fit its configuration "
            f"({str(problem).partition(chr(10))[0]}); {remedy}."
        )

    try:
        settings = configure(config["architecture"], config["model"])
        with torch.device("meta"), _patience(len(shapes)):
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


def _patience(n_tensors):
    """Mode of torch, of this thread alone, that stops a network far deeper than a file."""
    from torch.overrides import TorchFunctionMode

    class Patience(TorchFunctionMode):
        # A tensor of a network takes some ten calls to make; no number here is exact.
        left = 100 * (n_tensors + 10)

        def __torch_function__(self, function, types, args=(), kwargs=None):
            self.left -= 1
            if self.left < 0:
                raise ValueError(f"it asks for far more than the {n_tensors} tensors there are")
            return function(*args, **(kwargs or {}))

    return Patience()


def write_folder(folder, network, config, card=None):
    """
    Write a model folder; each file appears whole, the configuration last.

    Parameters
    ----------
    folder : path-like
        Made if need be.
    network : `~sunpy_superres.models.base.BaseNetwork`
        Its weights are written in half precision.
    config : dict
        All of config.json but the format, the version of the package and the SHA-256.
    card : str, optional
        Text of the README.md; one that is there already stays without.
    """
    import torch
    from safetensors.torch import save

    from sunpy_superres.version import __version__

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.to(torch.float16).contiguous() for k, v in network.state_dict().items()}
    # Through a file of Python's, whose errors say what is wrong (a full disk, say).
    content = save(state, {"format": "pt"})
    write_atomically(folder / WEIGHTS, lambda path: Path(path).write_bytes(content))
    if card is not None:
        write_atomically(folder / CARD, lambda path: Path(path).write_text(card, encoding="utf-8"))
    digest = file_sha256(folder / WEIGHTS)
    written = {"format": FORMAT, "package_version": __version__, "files": {WEIGHTS: digest}}
    text = json.dumps({"format": FORMAT} | config | written, indent=1)
    write_atomically(
        folder / CONFIG, lambda path: Path(path).write_text(text + "\n", encoding="utf-8")
    )
