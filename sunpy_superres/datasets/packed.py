"""Training fields: a packed file of them, split by region, and crops drawn from it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from sunpy_superres.datasets.arrays import read_gauss, warn_of_fills
from sunpy_superres.files import write_tensors

__all__ = ["NODE", "CropSampler", "Crops", "Frame", "load_pack", "read_index", "save_pack"]

#: Gauss of one count in a packed file.
_COUNT = 0.2
#: Gauss that the largest count stands for; a larger value is no field of the Sun, but a fill value.
_LARGEST = 32767.5 * _COUNT
#: Pixels between the nodes of a frame's ``foreshortening``.
NODE = 32


@dataclass(frozen=True)
class Frame:
    """
    One HMI line-of-sight field.

    Parameters
    ----------
    name, region, split : str
        Where it comes from; regions never cross splits ("train", "validation", "test").
    field : numpy.ndarray
        Gauss, ``(ny, nx)``, of any layout in memory, or a Quantity; NaN, infinite, masked or beyond
        6553 G, as the fill values of integers are, where missing.
    foreshortening : numpy.ndarray, optional
        Lengths of the pixels' sides,
        `~sunpy_superres.maps.geometry.measure_foreshortening`, at every
        `NODE` th pixel from the first, ``(2, my, mx)``; None where they are 1.
    """

    name: str
    region: str
    split: str
    field: np.ndarray
    foreshortening: np.ndarray | None = None


class Crops(NamedTuple):
    """
    What `CropSampler` draws.

    Parameters
    ----------
    fields : torch.Tensor
        Gauss, ``(n, 1, size, size)``.
    rng : torch.Generator
        Generator for all further draws of the step.
    foreshortening : torch.Tensor
        Lengths of the pixels' sides in the middle of each crop, ``(n, 2, 1, 1)``.
    """

    fields: torch.Tensor
    rng: torch.Generator
    foreshortening: torch.Tensor


def save_pack(frames, path):
    """
    Write frames as 16-bit counts of 0.2 G in one safetensors file.

    Parameters
    ----------
    frames : sequence of Frame
    path : path-like

    Raises
    ------
    TypeError
        If a field holds no real numbers, or its unit is not one of a magnetic field.
    ValueError
        If a region occurs in more than one split, or a field has not two axes.

    Warns
    -----
    SuperResWarning
        If pixels hold what look like numbers written for missing data.
    """
    splits = {}
    for frame in frames:
        if splits.setdefault(frame.region, frame.split) != frame.split:
            raise ValueError(
                f"Region {frame.region} is in the splits {splits[frame.region]!r} and "
                f"{frame.split!r}; put all frames of a region into one split."
            )
    tensors, index = {}, []
    for number, frame in enumerate(frames):
        field = read_gauss(f"field of {frame.name}", frame.field, _LARGEST)
        warn_of_fills(frame.name, field, np.isfinite(field))
        counts = np.where(np.isfinite(field), np.round(field / _COUNT), -32768)
        tensors[f"frame{number:04d}"] = np.clip(counts, -32768, 32767).astype(np.int16)
        if frame.foreshortening is not None:
            tensors[f"foreshortening{number:04d}"] = np.asanyarray(frame.foreshortening, np.float16)
        index.append({"name": frame.name, "region": frame.region, "split": frame.split})
    write_tensors(path, tensors, {"frames": json.dumps(index)})


def read_index(path, kind, command):
    """
    Read the index of a file of frames or pairs.

    Parameters
    ----------
    path : path-like
    kind : {"frames", "pairs"}
    command : str
        The command that writes such a file, for the message.

    Returns
    -------
    list of dict

    Raises
    ------
    FileNotFoundError
        If nothing is at the path.
    ValueError
        If the path leads to a folder, or to a file of another kind.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}; write it with '{command}'.")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; make a file of it with '{command}', and give that.")
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path} is no file of '{command}', or is damaged ({error}).") from error
    if kind not in metadata:
        found = next((f"; it holds {name}" for name in ("frames", "pairs") if name in metadata), "")
        raise ValueError(f"{path} holds no {kind}{found}; give a file of '{command}'.")
    return json.loads(metadata[kind])


def load_pack(path, split=None):
    """
    Read the frames of a packed file.

    Parameters
    ----------
    path : path-like
    split : str, optional
        Only this split.

    Returns
    -------
    list of Frame

    Raises
    ------
    FileNotFoundError, ValueError
        If the path leads to no file of `save_pack`.
    """
    frames = []
    index = read_index(path, "frames", "sunpy-superres pack")
    with safe_open(str(path), framework="numpy") as file:
        names = set(file.keys())
        for number, entry in enumerate(index):
            if split in (None, entry["split"]):
                counts = file.get_tensor(f"frame{number:04d}")
                field = np.where(counts == -32768, np.nan, counts * np.float32(_COUNT))
                foreshortening = None
                # Files of the first versions call it "sampling".
                for name in (f"foreshortening{number:04d}", f"sampling{number:04d}"):
                    if name in names:
                        foreshortening = file.get_tensor(name).astype(np.float32)
                frames.append(
                    Frame(**entry, field=field.astype(np.float32), foreshortening=foreshortening)
                )
    return frames


class CropSampler:
    """
    Sampler of random crops.

    It draws a region first, so that a long series does not dominate.  The batch of a step depends
    on the seed and the step alone, so that a resumed training gets the same batches as one that
    was not interrupted.

    Parameters
    ----------
    frames : list of Frame
    size : int
        Side of a crop in HMI pixels.
    batch : int
        Crops in a batch.
    seed : int
    quiet_std : float
        Half of the crops with a standard deviation below this, in Gauss, are replaced.
    """

    def __init__(self, frames, size, batch, seed=0, quiet_std=15.0):
        self.size, self.batch, self.seed, self.quiet_std = size, batch, seed, quiet_std
        self._fields, self._foreshortening, regions = [], [], {}
        for frame in frames:
            pad = [(0, max(0, size + 8 - n)) for n in frame.field.shape]
            field = np.pad(frame.field, pad, mode="reflect")
            regions.setdefault(frame.region, []).append(len(self._fields))
            self._fields.append(field)
            self._foreshortening.append(frame.foreshortening)
        areas = [[self._fields[i].size for i in members] for members in regions.values()]
        self._members = list(regions.values())
        self._shares = [np.array(a) / sum(a) for a in areas]
        weights = np.sqrt([sum(a) for a in areas])
        self._weights = weights / weights.sum()

    def _draw(self, rng):
        """Draw a crop, turned and mirrored at random, and the sides of its pixels."""
        for _ in range(1000):
            region = rng.choice(len(self._members), p=self._weights)
            number = rng.choice(self._members[region], p=self._shares[region])
            field = self._fields[number]
            y, x = (int(rng.integers(n - self.size + 1)) for n in field.shape)
            crop = field[y : y + self.size, x : x + self.size]
            if not np.isfinite(crop).all():
                continue
            if crop.std() < self.quiet_std and rng.random() < 0.5:
                continue
            turns = int(rng.integers(4))
            crop = np.rot90(crop, turns)
            if rng.random() < 0.5:
                crop = crop[:, ::-1]
            sides = self._sides(number, y + self.size // 2, x + self.size // 2)
            return crop * (1.0 if rng.random() < 0.5 else -1.0), sides[:: -1 if turns % 2 else 1]
        raise ValueError(
            f"No finite crop of {self.size} pixels found in 1000 draws; "
            "use a smaller crop or frames with fewer missing pixels."
        )

    def _sides(self, number, y, x):
        """Return the lengths of the sides of a frame's pixel, along x and along y."""
        nodes = self._foreshortening[number]
        if nodes is None:
            return np.ones(2, np.float32)
        row, column = (
            min(round(at / NODE), n - 1) for at, n in zip((y, x), nodes.shape[1:], strict=True)
        )
        return nodes[:, row, column]

    def __call__(self, step):
        """
        Draw the batch of a step.

        Parameters
        ----------
        step : int

        Returns
        -------
        Crops
        """
        rng = np.random.default_rng([self.seed, step])
        fields, sides = zip(*(self._draw(rng) for _ in range(self.batch)), strict=True)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return Crops(
            torch.from_numpy(np.ascontiguousarray(np.stack(fields)[:, None], np.float32)),
            generator,
            torch.from_numpy(np.stack(sides).astype(np.float32))[:, :, None, None],
        )
