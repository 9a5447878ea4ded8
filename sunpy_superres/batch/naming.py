"""Names of results, which differ although the inputs of an archive may have one name."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path

from sunpy_superres.files import remove_suffixes

__all__ = ["name_results"]


def name_results(folders, taken=()) -> dict[str, str]:
    """
    Choose the beginning of the names of each input's results.

    It is the name of the file without folder and suffixes.  Where several inputs have that, they
    also keep the folders in which they lie below the folder that was given, or else below the
    folder that all inputs have in common; then their suffixes; and at last a hash of the path
    tells them apart.  Names that differ by capitals only count as equal, as on many disks.

    Parameters
    ----------
    folders : dict of str to str or None
        The folder that was given and searched for each input; both are absolute paths.
    taken : iterable of str
        Names that are in use.

    Returns
    -------
    dict of str to str
    """
    common = os.path.commonpath([str(Path(path).parent) for path in folders]) if folders else ""
    choices = {path: _choices(path, folder, common) for path, folder in folders.items()}
    level = dict.fromkeys(folders, 0)
    while True:
        names = {path: choices[path][level[path]] for path in folders}
        count = Counter(name.casefold() for name in [*names.values(), *taken])
        equal = [p for p, name in names.items() if count[name.casefold()] > 1]
        if not any(level[path] + 1 < len(choices[path]) for path in equal):
            return names
        for path in equal:
            level[path] = min(level[path] + 1, len(choices[path]) - 1)


def _choices(path, folder, common):
    """Return the names that a file may get, the shortest first."""
    below = Path(os.path.relpath(path, common))
    given = Path(os.path.relpath(path, folder or common))
    stem = remove_suffixes(path)
    digest = hashlib.sha256(str(below).encode()).hexdigest()[:8]
    return (
        stem,
        str(given.with_name(stem)),
        str(below.with_name(stem)),
        str(below),
        str(below.with_name(f"{below.name}-{digest}")),
    )
