"""Frames of one Sun, in any order and by any number of workers, show the same structure."""

import itertools

import astropy.units as u
import numpy as np
import pytest
import sunpy.map

from sunpy_superres import simulate_mdi, super_resolve
from sunpy_superres.batch import super_resolve_files, super_resolve_maps, super_resolve_sequence
from sunpy_superres.batch.results import name_outputs
from sunpy_superres.batch.sequence import find_frames
from sunpy_superres.data import example_hmi_map

#: The model with the embedded weights: those of a tiny one hardly use their noise.
OPTIONS = {"n_samples": 1, "num_steps": 4, "dtype": "float32", "tile_size": 512}
QUICK = {"n_samples": 2, "num_steps": 1, "progress": False}
#: Shift between the two frames, in MDI and in HMI pixels.
SHIFT, FINE = 3, 12


@pytest.fixture(scope="module")
def frames():
    """The same region seen twice, three MDI pixels apart, with noise of its own each time."""
    hmi_map = example_hmi_map()
    side = 240
    frames = []
    for number, start in enumerate((100, 100 + FINE)):
        corner = [start, 120] * u.pix
        part = hmi_map.submap(corner, width=(side - 1) * u.pix, height=(side - 1) * u.pix)
        frames.append(simulate_mdi(part, seed=number))
    return frames


@pytest.fixture(scope="module")
def files(frames, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequence")
    for number, frame in enumerate(frames):
        frame.save(folder / f"frame{number}.fits")
    return folder


def _rms_difference(first, second):
    """Of two fields, where they show the same Sun, without a margin of 12 MDI pixels."""
    one, other = first.data[48:-48, FINE + 48 : -48], second.data[48:-48, 48 : -FINE - 48]
    return float(np.std(one - other))


def test_files_in_any_order_by_any_workers_are_the_same(files, tiny_model, tmp_path):
    names = sorted(files.glob("*.fits"))
    bytes_of = {}
    for how, inputs, more in (
        ("in order", names, {}),
        ("backwards", names[::-1], {}),
        ("one alone", names[1:], {}),
        ("two workers", names, {"workers": 2}),
    ):
        out = tmp_path / how
        records = super_resolve_files(inputs, out, seed=7, model=tiny_model, **QUICK, **more)
        assert {record["state"] for record in records.values()} == {"done"}
        bytes_of[how] = {path.name: path.read_bytes() for path in out.glob("*.fits")}
    assert len(bytes_of["in order"]) == 4
    assert bytes_of["backwards"] == bytes_of["in order"] == bytes_of["two workers"]
    assert bytes_of["one alone"].items() <= bytes_of["in order"].items()


def test_frames_of_one_batch_show_the_same_sun(files, tmp_path):
    maps = {}
    for seed in (7, 8):
        super_resolve_files(files, tmp_path / str(seed), seed=seed, progress=False, **OPTIONS)
        for number in (0, 1):
            outputs = name_outputs(tmp_path / str(seed), f"frame{number}")
            maps[number, seed] = sunpy.map.Map(outputs["hmi_like"])
    same = _rms_difference(maps[0, 7], maps[1, 7])
    different = _rms_difference(maps[0, 7], maps[1, 8])
    assert same < 0.6 * different


def test_a_sequence_is_read_in_any_form(files, frames, tiny_model, monkeypatch):
    names = sorted(files.glob("*.fits"))
    options = QUICK | {"model": tiny_model, "seed": 3}
    maps = [sunpy.map.Map(name) for name in names]
    wanted = [super_resolve(smap, **options).hmi_like.data for smap in maps]
    forms = {
        "maps": maps,
        "MapSequence": sunpy.map.Map(maps, sequence=True),
        "paths": names,
        "texts": list(map(str, names)),
        "folder": files,
        "pattern": str(files / "frame*.fits"),
        "mixed": [maps[0], names[1]],
        "generator": (name for name in names),
    }
    for form, sequence in forms.items():
        results = list(super_resolve_sequence(sequence, **options))
        assert [result.hmi_like.meta["srseed"] for result in results] == [3, 3], form
        for result, data in zip(results, wanted, strict=True):
            np.testing.assert_array_equal(result.hmi_like.data, data, err_msg=form)
    (single,) = super_resolve_sequence(maps[0], **options)
    np.testing.assert_array_equal(single.hmi_like.data, wanted[0])
    results = super_resolve_maps(maps, **options)
    np.testing.assert_array_equal(next(results).hmi_like.data, wanted[0])


def test_a_sequence_gives_corresponding_members(files, tiny_model):
    results = super_resolve_sequence(files, model=tiny_model, return_samples=True, **QUICK)
    assert [result.samples.data.shape for result in results] == [(2, 240, 240)] * 2


def test_frames_are_read_as_they_are_needed(files, tiny_model):
    taken = []

    def endless():
        for number in itertools.count():
            taken.append(number)
            yield files / f"frame{number % 2}.fits"

    results = super_resolve_sequence(endless(), model=tiny_model, **QUICK)
    for _ in range(3):
        next(results)
    assert taken == [0, 1, 2]
    # Nothing is opened before.
    assert find_frames([files / "gone.fits"]) == [str(files / "gone.fits")]


def test_a_sequence_of_what_is_not_there(files, tiny_model):
    with pytest.raises(FileNotFoundError, match="matches no file"):
        next(super_resolve_sequence(files / "none*", model=tiny_model, **QUICK))
    results = super_resolve_sequence(
        [files / "frame0.fits", files / "gone.fits"], model=tiny_model, **QUICK
    )
    next(results)
    with pytest.raises(FileNotFoundError, match="There is no file"):
        next(results)
