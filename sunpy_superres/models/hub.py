"""Fetch models from the Hugging Face Hub and publish them; each failure is explained."""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from pathlib import Path

from sunpy_superres.exceptions import ModelError
from sunpy_superres.models.folder import CARD, CONFIG, WEIGHTS
from sunpy_superres.progress import shows_bars
from sunpy_superres.version import __version__

__all__ = ["fetch", "publish"]

#: Files of a repository that are fetched; never a pickle or code.
_PATTERNS = [CONFIG, "*.safetensors", CARD]
_COMMIT = re.compile("[0-9a-f]{40}")
_AGENT = {"library_name": "sunpy_superres", "library_version": __version__}
_LOG_IN = "log in with 'hf auth login' or set HF_TOKEN"
#: Messages by the HTTP status of the Hub's answer.
_BY_STATUS = {
    401: f"The Hub wants a valid token to {{task}}; {_LOG_IN}.",
    403: f"The token does not permit to {{task}}; make one on the Hub that does, and {_LOG_IN}.",
    429: "The Hub received too many requests from here; wait some minutes and try again.",
}


def fetch(name, revision=None, *, refresh=False, force=False, progress=True) -> Path:
    """
    Fetch a Hub model into the client's cache.

    A model that is already there is taken without a request to the Hub, unless ``refresh`` or
    ``force`` is set.

    Parameters
    ----------
    name : str
        "owner/name".
    revision : str, optional
        Commit, tag or branch; the default branch if not given.
    refresh : bool
        Ask the Hub for the current commit of a branch or tag; a commit never changes.
    force : bool
        Fetch again even if the model is in the cache.
    progress : bool
        Show the client's progress bars.

    Returns
    -------
    `~pathlib.Path`
        Folder of the model, named after the commit.

    Raises
    ------
    ModelError
        If fetching the model fails, or the repository holds no model.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    options = {"revision": revision, "allow_patterns": _PATTERNS, **_AGENT}
    task = f"fetch the model {name} at revision {revision or 'main'}"
    can_move = not _COMMIT.fullmatch(revision or "")
    with _explain_errors(name, revision, task):
        if force or (refresh and can_move):
            # Without this request the client would use the cache if the Hub is out of reach.
            HfApi(**_AGENT).repo_info(name, revision=revision)
        else:
            with suppress(LocalEntryNotFoundError):
                folder = Path(snapshot_download(name, local_files_only=True, **options))
                if not _missing_files(folder):
                    return folder
        with _progress_bars(shows_bars(progress)):
            folder = Path(snapshot_download(name, force_download=force, **options))
    for missing in _missing_files(folder):
        raise ModelError(
            f"The repository {name} at revision {revision or 'main'} holds no {missing}: it is no "
            "model of this package; check the name and the revision."
        )
    return folder


def _missing_files(folder):
    return [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]


def publish(folder, name, *, message, private=None, revision=None, progress=True) -> str:
    """
    Put a model folder on the Hub, as one commit.

    Parameters
    ----------
    folder : path-like
        Model folder with a model card.
    name : str
        "owner/name"; a repository that does not exist is created.
    message : str
        Commit message.
    private : bool, optional
        Whether a new repository is private; the owner's settings decide by default.
    revision : str, optional
        Branch; one that does not exist is created.  The default branch if not given.
    progress : bool
        Show the client's progress bars.

    Returns
    -------
    str
        Hash of the commit.

    Raises
    ------
    ModelError
        If the Hub refuses it, or ``private`` is true and the repository is public.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(**_AGENT)
    files = [CommitOperationAdd(file, Path(folder) / file) for file in (CONFIG, WEIGHTS, CARD)]
    with _explain_errors(name, revision, f"publish {name}"), _progress_bars(shows_bars(progress)):
        api.create_repo(name, private=private, exist_ok=True)
        if private and not api.repo_info(name).private:
            raise ModelError(
                f"{name} is public already; make it private on its page on the Hub, or publish "
                "without 'private'."
            )
        if revision is not None:
            api.create_branch(name, branch=revision, exist_ok=True)
        return api.create_commit(name, files, commit_message=message, revision=revision).oid


@contextmanager
def _progress_bars(shown):
    """Hide the client's progress bars for a while, unless they should be shown."""
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    silenced = not shown and not are_progress_bars_disabled()
    if silenced:
        disable_progress_bars()
    try:
        yield
    finally:
        if silenced:
            enable_progress_bars()


@contextmanager
def _explain_errors(name, revision, task):
    """Turn each error of the client, its HTTP library or the system into a `ModelError`."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # their classes have no common base
        raise ModelError(_explain(error, name, revision or "main", task)) from error


def _explanations():
    """Return messages by the class of an error; the first class that matches counts."""
    from huggingface_hub import errors

    return {
        errors.GatedRepoError: "The model {name} is gated; ask for access on its page on the Hub, "
        f"then {_LOG_IN}.",
        errors.DisabledRepoError: "The Hub has disabled the model {name}; use another one.",
        errors.RevisionNotFoundError: "The model {name} has no revision {revision}; look its "
        "revisions up on its page on the Hub.",
        errors.RepositoryNotFoundError: "There is no model {name} on the Hub, or it is private; "
        f"check the name, or {_LOG_IN}.",
        errors.OfflineModeIsEnabled: "The cache does not suffice to {task}, and HF_HUB_OFFLINE is "
        "set; unset it.",
        errors.RemoteEntryNotFoundError: "The Hub does not give a file that it lists of the model "
        "{name} at revision {revision}; try another revision.",
        errors.HFValidationError: "{name!r} is no name of a model on the Hub ({error}); give "
        "'owner/name'.",
    }


def _explain(error, name, revision, task):
    """Say in a sentence what an error means and what to do."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    # The client's HTTP library is httpx or httpx2, depending on its version.
    http_error = HfHubHTTPError.__mro__[1]
    chain = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    answered = [link for link in chain if getattr(link, "response", None) is not None]
    cause = answered[0] if answered else chain[-1]
    reason = " ".join(f"{type(cause).__name__}: {cause}".split())
    facts = {"name": name, "revision": revision, "task": task, "error": reason}
    for kind, sentence in _explanations().items():
        if any(isinstance(link, kind) for link in chain):
            return sentence.format(**facts)
    status = cause.response.status_code if answered else 0
    if status in _BY_STATUS:
        return _BY_STATUS[status].format(**facts)
    if status >= 500:
        return (
            f"The Hub is out of order (it answers {status}) and does not {task}; try again later."
        )
    unreached = (http_error, LocalEntryNotFoundError, ConnectionError, TimeoutError)
    if not status and any(isinstance(link, unreached) for link in chain):
        return (
            f"The cache does not suffice to {task}, and the Hub is out of reach, or the connection "
            "broke; connect to the network and try again."
        )
    if any(isinstance(link, OSError) and link.errno for link in chain):
        return (
            f"The Hub's cache cannot be written ({reason}); make room there, or point HF_HOME to "
            "another folder."
        )
    return (
        f"The Hub's client does not {task} ({reason}); check the name and the revision, then try "
        "again."
    )
