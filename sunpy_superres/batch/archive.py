"""
Many magnetograms: in parallel, and again from where it stopped.

``sunpy-superres batch IN... -o DIR`` super-resolves files, and all FITS files of folders.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import json
import os
import sys
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from sunpy_superres.batch.interruption import check
from sunpy_superres.batch.results import (
    Stamp,
    clean_up_leftovers,
    file_stem,
    is_result,
    is_whole,
    output_paths,
    refuse_other,
    remove_leftovers,
    save_result,
)
from sunpy_superres.batch.scheduling import (
    open_client,
    ordered,
    reuse_memory,
    unordered,
    use_own_threads,
)
from sunpy_superres.cli.options import add_draw_options, draw_options
from sunpy_superres.exceptions import ModelError, SuperResWarning
from sunpy_superres.files import check_regular, file_sha256
from sunpy_superres.maps.reading import read_map
from sunpy_superres.models.loading import load_model
from sunpy_superres.super_resolution import check_options, super_resolve

__all__ = ["frame_seed", "read_report", "super_resolve_files", "super_resolve_maps"]

#: Settings of `~sunpy_superres.super_resolve` that change a result.
_SETTINGS = ("estimate", "n_samples", "num_steps", "dtype")
_REPORT = "report.jsonl"
#: One frame at a time in a process; the threads of the network are the parallel part.
_ONE_AT_A_TIME = threading.Lock()
#: The model of this process, by name and SHA-256; one at most.
_LOADED = {}


def frame_seed(mdi_map, seed=0) -> int:
    """
    Seed of a frame's ensemble: the same whatever is computed before, after or beside it.

    Parameters
    ----------
    mdi_map : `~sunpy.map.GenericMap`
    seed : int
        Another one gives other draws of the whole batch.

    Returns
    -------
    int
        Of 31 bits.
    """
    digest = hashlib.sha256(np.ascontiguousarray(mdi_map.data, dtype="<f4").tobytes())
    digest.update(f"{mdi_map.meta.get('t_obs') or mdi_map.meta.get('date-obs')} {seed}".encode())
    return int.from_bytes(digest.digest()[:4], "big") >> 1


def _model(name, sha256=None):
    """The model of this process; loaded anew unless it is known to be the one that is asked for."""
    if (name, sha256) not in _LOADED:
        model = load_model(name)
        if sha256 not in (None, model.sha256):
            raise ModelError(
                f"The model {name!r} of this worker has other weights than that of the caller; "
                "give all of them the same folder, or a model of the Hub with its commit."
            )
        sha256 = model.sha256
        _LOADED.clear()
        _LOADED[name, sha256] = model
    return _LOADED[name, sha256]


def _failed(path, error):
    """Record of a file that could not be done."""
    return {
        "file": str(path), "state": "failed", "model": None, "outputs": {}, "notes": [],
        "reason": f"{type(error).__name__}: {error}",
    }  # fmt: skip


def _file_record(path, folder, model, settings):
    """Super-resolve one file, if it is not done; whatever happens becomes a record."""
    started = time.perf_counter()
    record = {"file": str(path), "outputs": {}}
    try:
        with _ONE_AT_A_TIME, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", SuperResWarning)
            _do_file(Path(path), Path(folder), model, settings, record)
        record["notes"] = list(dict.fromkeys(str(w.message) for w in caught))
    except Exception as error:  # whatever it is, the other files are done
        record = _failed(path, error) | record | {"outputs": {}}
    check()
    record["seconds"] = round(time.perf_counter() - started, 3)
    return record


def _do_file(path, folder, model, settings, record):
    check_regular(path)
    record["sha256"] = file_sha256(path)
    loaded = _model(*model)
    record["model"] = loaded.sha256
    kept = {name: settings[name] for name in (*_SETTINGS, "seed", "lossless")}
    stamp = Stamp.of(record["sha256"], loaded.sha256, kept)
    outputs = output_paths(folder, file_stem(path))
    if all(is_whole(output, stamp) for output in outputs.values()):
        record["state"] = "kept"
    else:
        if not settings["overwrite"]:
            refuse_other(outputs, stamp)
        use_own_threads()
        mdi_map = read_map(path)
        result = super_resolve(
            mdi_map,
            model=loaded,
            seed=frame_seed(mdi_map, settings["seed"]),
            device=settings["device"],
            progress=False,
            **{name: settings[name] for name in _SETTINGS},
        )
        how = {name: settings[name] for name in ("lossless", "overwrite")}
        save_result(outputs, result, stamp, **how)
        record["state"] = "done"
    record["outputs"] = {str(output): file_sha256(output) for output in outputs.values()}


def _found(inputs):
    """Files of paths, patterns and folders, each once, in order."""
    if isinstance(inputs, str | os.PathLike):
        inputs = [inputs]
    paths = []
    for entry in map(str, inputs):
        if Path(entry).is_dir():
            found = sorted(str(p) for p in Path(entry).rglob("*.f*ts*"))
            found = [p for p in found if Path(p).is_file() and not is_result(p)]
        elif Path(entry).exists() or not set("*?[") & set(entry):
            found = [entry]
        else:
            start = Path(Path(entry).anchor)
            found = sorted(str(p) for p in start.glob(str(Path(entry).relative_to(start))))
        if not found:
            raise FileNotFoundError(f"{entry} matches no file; check the path.")
        paths += found
    paths = list(dict.fromkeys(paths))
    stems = Counter(map(file_stem, paths))
    twice = next((path for path in paths if stems[file_stem(path)] > 1), None)
    if twice is not None:
        raise ValueError(
            f"{stems[file_stem(twice)]} inputs are named {file_stem(twice)!r}; "
            "run them into different folders."
        )
    return paths


def read_report(path) -> dict[str, dict]:
    """
    The last record of each file of a report.

    Parameters
    ----------
    path : path-like
        ``report.jsonl``, or the folder that it is in; a line that was cut is left out.

    Returns
    -------
    dict
        Records by the name of the input: "state" ("done", "kept" or "failed"), "reason",
        "seconds", "model", "sha256" of the input, "outputs" with the SHA-256 of each, "notes".
    """
    path = Path(path)
    records = {}
    for line in (path / _REPORT if path.is_dir() else path).read_text("utf-8").splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            record = json.loads(line)
            records[record["file"]] = record
    return records


def super_resolve_files(
    inputs,
    out_dir,
    *,
    client=None,
    workers=None,
    model="default",
    estimate="sample",
    n_samples=8,
    num_steps=None,
    seed=0,
    device=None,
    dtype=None,
    lossless=False,
    overwrite=False,
    progress=True,
) -> dict[str, dict]:
    """
    Super-resolve many files, in parallel; what is done already is kept.

    Each result is two tiled, compressed FITS files that appear whole or not at all, and carry a
    stamp of input, model and settings and a checksum: a run that was killed and is started again
    computes what is missing or damaged, and nothing else.  A file that fails does not stop
    the others.

    Parameters
    ----------
    inputs : path-like or iterable of path-like
        Files, patterns, and folders that are searched for FITS files.
    out_dir : path-like
        Folder of the results and of ``report.jsonl``.
    client : `distributed.Client`, optional
        Of a cluster whose workers see the same files.
    workers : int, optional
        Processes on this machine, which share its threads; one, by default.
    model : str or path-like
        As in `~sunpy_superres.super_resolve`; loaded once by each worker, whose weights must be
        those that this process finds.
    estimate, n_samples, num_steps, device, dtype
        As there.
    seed : int
        Of the batch; the seed of a frame follows from it and the frame (`frame_seed`).
    lossless : bool
        Keep each bit of the results; else they are quantised in steps of 0.5 G, and of 0.1 G
        for the uncertainty.
    overwrite : bool
        Replace results of other inputs, models or settings.
    progress : bool
        Show a progress bar.

    Returns
    -------
    dict
        As of `read_report`, for these inputs.

    Raises
    ------
    FileNotFoundError
        If an input matches no file.
    ValueError
        If two inputs have the same name, or an option is out of range.
    ModelError
        If the model cannot be loaded.
    """
    paths = _found(inputs)
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    remove_leftovers(out_dir)
    check_options(estimate, n_samples, num_steps, seed=seed)
    model = (str(model), _model(str(model)).sha256)
    settings = {
        "estimate": estimate, "n_samples": n_samples, "num_steps": num_steps, "dtype": dtype,
        "seed": seed, "device": device, "lossless": lossless, "overwrite": overwrite,
    }  # fmt: skip
    task = functools.partial(
        _file_record, folder=str(out_dir.resolve()), model=model, settings=settings
    )
    records, failures = {}, 0
    with (
        (out_dir / _REPORT).open("a", encoding="utf-8") as report,
        open_client(client, workers) as chosen,
        tqdm(total=len(paths), unit="file", desc="super-resolving", disable=not progress) as bar,
    ):
        if report.tell():
            report.write("\n")  # ends a line that was cut
        for path, record in unordered(task, paths, chosen):
            if isinstance(record, BaseException):  # of dask: the worker was lost, again and again
                record = _failed(path, record)
            report.write(json.dumps(record) + "\n")
            report.flush()
            records[path] = record
            failures += record["state"] == "failed"
            bar.set_postfix(failed=failures, refresh=False)
            bar.update()
        os.fsync(report.fileno())
    return {path: records[path] for path in paths}


def _map_result(mdi_map, model, seed, options):
    with _ONE_AT_A_TIME:
        use_own_threads()
        return super_resolve(
            mdi_map, model=_model(*model), seed=frame_seed(mdi_map, seed), progress=False, **options
        )


def super_resolve_maps(maps, *, client=None, model="default", seed=0, progress=True, **options):
    """
    Super-resolve a sequence of Maps, in memory and in order.

    Parameters
    ----------
    maps : iterable of `~sunpy.map.GenericMap`
        A `~sunpy.map.MapSequence`, say; taken as needed, so it may be endless.
    client : `distributed.Client`, optional
        Computes some frames ahead.
    model : str or path-like
    seed : int
        Of the sequence; the seed of a frame follows from it and the frame (`frame_seed`).
    progress : bool
        Show a progress bar.
    **options
        Of `~sunpy_superres.super_resolve`.

    Yields
    ------
    SuperResolution or SuperResolutionSamples
        Of each Map.
    """
    total = len(maps) if hasattr(maps, "__len__") else None
    model = (str(model), _model(str(model)).sha256)
    task = functools.partial(_map_result, model=model, seed=seed, options=options)
    bar = tqdm(maps, total=total, unit="map", desc="super-resolving", disable=not progress)
    yield from ordered(task, bar, client)


def main(arguments=None):
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="sunpy-superres batch",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("inputs", nargs="+", metavar="IN", help="file, pattern or folder")
    parser.add_argument("-o", "--output", required=True, metavar="DIR")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--scheduler", metavar="ADDRESS", help="of a dask cluster")
    where.add_argument("--workers", type=int, metavar="N", help="processes on this machine")
    add_draw_options(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the batch (0)")
    parser.add_argument("--lossless", action="store_true", help="keep each bit of the results")
    parser.add_argument("--overwrite", action="store_true", help="replace what differs")
    parser.add_argument("--quiet", action="store_true", help="no progress, only failures")
    options = parser.parse_args(arguments)
    reuse_memory()
    with contextlib.ExitStack() as stack:
        client = None
        if options.scheduler:
            from distributed import Client

            client = stack.enter_context(Client(options.scheduler, timeout="30s"))
        stack.enter_context(clean_up_leftovers(options.output))
        records = super_resolve_files(
            options.inputs,
            options.output,
            client=client,
            workers=options.workers,
            model=options.model,
            seed=options.seed,
            lossless=options.lossless,
            overwrite=options.overwrite,
            progress=not options.quiet,
            **draw_options(options),
        )
    for path, record in records.items():
        if record["state"] == "failed":
            print(f"failed: {path}: {record['reason']}", file=sys.stderr)
    count = Counter(record["state"] for record in records.values())
    print(
        f"{count['done']} done, {count['kept']} kept, {count['failed']} failed; "
        f"see {Path(options.output) / _REPORT}",
        file=sys.stdout if not options.quiet else sys.stderr,
    )
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
