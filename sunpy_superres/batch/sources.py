"""Inputs of `super_resolve_files`: files, and the embedded example."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sunpy_superres.batch.results import has_result_name, remove_suffixes
from sunpy_superres.files import check_regular, file_sha256
from sunpy_superres.maps.examples import sample_mdi_map
from sunpy_superres.maps.reading import read_map

__all__ = ["ExampleSource", "FileSource", "find_files", "find_sources"]


@dataclass(frozen=True)
class FileSource:
    """
    A FITS file with an MDI magnetogram.

    Parameters
    ----------
    name : str
        Path of the file, and its name in the report.
    """

    name: str

    @property
    def stem(self) -> str:
        """Beginning of the names of the files of its result."""
        return remove_suffixes(self.name)

    def sha256(self) -> str:
        """Return the SHA-256 of the file."""
        check_regular(Path(self.name))
        return file_sha256(self.name)

    def read(self):
        """Return the Map in the file."""
        return read_map(Path(self.name))


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

    Raises
    ------
    FileNotFoundError
        If a pattern or a folder gives no file.
    ValueError
        If two inputs would give results of the same name.
    """
    if isinstance(inputs, str | os.PathLike | FileSource | ExampleSource):
        inputs = [inputs]
    sources = []
    for entry in inputs:
        if isinstance(entry, FileSource | ExampleSource):
            sources.append(entry)
        else:
            sources += map(FileSource, find_files(str(entry)))
    sources = list(dict.fromkeys(sources))
    count = Counter(source.stem for source in sources)
    stem, number = count.most_common(1)[0] if count else ("", 0)
    if number > 1:
        raise ValueError(
            f"{number} inputs are named {stem!r}, so their results would have the same names; "
            "run them into different folders."
        )
    return sources


def find_files(entry) -> list[str]:
    """
    Find the files that a path, a pattern or a folder stands for, in the order of their names.

    Parameters
    ----------
    entry : str
        Results of this package that lie in a folder are left out.

    Raises
    ------
    FileNotFoundError
        If a pattern or a folder gives no file.
    """
    path = Path(entry)
    if path.is_dir():
        found = [p for p in path.rglob("*.f*ts*") if p.is_file() and not has_result_name(p)]
    elif path.exists() or not set("*?[") & set(entry):
        return [entry]
    else:
        start = Path(path.anchor)
        found = start.glob(str(path.relative_to(start)))
    names = sorted(map(str, found))
    if not names:
        raise FileNotFoundError(f"{entry} matches no file; check the path.")
    return names
