"""Super-resolution of an archive, which can be stopped and started again, and of many Maps."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import time
import warnings
from pathlib import Path

import astropy.units as u
from tqdm.auto import tqdm

from sunpy_superres.batch.failures import describe_failure
from sunpy_superres.batch.frames import ONE_AT_A_TIME, choose_seed, load_once, locate_model
from sunpy_superres.batch.interruption import raise_lost_signal
from sunpy_superres.batch.results import (
    Stamp,
    clean_up_leftovers,
    is_intact,
    name_outputs,
    read_stamp,
    refuse_to_replace,
    save_picture,
    save_result,
)
from sunpy_superres.batch.scheduling import (
    compute_unordered,
    open_client,
    use_own_threads,
)
from sunpy_superres.batch.sources import find_sources
from sunpy_superres.exceptions import SuperResWarning
from sunpy_superres.files import file_sha256
from sunpy_superres.maps.levels import check_level
from sunpy_superres.progress import shows_bars
from sunpy_superres.sampling.ensemble import check_estimate
from sunpy_superres.sampling.options import SamplingOptions
from sunpy_superres.super_resolution import super_resolve

__all__ = ["read_report", "super_resolve_files"]

#: Options of a draw that are handed on as they are.
_OPTIONS = ("n_samples", "num_steps", "noise", "dtype", "device", "tile_size")
#: Settings that change a result, and that its stamp holds.
_STAMPED = tuple("estimate n_samples num_steps noise dtype seed lifetime lossless".split())
_REPORT = "report.jsonl"


def _describe_failure(source, error):
    """Return the record of an input that failed."""
    return {
        "file": source.name, "state": "failed", "model": None, "outputs": {}, "notes": [],
        "reason": describe_failure(error),
    }  # fmt: skip


def _process(source, folder, model, settings):
    """Super-resolve one input, unless that is done; return a record, also of a failure."""
    started = time.perf_counter()
    record = {"file": source.name}
    try:
        with ONE_AT_A_TIME, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", SuperResWarning)
            _complete(source, Path(folder), model, settings, record)
        record["notes"] = list(dict.fromkeys(str(w.message) for w in caught))
    except Exception as error:  # the other inputs are computed all the same
        record = _describe_failure(source, error) | record
    raise_lost_signal()
    record["seconds"] = round(time.perf_counter() - started, 3)
    return record


def _complete(source, folder, model, settings, record):
    """Compute and write what is missing or damaged of one result, and fill its record."""
    record["sha256"] = source.sha256()
    loaded = load_once(*model)
    record["model"] = loaded.sha256
    stamped = {name: settings[name] for name in _STAMPED}
    if settings["level"] is not None:  # results of earlier versions have no such setting
        stamped["level"] = settings["level"]
    stamp = Stamp.of(record["sha256"], loaded.sha256, stamped)
    outputs = name_outputs(folder, source.stem, plot=settings["plot"])
    overwrite = settings["overwrite"]
    if not overwrite:
        refuse_to_replace(outputs, stamp)
    missing = {kind for kind, path in outputs.items() if not is_intact(path, stamp)}
    mdi_map = source.read() if missing else None
    computed = bool(missing - {"plot"})
    if computed:
        outputs["hmi_like"].parent.mkdir(parents=True, exist_ok=True)
        use_own_threads()
        lifetime = settings["lifetime"]
        result = super_resolve(
            mdi_map,
            model=loaded,
            seed=choose_seed(mdi_map, settings["seed"], settings["noise"]),
            lifetime=None if lifetime is None else lifetime * u.day,
            estimate=settings["estimate"],
            level=settings["level"],
            progress=settings["progress"],
            **{name: settings[name] for name in _OPTIONS},
        )
        picture = name_outputs(folder, source.stem, plot=True)["plot"]
        if overwrite and read_stamp(picture) not in (None, stamp):
            picture.unlink()  # it shows the result that is replaced
        save_result(outputs, result, stamp, lossless=settings["lossless"], overwrite=overwrite)
    if "plot" in missing:
        save_picture(outputs, mdi_map, stamp, overwrite=overwrite)
    record["outputs"] = {str(output): file_sha256(output) for output in outputs.values()}
    record["state"] = "done" if computed else "kept"


def read_report(path) -> dict[str, dict]:
    """
    Read the last record of each file in a report.

    Parameters
    ----------
    path : path-like
        ``report.jsonl``, or the folder that holds it.  An incomplete line is left out.

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


def _read_settings(seed, estimate="sample", level=None, **options):
    """Check the options of `super_resolve_files`, and return all settings, ready for JSON."""
    check_estimate(estimate)
    check_level(level)
    checked = SamplingOptions(seed=seed, **options)
    settings = {name: getattr(checked, name) for name in _OPTIONS} | {
        "estimate": estimate,
        "level": level,
    }
    # In days, which the stamp can hold; the noise of the array has no lifetime.
    lasting = checked.noise == "sun" and checked.lifetime is not None
    days = u.Quantity(checked.lifetime).to_value(u.day) if lasting else None
    return settings | {"seed": seed, "lifetime": days}


def super_resolve_files(
    inputs,
    out_dir,
    *,
    client=None,
    workers=None,
    model="default",
    seed=0,
    lossless=False,
    plot=False,
    overwrite=False,
    progress=True,
    show=None,
    **options,
) -> dict[str, dict]:
    """
    Super-resolve files, in parallel if asked, and keep the results that exist already.

    Each result is two tiled, compressed FITS files.  They appear only when they are complete, and
    carry a checksum and a stamp of input, model and settings.  Inputs of one name in several
    folders keep these folders, below ``out_dir``.  A run that was killed and is started again
    computes what is missing or damaged, and nothing else.  A file that fails does not stop the
    others.

    Parameters
    ----------
    inputs : path-like, or iterable of path-like
        Files, patterns, and folders that are searched for FITS files; or sources, as
        `~sunpy_superres.batch.sources.find_sources` returns them.
    out_dir : path-like
        Folder of the results and of ``report.jsonl``.
    client : `distributed.Client`, optional
        Client of a cluster whose workers see the same files.
    workers : int, optional
        Number of processes on this machine, which share its threads; one by default.
    model : str or path-like
        As in `~sunpy_superres.super_resolve`.  Each worker loads it once, and must find the same
        weights as this process.
    seed : int
        Seed of the batch.  With noise on the Sun, the default, each frame gets this seed: all
        files, done in any order by any number of workers, show the same Sun.  With
        ``noise="array"`` each frame is drawn anew, with the seed that `frame_seed` works out.  The
        card SRSEED of a result holds the seed that gives the same frame with
        `~sunpy_superres.super_resolve`.
    lossless : bool
        Keep each bit of the results; by default the field is quantised in steps of 0.5 G and the
        uncertainty in steps of 0.1 G.
    plot : bool
        Also draw a picture of each result, a PNG file with the same stamp.
    overwrite : bool
        Replace any file that has the name of a result.  By default only a damaged result of the
        same input, model and settings is replaced.
    progress : bool
        Show a progress bar: of the files, or of the computation where there is one file.
    show : callable, optional
        Called with the record of each input as soon as the input is done.
    **options
        ``estimate``, ``level``, ``n_samples``, ``num_steps``, ``noise``, ``lifetime``, ``device``,
        ``dtype`` and ``tile_size`` of `~sunpy_superres.super_resolve`.  The tile size changes a
        result by rounding only, so a result of another tile size is kept.

    Returns
    -------
    dict
        Records of these inputs, as `read_report` returns them.

    Raises
    ------
    FileNotFoundError
        If a pattern or a folder gives no file.
    ValueError
        If an option is out of range.
    ModelError
        If the model does not load.
    ImportError
        If there is more than one worker, and dask is not installed.
    """
    sources = find_sources(inputs)
    settings = _read_settings(seed, **options)
    settings |= {"lossless": lossless, "plot": plot, "overwrite": overwrite}
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    records, failures, single = {}, 0, len(sources) == 1
    with contextlib.ExitStack() as stack:
        stack.enter_context(clean_up_leftovers({(out_dir / s.stem).parent for s in sources}))
        model = locate_model(model)
        model = (model, load_once(model, progress=progress).sha256)
        report = stack.enter_context((out_dir / _REPORT).open("a", encoding="utf-8"))
        if report.tell():
            report.write("\n")  # in case the last line is incomplete
        client = stack.enter_context(open_client(client, workers))
        hidden = single or not shows_bars(progress)
        bar = stack.enter_context(
            tqdm(total=len(sources), unit="file", desc="super-resolving", disable=hidden)
        )
        settings["progress"] = progress and single and client is None
        task = functools.partial(
            _process, folder=str(out_dir.resolve()), model=model, settings=settings
        )
        for source, record in compute_unordered(task, sources, client):
            if isinstance(record, BaseException):  # dask lost its workers again and again
                record = _describe_failure(source, record)
            report.write(json.dumps(record) + "\n")
            report.flush()
            records[source.name] = record
            failures += record["state"] == "failed"
            bar.set_postfix(failed=failures, refresh=False)
            bar.update()
            if show is not None:
                show(record)
        os.fsync(report.fileno())
    return {source.name: records[source.name] for source in sources}
