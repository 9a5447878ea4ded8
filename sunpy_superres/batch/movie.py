"""A movie of a sequence: input, one draw and its uncertainty side by side."""

from __future__ import annotations

import functools
import itertools
import warnings
from pathlib import Path
from typing import NamedTuple

import sunpy.map
from matplotlib import animation
from sunpy.coordinates import propagate_with_solar_surface
from tqdm.auto import tqdm

from sunpy_superres.batch.failures import describe_failure
from sunpy_superres.batch.frames import load_once
from sunpy_superres.batch.interruption import raise_lost_signal
from sunpy_superres.batch.sequence import find_frames, read_frame, resolve_frame
from sunpy_superres.files import write_atomically
from sunpy_superres.instruments import FACTOR
from sunpy_superres.maps.fields import mark_missing
from sunpy_superres.maps.levels import check_level
from sunpy_superres.maps.magnetogram import read_magnetogram
from sunpy_superres.maps.metadata import rebin_meta
from sunpy_superres.maps.plotting import ResultPanels
from sunpy_superres.maps.resampling import check_resampling
from sunpy_superres.progress import shows_bars
from sunpy_superres.sampling.ensemble import check_estimate
from sunpy_superres.sampling.options import SamplingOptions
from sunpy_superres.warning import warn_user

__all__ = ["LeftOut", "find_writer", "write_movie"]

#: Writers of matplotlib by the suffix of the movie.
_WRITERS = {
    ".gif": "pillow", ".mp4": "ffmpeg", ".mov": "ffmpeg", ".mkv": "ffmpeg", ".webm": "ffmpeg",
}  # fmt: skip
#: Pixels per inch: 1700 x 540, even numbers, as the codecs of most movies need.
_DPI = 100


class LeftOut(NamedTuple):
    """
    A frame that a movie lacks.

    Parameters
    ----------
    name : str
        Path of the file, or the number and the time of the Map.
    reason : str
    """

    name: str
    reason: str


def find_writer(path):
    """
    Find what writes a movie, and make sure that it is there.

    Parameters
    ----------
    path : path-like
        .gif is written by Pillow; .mp4, .mov, .mkv and .webm by ffmpeg; a path without a suffix,
        or a folder, becomes a folder of PNG files.

    Returns
    -------
    type or None
        A writer of `matplotlib.animation`; None for a folder.

    Raises
    ------
    ValueError
        If the suffix is that of no movie.
    ImportError
        If the writer is not installed.
    FileExistsError
        If the folder is not empty: frames of two movies must not mix.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if path.is_dir() or not suffix:
        if path.is_file() or path.is_dir() and any(path.iterdir()):
            raise FileExistsError(
                f"{path} is a file, or a folder that is not empty; name a new folder."
            )
        return None
    if suffix not in _WRITERS:
        raise ValueError(
            f"{path} has the suffix of no movie; name a file with {', '.join(_WRITERS)}, or a "
            "folder, which has no suffix, for PNG files."
        )
    name = _WRITERS[suffix]
    if not animation.writers.is_available(name):
        raise ImportError(
            f"A movie in {suffix} needs {name}, which is not installed; install it (for example "
            f"'conda install {name}' or 'apt install {name}'), or name a .gif, or a folder for "
            "PNG files."
        )
    return animation.writers[name]


def write_movie(
    maps,
    path,
    *,
    model="default",
    seed=0,
    follow=False,
    fps=5,
    limit=None,
    progress=True,
    **options,
):
    """
    Write a movie of MDI frames beside their HMI-like draws and the uncertainty.

    The draws are those of `~sunpy_superres.batch.super_resolve_sequence`: what does not change on
    the Sun does not flicker.  One frame at a time is in memory.  A frame that cannot be done is
    left out, with a warning; the others are done.

    Parameters
    ----------
    maps : `~sunpy.map.MapSequence`, path-like, or iterable of Maps and path-likes
        As in `~sunpy_superres.batch.super_resolve_sequence`; in the order of time.
    path : path-like
        The movie, with the suffix .gif (written by Pillow), .mp4, .mov, .mkv or .webm (by ffmpeg).
        It appears when it is complete, and takes the place of an older one.  Without a suffix: a
        new folder of PNG files, ``frame_0001.png`` and so on.
    model, seed
        As in `~sunpy_superres.batch.super_resolve_sequence`.
    follow : bool
        Put every frame on the grid of the first one turned with the Sun's surface, so that the
        region stays where it is.  The ensemble is resampled before its spread is taken.
    fps : float
        Frames per second.
    limit : `~astropy.units.Quantity`, optional
        Largest field of the colour scale, in Gauss.  By default it follows from the first frame;
        all frames have one colour scale.
    progress : bool
        Show a progress bar.
    **options
        Other options of `~sunpy_superres.super_resolve`, without ``target_wcs`` and
        ``return_samples``.

    Returns
    -------
    list of LeftOut
        Frames that the movie lacks, and why.

    Raises
    ------
    FileNotFoundError
        If a pattern or a folder gives no file, or the folder of the movie does not exist.
    FileExistsError
        If the folder for PNG files is not empty.
    ImportError
        If the suffix needs a writer that is not installed.
    TypeError
        If there is no such option.
    ValueError
        If the suffix is that of no movie, an option is out of range, or no frame is left.
    ModelError
        If the model cannot be loaded.

    Warns
    -----
    SuperResWarning
        For each frame that is left out, and as `~sunpy_superres.super_resolve` does.

    Examples
    --------
    >>> from sunpy_superres.batch import write_movie
    >>> write_movie("mdi/*.fits", "region.mp4", follow=True, seed=1)  # doctest: +SKIP
    """
    path, writer = Path(path), find_writer(path)
    # Not at the first frame, which would be left out for it.
    check_estimate(options.get("estimate", "sample"))
    check_resampling(options.get("resampling", "auto"))
    check_level(options.get("level"))
    checked = ("estimate", "resampling", "level")
    others = {k: v for k, v in options.items() if k not in checked}
    SamplingOptions(seed=seed, **others)
    frames = find_frames(maps)
    model = (str(model), load_once(str(model), progress=progress).sha256)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent}; make it first.")
    total = len(frames) if isinstance(frames, list) else None
    left_out, hidden = [], not shows_bars(progress)
    with tqdm(frames, total=total, unit="frame", desc="movie", disable=hidden) as bar:
        done = _resolve_frames(bar, follow, model, seed, options, left_out)
        figures = _draw_frames(done, limit, left_out)
        if writer is None:
            _write_pictures(path, figures)
        else:
            write_atomically(path, functools.partial(_write_file, writer(fps=fps), figures))
    return left_out


def _resolve_frames(frames, follow, model, seed, options, left_out):
    """Yield ``(input, result, time)`` of each frame that can be done."""
    fixed = None
    for number, frame in enumerate(frames, start=1):
        try:
            mdi_map = read_frame(frame)
            time = mdi_map.date
            if follow:
                grid = fixed or _FollowedGrid(mdi_map, options.get("level"))
                done = grid.resolve(mdi_map, model, seed, options)
                fixed = grid
            else:
                done = mdi_map, resolve_frame(mdi_map, model, seed, options)
        except Exception as error:  # whatever it is, the other frames are done
            raise_lost_signal()
            name = f"frame {number}" if isinstance(frame, sunpy.map.GenericMap) else str(frame)
            left_out.append(LeftOut(name, describe_failure(error)))
            warn_user(f"{name} is left out: {left_out[-1].reason}")
            continue
        yield *done, time


class _FollowedGrid:
    """The grids of the first frame, which turn with the Sun's surface."""

    def __init__(self, mdi_map, level=None):
        # Its header is repaired, as that of every frame.
        first = read_magnetogram(mdi_map, level).map
        shape = tuple(FACTOR * n for n in first.data.shape)
        self._coarse = first.wcs
        fine = sunpy.map.Map(first.data, rebin_meta(first.meta, shape, FACTOR))
        self._fine = fine.wcs
        self._fine.array_shape = shape

    def resolve(self, mdi_map, model, seed, options):
        """Input and result of a frame on these grids."""
        with propagate_with_solar_surface():
            result = resolve_frame(mdi_map, model, seed, options | {"target_wcs": self._fine})
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # for pixels off the disk
                frame = read_magnetogram(mdi_map, options.get("level")).map
                moved = sunpy.map.Map(mark_missing(frame), frame.meta).reproject_to(
                    self._coarse,
                    algorithm="adaptive",
                    bad_value_mode="ignore",
                    boundary_mode="ignore",
                )
        return moved, result


def _draw_frames(done, limit, left_out):
    """Yield the figure of each frame; it is one figure, whose panels are shown anew."""
    panels = None
    for mdi_map, result, time in done:
        if panels is None:
            panels = ResultPanels(mdi_map, result, limit, time, several=True)
            panels.fix_layout()
        else:
            panels.show(mdi_map, result, time)
        yield panels.figure
    if panels is None:
        reasons = "".join(f" {name}: {reason}" for name, reason in left_out[:1])
        raise ValueError(f"No frame is left, so nothing was written.{reasons}")


def _write_file(writer, figures, name):
    """Write a movie by a writer of matplotlib, frame by frame."""
    with writer.saving(next(figures), name, _DPI):
        writer.grab_frame()
        for _ in figures:
            writer.grab_frame()


def _write_pictures(folder, figures):
    """Write a folder of PNG files; each that is there is whole."""
    first = next(figures)
    folder.mkdir(exist_ok=True)
    for number, figure in enumerate(itertools.chain([first], figures), start=1):
        save = functools.partial(figure.savefig, dpi=_DPI, format="png")
        write_atomically(folder / f"frame_{number:04d}.png", save)
