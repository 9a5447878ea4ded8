"""Inputs of `super_resolve_files`: files, and the embedded example."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sunpy_superres.batch.naming import name_results
from sunpy_superres.batch.results import has_result_name
from sunpy_superres.files import check_regular, file_sha256, find_fits, remove_suffixes
from sunpy_superres.maps.examples import sample_mdi_map
from sunpy_superres.maps.reading import read_map

__all__ = ["ExampleSource", "FileSource", "find_files", "find_sources"]


def _absolute(path):
    """Return an absolute path without dots; links stay, since their names are those of results."""
    return os.path.abspath(path)  # noqa: PTH100 - Path.resolve follows links


@dataclass(frozen=True)
class FileSource:
    """
    A FITS file with an MDI magnetogram.

    Parameters
    ----------
    name : str
        Path of the file as it was given, and its name in the report.
    path : str, optional
        The same as an absolute path, which another process finds too.
    stem : str, optional
        Beginning of the names of the files of its result; it may have folders.  By default the
        name of the file without its folder and its FITS suffixes.
    """

    name: str
    path: str = ""
    stem: str = ""

    def __post_init__(self):
        object.__setattr__(self, "path", self.path or _absolute(self.name))
        object.__setattr__(self, "stem", self.stem or remove_suffixes(self.name))

    def sha256(self) -> str:
        """Return the SHA-256 of the file."""
        check_regular(Path(self.path))
        return file_sha256(self.path)

    def read(self):
        """Return the Map in the file."""
        return read_map(Path(self.path))


@functools.cache
def _read_example():
    return sample_mdi_map()


@dataclass(frozen=True)
class ExampleSource:
    """The embedded example, a real frame; it has the attributes of a `FileSource`."""

    name: str = "the example"
    stem: str = "example"

    def sha256(self) -> str:
        """Return the SHA-256 of the data and the header."""
        smap = _read_example()
        digest = hashlib.sha256(np.ascontiguousarray(smap.data, dtype="<f4").tobytes())
        digest.update(json.dumps(dict(smap.meta), sort_keys=True, default=str).encode())
        return digest.hexdigest()

    def read(self):
        """Return the Map."""
        return _read_example()


def find_sources(inputs):
    """
    Find the files that paths, patterns and folders name, each once and in order.

    Parameters
    ----------
    inputs : path-like, source, or iterable of these
        Files, patterns, folders that are searched for FITS files, and sources that this
        function has returned.

    Returns
    -------
    list of FileSource and ExampleSource
        Their stems differ, in other letters than capitals: see
        `~sunpy_superres.batch.naming.name_results`.

    Raises
    ------
    FileNotFoundError
        If a pattern or a folder gives no file.
    """
    if isinstance(inputs, str | os.PathLike | FileSource | ExampleSource):
        inputs = [inputs]
    sources, folders = {}, {}
    for entry in inputs:
        if isinstance(entry, FileSource | ExampleSource):
            sources.setdefault(getattr(entry, "path", entry.name), entry)
            continue
        folder = _absolute(entry) if Path(entry).is_dir() else None
        for name in find_files(os.fspath(entry)):
            source = FileSource(name)
            if source.path not in sources:
                sources[source.path], folders[source.path] = source, folder
    stems = name_results(
        {path: folders[path] for path in sources if path in folders},
        taken=[source.stem for path, source in sources.items() if path not in folders],
    )
    return [
        replace(source, stem=stems[path]) if path in stems else source
        for path, source in sources.items()
    ]


def find_files(entry) -> list[str]:
    """
    Find the files that a path, a pattern or a folder stands for, in the order of their names.

    Parameters
    ----------
    entry : str
        Results of this package that lie in a folder are left out.  A pattern may stand for
        folders too.

    Raises
    ------
    FileNotFoundError
        If a pattern or a folder gives no file.
    """
    path = Path(entry)
    if path.is_dir():
        names = _list_folder(path)
    elif path.exists() or not set("*?[") & set(entry):
        return [entry]
    else:
        start = Path(path.anchor)
        found = sorted(start.glob(str(path.relative_to(start))))
        if not path.name.startswith("."):  # as a shell and a folder do it
            found = [p for p in found if not p.name.startswith(".")]
        names = [n for p in found for n in (_list_folder(p) if p.is_dir() else [str(p)])]
    if not names:
        problem = "holds no FITS file of an input" if path.is_dir() else "matches no file"
        raise FileNotFoundError(f"{entry} {problem}; check the path.")
    return names


def _list_folder(folder):
    return [str(path) for path in find_fits(folder) if not has_result_name(path)]
