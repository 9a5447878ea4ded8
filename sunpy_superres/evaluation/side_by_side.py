"""Two builds of the package side by side: time and peak memory of each, and their ratios."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import MaskedColumn, Table

__all__ = ["Build", "describe_build", "find_build", "measure_builds", "tabulate", "this_build"]

_ROOT = Path(__file__).parents[2]
_PACKAGE = "sunpy_superres"
#: Where a virtual environment has its interpreter.
_INTERPRETERS = ("bin/python", "Scripts/python.exe")


@dataclass(frozen=True)
class Build:
    """
    A build of the package, as a process of its own runs it.

    Parameters
    ----------
    name : str
        "new", or the commit or path that was given.
    python : str
        Interpreter.
    source : `pathlib.Path`, optional
        Folder that holds the package; by default it is the one installed for the interpreter.
    """

    name: str
    python: str
    source: Path | None = None

    def run(self, warm_up, frame, options) -> dict:
        """
        Super-resolve a frame once, in a process of its own.

        Parameters
        ----------
        warm_up, frame : path-like
            FITS files; the first is super-resolved once before.
        options : dict
            Arguments of `~sunpy_superres.super_resolve`, such as "n_samples".

        Returns
        -------
        dict
            "seconds"; "memory", the process's peak in bytes; and "facts" about the build.

        Raises
        ------
        ValueError
            If the process fails, or runs another build than this one.
        """
        script = Path(__file__).with_name("_timed_run.py").read_text(encoding="utf-8")
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        if self.source is not None:
            environment["PYTHONPATH"] = str(self.source)
        call = json.dumps([str(warm_up), str(frame), options])
        done = subprocess.run(
            [self.python, "-c", script, call],
            capture_output=True,
            text=True,
            env=environment,
            cwd=Path(frame).parent,  # a folder without modules, since Python looks there first
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise ValueError(f"The build {self.name} failed: {reason}")
        found = json.loads(done.stdout.splitlines()[-1])
        used = Path(found["facts"]["file"]).resolve()
        if self.source is not None and not used.is_relative_to(self.source.resolve()):
            raise ValueError(
                f"{self.python} runs {used.parent}, not the build {self.name}; run the benchmark "
                "in an environment in which no other build takes precedence."
            )
        return found


def this_build() -> Build:
    """Return the build that this process runs."""
    return Build("new", sys.executable, _ROOT)


def find_build(text, folder) -> Build:
    """
    Find a build by the name of a commit, or by the path of what it is installed in.

    Parameters
    ----------
    text : str
        Path of a Python interpreter, of a virtual environment, or of a folder that holds the
        package's source; otherwise a commit of the git checkout that this package is run from.
    folder : path-like
        Empty folder, to which the source of a commit is written.

    Returns
    -------
    Build

    Raises
    ------
    ValueError
        If it is none of these, there is no git, or the package is run from no checkout.
    """
    path = Path(text).expanduser()
    if path.is_dir():
        for name in _INTERPRETERS:
            if (path / name).is_file():
                # Not resolved: the link's own place makes it that environment's interpreter.
                return Build(text, str(path.absolute() / name))
        if (path / _PACKAGE / "__init__.py").is_file():
            return Build(text, sys.executable, path.absolute())
        raise ValueError(
            f"{text} is a folder without an interpreter ({' or '.join(_INTERPRETERS)}) and without "
            f"{_PACKAGE}; give a commit, an interpreter or a virtual environment."
        )
    if path.is_file():
        if not os.access(path, os.X_OK):
            raise ValueError(
                f"{text} is a file that cannot be run; give a commit, an interpreter or a virtual "
                "environment."
            )
        return Build(text, str(path.absolute()))
    return _export_commit(text, Path(folder))


def _git(*arguments):
    """Run git in the checkout; return its output, or None if it fails."""
    try:
        done = subprocess.run(["git", "-C", str(_ROOT), *arguments], capture_output=True)
    except FileNotFoundError:
        raise ValueError(
            "git is not installed, so that no commit can be read; install it, or give the "
            "interpreter or the virtual environment of the other build."
        ) from None
    return done.stdout if done.returncode == 0 else None


def _export_commit(text, folder):
    """Write the package of a commit to a folder, and return its build."""
    if _git("ls-files", "--error-unmatch", f"{_PACKAGE}/__init__.py") is None:
        raise ValueError(
            f"{text} is no path, and {_ROOT} is no git checkout in which it could be a commit; "
            "give the interpreter or the virtual environment of the other build."
        )
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{text}^{{commit}}")
    if commit is None:
        raise ValueError(
            f"{text} is neither a path nor a commit of {_ROOT}; 'git log --oneline' lists the "
            "commits (in a shallow clone only some: 'git fetch --unshallow')."
        )
    commit = commit.decode().strip()
    archive = _git("archive", "--format=tar", commit, _PACKAGE)
    if archive is None:
        raise ValueError(f"The commit {text} has no folder {_PACKAGE}; give a later one.")
    with tarfile.open(fileobj=io.BytesIO(archive)) as file:
        file.extractall(folder, filter="data")
    # git does not have this file, which the build of a package writes.
    version = f"0+g{commit[:9]}"
    (folder / _PACKAGE / "_version.py").write_text(
        f"version = __version__ = {version!r}\n", encoding="utf-8"
    )
    return Build(text, sys.executable, folder.absolute())


def measure_builds(builds, rows, warm_up, repeats=1, report=None, **options) -> dict:
    """
    Run each row with each build in turn, so that all see the same load of the machine.

    Parameters
    ----------
    builds : dict of str to Build
        "old" and "new".
    rows : dict of str to tuple
        Label to the frame's FITS file and the number of samples.
    warm_up : path-like
        FITS file of a small frame.
    repeats : int
        Runs of each row with each build; the medians count.
    report : callable, optional
        Called with label, name of the build, and what `Build.run` returned, after each run.
    **options
        Other arguments of `~sunpy_superres.super_resolve`, for both builds.

    Returns
    -------
    dict of str to dict
        Label to "old" and "new", and each of these to "seconds", "memory" (bytes) and "facts".
    """
    measured = {}
    for label, (frame, n_samples) in rows.items():
        runs = {name: [] for name in builds}
        for _ in range(repeats):
            for name, build in builds.items():
                found = build.run(warm_up, frame, {**options, "n_samples": n_samples})
                runs[name].append(found)
                if report is not None:
                    report(label, name, found)
        measured[label] = {
            name: {
                "seconds": float(np.median([run["seconds"] for run in found])),
                "memory": float(np.median([run["memory"] for run in found])),
                "facts": found[0]["facts"],
            }
            for name, found in runs.items()
        }
    return measured


def tabulate(measured, memory_rows=()) -> Table:
    """
    Set time and peak memory of the two builds side by side.

    Parameters
    ----------
    measured : dict
        From `measure_builds`.
    memory_rows : tuple of str, optional
        Labels of two rows; another row has the memory of the second over that of the first.

    Returns
    -------
    `~astropy.table.Table`
        Columns ``run``; ``old (s)``, ``new (s)`` and ``time``, new over old; ``old (GiB)``,
        ``new (GiB)`` and ``memory``, new over old.  Of the row that compares two others,
        ``old (GiB)`` and ``new (GiB)`` are ratios and the times are masked.
    """
    rows = []
    for label, both in measured.items():
        old, new = both["old"], both["new"]
        gib = [found["memory"] / 2**30 for found in (old, new)]
        seconds = [found["seconds"] for found in (old, new)]
        rows.append((label, *seconds, seconds[1] / seconds[0], *gib, gib[1] / gib[0]))
    if memory_rows:
        few, many = (measured[label] for label in memory_rows)
        ratios = [many[name]["memory"] / few[name]["memory"] for name in ("old", "new")]
        label = f"memory, {memory_rows[1]} over {memory_rows[0]}"
        rows.append((label, np.nan, np.nan, np.nan, *ratios, ratios[1] / ratios[0]))
    names = ("old (s)", "new (s)", "time", "old (GiB)", "new (GiB)", "memory")
    table = Table({"run": [row[0] for row in rows]})
    for number, name in enumerate(names, start=1):
        values = [row[number] for row in rows]
        table[name] = MaskedColumn(values, mask=np.isnan(values), format=".3g")
    return table


def describe_build(name, build, facts) -> str:
    """
    Say which build this is, and which defaults it used.

    Parameters
    ----------
    name : str
        "old" or "new".
    build : Build
    facts : dict
        From `measure_builds`.
    """
    tiles = facts.get("tile_size") or "their default size"
    shown = f"{name}: " if build.name == name else f"{name}: {build.name}, "
    return (
        f"{shown}version {facts['version']}, model {facts['model']} {facts['revision']}, "
        f"{facts['steps']} steps, {facts['dtype']}, tiles of {tiles}"
    )
