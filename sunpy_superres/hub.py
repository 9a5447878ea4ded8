"""Models as folders: config.json and safetensors, checked before a tensor is read."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from sunpy_superres.exceptions import ModelError
from sunpy_superres.models.registry import ARCHITECTURES

__all__ = ["Model", "load_model", "save_model"]

#: Version of the layout of config.json; a newer one is refused.
FORMAT = 1
_HUB_ID = re.compile(r"^(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?$")
_CONFIG, _WEIGHTS, _CARD = "config.json", "model.safetensors", "README.md"


@dataclass(frozen=True)
class Model:
    """
    A trained model, ready to use.

    Parameters
    ----------
    network : `~sunpy_superres.models.frames.FrameReader`
        In evaluation mode, float32, on the CPU.
    config : dict
        The whole of config.json.
    name, revision : str
        How it was asked for; the revision of the embedded model is its package's.
    sha256 : str
        Of the weights file.
    """

    network: object
    config: dict
    name: str
    revision: str
    sha256: str


def _sha256(path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_config(folder: Path) -> dict:
    path = folder / _CONFIG
    if not path.is_file():
        raise ModelError(f"{folder} is no model folder: {_CONFIG} is missing; check the path.")
    damaged = f"{path} is damaged or not of this package ({{}}); download the model again."
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        version, architecture = config["format"], config["architecture"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(damaged.format(error)) from error
    if not isinstance(version, int) or version > FORMAT:
        raise ModelError(
            f"{path} has format {version!r}; this version reads up to {FORMAT}: "
            "update sunpy_superres."
        )
    if architecture not in ARCHITECTURES:
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
        if not isinstance(config["files"][_WEIGHTS], str):
            raise TypeError(f"no SHA-256 of {_WEIGHTS}")
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(damaged.format(error)) from error
    return config


def _load_folder(folder: Path, name: str, revision: str) -> Model:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from sunpy_superres.models.registry import build, configured

    config = _read_config(folder)
    weights = folder / _WEIGHTS
    if not weights.is_file():
        raise ModelError(f"{folder} holds no {_WEIGHTS}; download the model again.")
    digest = _sha256(weights)
    if digest != config["files"][_WEIGHTS]:
        raise ModelError(
            f"The SHA-256 of {weights} is not the one in {_CONFIG}: the file is damaged or was "
            "changed; download the model again."
        )
    try:
        network = build(configured(config["architecture"], config["model"]))
        state = {k: v.float() for k, v in load_file(weights).items()}
        network.load_state_dict(state)
    except (
        SafetensorError,
        RuntimeError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        raise ModelError(
            f"The weights in {folder} do not fit its configuration ({error}); "
            "download the model again."
        ) from error
    network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return Model(network, config, name, revision, digest)


def load_model(model="default") -> Model:
    """
    Load a model.

    Parameters
    ----------
    model : str, path-like or Model
        "default" for the embedded one, a folder, or "owner/name@revision" on the
        Hugging Face Hub (cached; HF_HOME, HF_HUB_OFFLINE and the token are respected).
        A `Model` is returned as it is.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        If there is no such model, or it is damaged, too new, or cannot be fetched.
    """
    if isinstance(model, Model):
        return model
    if model == "default":
        folder = Path(str(files("sunpy_superres") / "weights"))
        return _load_folder(folder, "default", _read_config(folder).get("revision", "embedded"))
    folder = Path(model)
    if folder.is_dir():
        return _load_folder(folder, folder.name, "local")
    match = _HUB_ID.match(str(model))
    if not match:
        raise ModelError(
            f"There is no model folder {str(model)!r}; give 'default', a folder, "
            "or 'owner/name@revision'."
        )
    return _load_folder(
        _download(match["name"], match["revision"]), match["name"], match["revision"] or "main"
    )


def _download(name, revision) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    from sunpy_superres import __version__

    try:
        return Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=[_CONFIG, "*.safetensors", _CARD],
                library_name="sunpy_superres",
                library_version=__version__,
            )
        )
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"The model {name} is not in the cache and the Hub cannot be reached; connect "
            "to the network, unset HF_HUB_OFFLINE, or use the embedded model 'default'."
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ModelError(
            f"The Hub did not give the model {name} at revision {revision or 'main'} "
            f"({type(error).__name__}: {error}); check the name, the revision and your token."
        ) from error


def save_model(
    folder,
    network,
    *,
    sampler,
    calibration,
    training,
    revision,
    card=None,
    architecture="residual_ldm",
):
    """
    Write a model folder: half-precision weights, configuration, model card.

    Parameters
    ----------
    folder : path-like
    network : `~sunpy_superres.models.frames.FrameReader`
    sampler, calibration, training : dict
        Default steps and noise range; factors by field strength; data and split.
    revision : str
        What the header of a result calls this version of the weights.
    card : str, optional
        Text of the README.md.
    architecture : str
        Of `~sunpy_superres.models.registry.ARCHITECTURES`.
    """
    import torch
    from safetensors.torch import save_file

    from sunpy_superres import __version__

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / (_WEIGHTS + ".part")
    state = {k: v.to(torch.float16).contiguous() for k, v in network.state_dict().items()}
    save_file(state, partial, metadata={"format": "pt"})
    config = {
        "format": FORMAT,
        "architecture": architecture,
        "revision": revision,
        "package_version": __version__,
        "model": network.config.to_dict(),
        "sampler": sampler,
        "calibration": calibration,
        "training": training,
        "files": {_WEIGHTS: _sha256(partial)},
    }
    partial.replace(folder / _WEIGHTS)
    for name, text in ((_CARD, card), (_CONFIG, json.dumps(config, indent=1) + "\n")):
        if text is not None:
            partial = folder / (name + ".part")
            partial.write_text(text, encoding="utf-8")
            partial.replace(folder / name)
