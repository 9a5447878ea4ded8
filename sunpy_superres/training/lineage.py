"""
On which regions of the Sun a network was trained, from the first weights on.

The record travels as metadata of ``model.safetensors``.  This module imports safetensors only, so
that it runs on a bare GPU machine.
"""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import safe_open

from sunpy_superres.datasets.packed import read_index

__all__ = ["LINEAGE", "describe_data", "read_lineage", "trace_lineage"]

#: Name of the record in the metadata of a weights file.
LINEAGE = "regions"


def read_lineage(weights) -> dict | None:
    """
    Read the record of a weights file, or of the config.json of the model folder that it lies in.

    Parameters
    ----------
    weights : path-like

    Returns
    -------
    dict or None
        Names of regions as "trained on" and, by their split, as "held out", and the number of
        frames as "frames"; None if nothing is recorded.
    """
    weights = Path(weights)
    with safe_open(str(weights), framework="numpy") as file:
        metadata = file.metadata() or {}
    if LINEAGE in metadata:
        return json.loads(metadata[LINEAGE])
    config = weights.with_name("config.json")
    if not config.is_file():
        return None
    training = json.loads(config.read_text(encoding="utf-8")).get("training", {})
    if "trained on" not in training:
        return None
    return {"frames": 0} | {name: training.get(name, {}) for name in ("trained on", "held out")}


def trace_lineage(pack, *earlier) -> dict:
    """
    Join the regions of a packed file with those of the weights that a training goes on from.

    Parameters
    ----------
    pack : path-like
        File of `~sunpy_superres.datasets.packed.save_pack`.
    *earlier : path-like
        Weights files.

    Returns
    -------
    dict
        As `read_lineage` returns it, and "start" with the names of weights (folder and file) whose
        regions are not recorded.  "frames" counts those of the file alone.  A region that was ever
        trained on is not held out.
    """
    index = read_index(pack, "frames", "sunpy-superres pack")
    records = {"/".join(Path(path).parts[-2:]): read_lineage(path) for path in earlier}
    known = [record for record in records.values() if record]
    trained = {entry["region"] for entry in index if entry["split"] == "train"}
    trained = trained.union(*(record["trained on"] for record in known))
    held_out = {}
    for entry in index:
        if entry["region"] not in trained:
            held_out.setdefault(entry["split"], set()).add(entry["region"])
    lineage = {
        "trained on": sorted(trained),
        "held out": {split: sorted(names) for split, names in held_out.items()},
        "frames": sum(entry["split"] == "train" for entry in index),
    }
    unknown = {path for path, record in records.items() if not record}
    unknown = unknown.union(*(record.get("start", ()) for record in known))
    return lineage | ({"start": sorted(unknown)} if unknown else {})


def describe_data(lineage) -> str:
    """
    Say in words what a network was trained on.

    Parameters
    ----------
    lineage : dict or None
        From `read_lineage`.
    """
    if lineage is None:
        return "not recorded by the version that trained it"
    text = (
        f"{lineage['frames']} frames of HMI line-of-sight magnetograms in the last training; "
        f"{len(lineage['trained on'])} regions in all"
    )
    if lineage.get("start"):
        text += f"; and those of {', '.join(lineage['start'])}, which are not recorded"
    return text
