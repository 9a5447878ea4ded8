"""Keywords of many files, in one table."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import sunpy.map
from astropy.table import Column, vstack
from tqdm.auto import tqdm

from sunpy_superres.batch.failures import describe_failure
from sunpy_superres.batch.frames import choose_seed
from sunpy_superres.batch.results import name_outputs
from sunpy_superres.batch.sources import find_files
from sunpy_superres.exceptions import SuperResWarning
from sunpy_superres.files import find_fits, remove_suffixes
from sunpy_superres.maps.geometry import is_helioprojective
from sunpy_superres.maps.reading import read_map
from sunpy_superres.metrics import region_keywords
from sunpy_superres.models.loading import load_model
from sunpy_superres.progress import shows_bars
from sunpy_superres.super_resolution import super_resolve

__all__ = ["find_measurable", "measure_keywords"]

#: Card that only a result of this package has.
_RESULT = "srsha256"


def find_measurable(inputs) -> list[str]:
    """
    Find the files that paths, patterns and folders name: magnetograms, and results of a batch.

    Parameters
    ----------
    inputs : str, path-like, or iterable of these
        Of a folder, the fields of its results count too, their uncertainties and bitmaps do not.

    Returns
    -------
    list of str
        Each once, in order.

    Raises
    ------
    FileNotFoundError
        If a pattern or a folder gives no file.
    """
    inputs = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    found = []
    for entry in map(str, inputs):
        path = Path(entry)
        if not path.is_dir():
            found += find_files(entry)
            continue
        ending = name_outputs(path, "")["hmi_like"].stem
        results = [str(p) for p in find_fits(path) if remove_suffixes(p).endswith(ending)]
        try:
            found += find_files(entry)
        except FileNotFoundError:
            if not results:
                raise
        found += results
    return [name for name in dict.fromkeys(found) if not _is_bitmap(name)]


def _is_bitmap(path):
    return remove_suffixes(path).lower().endswith(".bitmap")


def measure_keywords(inputs, *, n_samples=None, region=None, seed=0, progress=True, **options):
    """
    Measure the keywords of many files.

    Parameters
    ----------
    inputs : str, path-like, or iterable of these
        Magnetograms of MDI or HMI, and results of this package; files, patterns and folders as
        in `find_measurable`.
    n_samples : int, optional
        Super-resolve each file, which must be of MDI, with this many members; the table then has
        the keywords of the first member, with error bars.  By default the files are measured as
        they are.
    region : optional
        As in `~sunpy_superres.metrics.region_keywords`.  By default all of a SHARP or SMARP patch
        on its heliographic grid, or its bitmap if that lies beside it (``magnetogram`` replaced by
        ``bitmap`` in the name); and of other files the active regions that are found.
    seed : int
        Seed of the whole run, as in `~sunpy_superres.batch.super_resolve_files`.
    progress : bool
        Show a progress bar.
    **options
        Other options of `~sunpy_superres.super_resolve`: ``model``, ``num_steps``, ``noise``,
        ``lifetime``, ``device``, ``dtype``.

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each region of each file: ``file``, ``date``, ``instrument``, then the columns
        of `~sunpy_superres.metrics.region_keywords`.
    failures : dict of str to str
        Reasons by file; the other files are measured all the same.
    notes : dict of str to list of str
        Warnings by file.

    Raises
    ------
    FileNotFoundError
        If a pattern or a folder gives no file.
    ValueError
        If no file could be measured.
    """
    paths = find_measurable(inputs)
    if n_samples is not None:
        options["model"] = load_model(options.get("model", "default"), progress=progress)
    tables, failures, notes = [], {}, {}
    for path in tqdm(paths, desc="keywords", unit="file", disable=not shows_bars(progress)):
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("ignore")
                warnings.simplefilter("always", SuperResWarning)
                tables.append(_measure_file(path, n_samples, region, seed, options))
            if caught:
                notes[path] = list(dict.fromkeys(str(w.message) for w in caught))
        except Exception as error:  # the other files are measured all the same
            failures[path] = describe_failure(error)
    if not tables:
        first = next(iter(failures.items()))
        raise ValueError(f"No file could be measured; the first, {first[0]}: {first[1]}")
    return _join(tables), failures, notes


def _measure_file(path, n_samples, region, seed, options):
    smap = read_map(path)
    region = _choose_region(path, smap) if region is None else region
    samples = None
    if n_samples is not None:
        if _RESULT in smap.meta:
            raise ValueError(
                f"{path} is a result, and its members are not on disk; give the MDI file, or leave "
                "out the samples."
            )
        result = super_resolve(
            smap,
            n_samples=n_samples,
            seed=choose_seed(smap, seed, options.get("noise", "sun")),
            progress=False,
            return_samples=True,
            **options,
        )
        smap, samples = result.hmi_like, result.samples
    table = region_keywords(smap, samples=samples, region=region)
    source = "MDI, super-resolved" if _RESULT in smap.meta else smap.instrument
    columns = (("file", str(path)), ("date", table.meta["date"]), ("instrument", source))
    for place, (name, text) in enumerate(columns):
        table.add_column(Column(np.full(len(table), text), name=name), index=place)
    return table


def _choose_region(path, smap):
    """Return all of a patch, or its bitmap; None for the regions that are found."""
    if is_helioprojective(smap) or not {"harpnum", "tarpnum"} & set(smap.meta):
        return None
    path = Path(path)
    wanted = remove_suffixes(path).replace("magnetogram", "bitmap")
    if wanted != remove_suffixes(path):
        for bitmap in sorted(path.parent.iterdir()):
            if remove_suffixes(bitmap) == wanted and bitmap.is_file():
                return sunpy.map.Map(bitmap)
    return "map"


def _join(tables):
    """Put tables below one another; of the metadata, keep what is the same for all."""
    meta = dict(tables[0].meta)
    for table in tables[1:]:
        meta = {name: value for name, value in meta.items() if table.meta.get(name) == value}
    joined = vstack(tables, metadata_conflicts="silent")
    joined.meta = {name: value for name, value in meta.items() if name != "date"}
    return joined
