"""Load and save models: the embedded one, folders, and those on the Hugging Face Hub."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from sunpy_superres.exceptions import ModelError
from sunpy_superres.models.folder import read_folder, write_folder

__all__ = ["Model", "download_model", "load_model", "save_model"]

#: "owner/name@revision"; a revision has only characters that git and file names both allow.
_HUB_ID = re.compile(r"(?P<name>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>(?!.*\.\.)\w[\w./-]*))?")


@dataclass(frozen=True)
class Model:
    """
    A trained model, ready to use.

    Parameters
    ----------
    network : `~sunpy_superres.models.base.BaseNetwork`
        The network in evaluation mode, float32, on the CPU.
    config : dict
        All of config.json.
    name, revision : str
        "default" with the revision in config.json; the name of a folder with "local"; or
        "owner/name" on the Hub with the commit.
    sha256 : str
        SHA-256 of the weights file.
    card : str, optional
        Text of the model card.
    """

    network: object
    config: dict
    name: str
    revision: str
    sha256: str
    card: str | None = None

    def save_pretrained(self, folder):
        """
        Write the model as a folder: half-precision weights, configuration, model card.

        Parameters
        ----------
        folder : path-like
            Created if it does not exist; the files of a model in it are replaced.
        """
        write_folder(folder, self.network, self.config, self.card)

    def push_to_hub(self, name, *, private=None, revision=None, message=None, progress=True) -> str:
        """
        Publish the model on the Hugging Face Hub, as one commit.

        Parameters
        ----------
        name : str
            "owner/name"; a repository that does not exist is created.  The token is that of
            HF_TOKEN or of ``hf auth login``.
        private : bool, optional
            Whether a new repository is private; the owner's settings decide by default.
        revision : str, optional
            Branch; one that does not exist is created.  The default branch if not given.
        message : str, optional
            Message of the commit.
        progress : bool
            Show progress bars.

        Returns
        -------
        str
            "owner/name@commit", for `load_model`.

        Raises
        ------
        ModelError
            If the model has no card, or the Hub refuses it.
        """
        from sunpy_superres.models.hub import publish

        if not self.card:
            raise ModelError(
                f"The model {self.name} has no model card; write one into the README.md of its "
                "folder before it is published."
            )
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            commit = publish(
                folder,
                name,
                message=message or f"sunpy_superres model, revision {self.config['revision']}",
                private=private,
                revision=revision,
                progress=progress,
            )
        return f"{name}@{commit}"


def load_model(model="default", *, progress=True) -> Model:
    """
    Load a model.

    Parameters
    ----------
    model : str, path-like or Model
        "default" for the embedded one, a folder, or "owner/name@revision" on the
        Hugging Face Hub, where the revision is a commit, a tag or a branch.  A Hub model that is
        in the cache is taken from there, without a request; `download_model` updates a branch.
        HF_HOME, HF_HUB_OFFLINE, HF_ENDPOINT and the token are respected.
        A `Model` is returned as it is.
    progress : bool
        Show a progress bar of a download.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        If there is no such model, it is damaged or too new, or fetching it fails.

    Examples
    --------
    >>> from sunpy_superres import load_model
    >>> load_model("default").config["architecture"]
    'residual_ldm'
    """
    if isinstance(model, Model):
        return model
    if model == "default":
        folder = Path(str(files("sunpy_superres") / "weights"))
        return _load_folder(folder, "default", remedy="install sunpy_superres again")
    if not isinstance(model, str | os.PathLike):
        raise ModelError(
            f"A model is 'default', a folder, or 'owner/name@revision', not {model!r}."
        )
    folder = Path(model)
    if folder.is_dir():
        return _load_folder(folder, folder.name, "local")
    complaint = "There is no model folder {!r}; give 'default', a folder, or 'owner/name@revision'."
    try:
        return _load_from_hub(model, complaint, progress=progress)[1]
    except ModelError as error:
        if "no model folder" in str(error):
            raise
        raise ModelError(f"There is no model folder {str(model)!r}, and: {error}") from error


def download_model(model, *, force=False, progress=True) -> Path:
    """
    Fetch the current state of a Hub model's revision into the cache, and check it.

    Parameters
    ----------
    model : str
        "owner/name@revision" or "owner/name".
    force : bool
        Download again what is already in the cache.
    progress : bool
        Show a progress bar.

    Returns
    -------
    `~pathlib.Path`
        Its folder, named after the commit.

    Raises
    ------
    ModelError
        As in `load_model`.
    """
    complaint = "{!r} is no name of a model on the Hub; give 'owner/name@revision'."
    return _load_from_hub(model, complaint, refresh=True, force=force, progress=progress)[0]


def _load_from_hub(model, complaint, **options):
    """Fetch a Hub model and load it; return its folder too."""
    from sunpy_superres.models.hub import fetch

    match = _HUB_ID.fullmatch(str(model))
    if not match:
        raise ModelError(complaint.format(str(model)))
    folder = fetch(match["name"], match["revision"], **options)
    remedy = (
        f"fetch it again with 'sunpy-superres download {model} --force', and take another revision "
        "if that does not help"
    )
    return folder, _load_folder(folder, match["name"], folder.name, remedy)


def _load_folder(folder, name, revision=None, remedy="download the model again"):
    """Load a folder; the revision is by default that of config.json."""
    network, config, sha256, card = read_folder(folder, remedy)
    return Model(network, config, name, revision or config["revision"], sha256, card)


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
    Write a network as a model folder: half-precision weights, configuration, model card.

    Parameters
    ----------
    folder : path-like
    network : `~sunpy_superres.models.base.BaseNetwork`
    sampler, calibration, training : dict
        Settings of the solver; weight of the mean and factors by field strength; record of the
        training data, their split and the recipe.
    revision : str
        Name of this version of the weights, as in the header of a result.
    card : str, optional
        Text of README.md.
    architecture : str
        A name of `~sunpy_superres.models.registry.ARCHITECTURES`.
    """
    config = {
        "architecture": architecture,
        "revision": revision,
        "model": network.config.to_dict(),
        "sampler": sampler,
        "calibration": calibration,
        "training": training,
    }
    write_folder(folder, network, config, card)
