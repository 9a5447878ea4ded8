"""Many files: what is done is kept, what is damaged is done again, what fails is said."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
import torch

from sunpy_superres import ModelError, load_model, super_resolve
from sunpy_superres.batch import (
    frame_seed,
    read_report,
    super_resolve_files,
    super_resolve_maps,
)
from sunpy_superres.batch.frames import load_once
from sunpy_superres.batch.results import is_intact, name_outputs, remove_leftovers
from sunpy_superres.batch.scheduling import _keep_environment
from sunpy_superres.cli import main
from sunpy_superres.maps.reading import read_map

QUICK_OPTIONS = ["--n-samples", "2", "--num-steps", "1"]
QUICK = {"n_samples": 2, "num_steps": 1, "progress": False}


@pytest.fixture(scope="module")
def frames(tmp_path_factory, mdi_header, bipole):
    """Folder of six cut-outs and one file that is none."""
    folder = tmp_path_factory.mktemp("frames")
    for number in range(6):
        shape = (24 + 2 * number, 32)
        smap = sunpy.map.Map(bipole(shape, seed=number), mdi_header(shape, corner=(540, 500)))
        smap.save(folder / f"cut{number}.fits")
    (folder / "bad.fits").write_bytes(b"SIMPLE  = nothing of the kind")
    return folder


def _data(folder):
    return {path.name: sunpy.map.Map(path).data for path in sorted(folder.glob("*.fits"))}


def _states(records):
    return Counter(record["state"] for record in records.values())


def test_a_second_run_does_only_what_is_missing_or_damaged(frames, tiny_model, tmp_path):
    first = super_resolve_files(frames, tmp_path, model=tiny_model, **QUICK)
    assert _states(first) == {"done": 6, "failed": 1}
    bad = first[str(frames / "bad.fits")]
    assert "not a readable FITS image" in bad["reason"]
    good = first[str(frames / "cut0.fits")]
    assert good["model"] == load_model(tiny_model).sha256
    assert len(good["outputs"]) == 2
    outputs = [name_outputs(tmp_path, f"cut{number}") for number in range(6)]
    outputs[0]["hmi_like"].unlink()
    whole = outputs[1]["uncertainty"].read_bytes()
    outputs[1]["uncertainty"].write_bytes(whole[: len(whole) // 2])
    flipped = bytearray(outputs[2]["hmi_like"].read_bytes())
    flipped[-3000] ^= 4
    outputs[2]["hmi_like"].write_bytes(flipped)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.fits")}
    second = super_resolve_files([frames], tmp_path, model=tiny_model, **QUICK)
    assert _states(second) == {"done": 3, "kept": 3, "failed": 1}
    for number, paths in enumerate(outputs):
        assert all(map(is_intact, paths.values()))
        state = second[str(frames / f"cut{number}.fits")]["state"]
        unchanged = [path.stat().st_mtime_ns == before.get(path) for path in paths.values()]
        assert unchanged == [state == "kept"] * 2
    # The report tells both runs; its last word on each file is the second's.
    assert read_report(tmp_path) == second
    assert len((tmp_path / "report.jsonl").read_text().split("\n\n")) == 2


def test_results_do_not_depend_on_order_or_company(frames, tiny_model, tmp_path):
    names = [str(frames / f"cut{number}.fits") for number in (3, 1, 4)]
    super_resolve_files(names, tmp_path / "a", model=tiny_model, **QUICK)
    super_resolve_files(names[::-1][:2], tmp_path / "b", model=tiny_model, **QUICK)
    one, other = _data(tmp_path / "a"), _data(tmp_path / "b")
    assert len(other) == 4
    for name, data in other.items():
        np.testing.assert_array_equal(data, one[name])
    super_resolve_files(names[:1], tmp_path / "c", model=tiny_model, seed=1, **QUICK)
    changed = _data(tmp_path / "c")["cut3_hmi_like.fits"]
    assert np.abs(changed - one["cut3_hmi_like.fits"]).max() > 1


@pytest.mark.parametrize("lossless", [True, False])
def test_results_are_those_of_super_resolve(frames, tiny_model, tmp_path, lossless):
    path = frames / "cut2.fits"
    super_resolve_files(path, tmp_path, model=tiny_model, lossless=lossless, **QUICK)
    mdi_map = read_map(path)
    expected = super_resolve(mdi_map, model=tiny_model, seed=0, **QUICK)
    for kind, output in name_outputs(tmp_path, "cut2").items():
        smap, wanted = sunpy.map.Map(output), getattr(expected, kind)
        # Half of a step of the quantisation.
        step = 0.0 if lossless else {"hmi_like": 0.25, "uncertainty": 0.05}[kind]
        np.testing.assert_allclose(smap.data, wanted.data, atol=step + 1e-5 * (not lossless))
        assert (smap.meta["srseed"], smap.meta["srnoiset"], smap.meta["srlife"]) == (0, "sun", 1)
        assert smap.wcs.wcs.compare(wanted.wcs.wcs, tolerance=1e-9)
        assert smap.meta["history"] == wanted.meta["history"]


def test_noise_of_the_array_has_a_seed_for_each_frame(frames, tiny_model, tmp_path):
    paths = [frames / f"cut{number}.fits" for number in (0, 1)]
    options = QUICK | {"model": tiny_model, "noise": "array", "seed": 5}
    super_resolve_files(paths, tmp_path, lossless=True, **options)
    maps = [read_map(path) for path in paths]
    seeds = [frame_seed(smap, 5) for smap in maps]
    assert len({*seeds, 5}) == 3
    for path, smap, seed in zip(paths, maps, seeds, strict=True):
        written = sunpy.map.Map(name_outputs(tmp_path, path.stem)["hmi_like"])
        assert (written.meta["srseed"], written.meta["srnoiset"]) == (seed, "array")
        assert "srlife" not in written.meta
        wanted = super_resolve(smap, **options | {"seed": seed}).hmi_like.data
        np.testing.assert_array_equal(written.data, wanted)
    results = super_resolve_maps(maps, **options)
    assert [result.hmi_like.meta["srseed"] for result in results] == seeds
    # Its lifetime is that of nothing: no reason to compute the frame again.
    records = super_resolve_files(paths, tmp_path, lossless=True, lifetime=None, **options)
    assert _states(records) == {"kept": 2}


def test_noise_and_lifetime_are_part_of_the_stamp(frames, tiny_model, tmp_path):
    path, options = frames / "cut0.fits", QUICK | {"model": tiny_model}
    super_resolve_files(path, tmp_path, **options)
    for other in ({"noise": "array"}, {"lifetime": None}, {"lifetime": 2 * u.day}):
        (record,) = super_resolve_files(path, tmp_path, **options, **other).values()
        assert "made from another input, model or settings" in record["reason"]
    (record,) = super_resolve_files(path, tmp_path, lifetime=24 * u.hour, **options).values()
    assert record["state"] == "kept"
    for wrong in ({"noise": "moon"}, {"lifetime": 1.0}, {"lifetime": 1 * u.G}):
        (name,) = wrong
        with pytest.raises(ValueError, match=f"{name} must be"):
            super_resolve_files(path, tmp_path, **options, **wrong)


def test_missing_pixels_stay_missing_in_a_compressed_file(small_disk, tiny_model, tmp_path):
    small_disk.save(tmp_path / "disk.fits")
    super_resolve_files(tmp_path / "disk.fits", tmp_path / "out", model=tiny_model, **QUICK)
    expected = super_resolve(small_disk, model=tiny_model, seed=0, **QUICK)
    data = sunpy.map.Map(name_outputs(tmp_path / "out", "disk")["hmi_like"]).data
    np.testing.assert_array_equal(np.isnan(data), np.isnan(expected.hmi_like.data))


def test_results_of_other_settings_are_not_replaced_unasked(frames, tiny_model, tmp_path):
    path = frames / "cut0.fits"
    super_resolve_files(path, tmp_path, model=tiny_model, **QUICK)
    before = _data(tmp_path)
    other = QUICK | {"n_samples": 3}
    (record,) = super_resolve_files(path, tmp_path, model=tiny_model, **other).values()
    assert "made from another input, model or settings" in record["reason"]
    for name, data in _data(tmp_path).items():
        np.testing.assert_array_equal(data, before[name])
    (record,) = super_resolve_files(
        path, tmp_path, model=tiny_model, overwrite=True, **other
    ).values()
    assert record["state"] == "done"
    assert sunpy.map.Map(name_outputs(tmp_path, "cut0")["hmi_like"]).meta["srnsamp"] == 3


def test_what_is_no_result_of_these_settings_is_never_replaced(frames, tiny_model, tmp_path):
    """Whatever is in the way, damaged or not; each time the other file is left alone too."""
    path = frames / "cut0.fits"
    options = QUICK | {"model": tiny_model}
    super_resolve_files(path, tmp_path / "other", seed=1, **options)
    other = name_outputs(tmp_path / "other", "cut0")["hmi_like"].read_bytes()
    ways = {
        "made from another input, model or settings": [other, other[:-3000]],
        "not a result of this package": [other[:3000], path.read_bytes(), b"text", b""],
    }
    for number, (reason, content) in enumerate((r, c) for r, found in ways.items() for c in found):
        out = tmp_path / str(number)
        out.mkdir()
        for kind, taken in name_outputs(out, "cut0").items():
            taken.write_bytes(content)
            (record,) = super_resolve_files(path, out, **options).values()
            assert reason in record["reason"]
            assert "give --overwrite (overwrite=True in Python)" in record["reason"]
            assert [p.name for p in out.glob("*.fits")] == [taken.name], kind
            assert taken.read_bytes() == content
            taken.unlink()
    taken = name_outputs(tmp_path, "cut0")["uncertainty"]
    for make in (taken.mkdir, lambda: taken.symlink_to("gone"), lambda: os.mkfifo(taken)):
        make()
        (record,) = super_resolve_files(path, tmp_path, **options).values()
        assert "not a result of this package" in record["reason"]
        taken.rmdir() if taken.is_dir() else taken.unlink()


def test_another_tile_size_is_the_same_result(frames, tiny_model, tmp_path):
    path = frames / "cut0.fits"
    for size, state in ((None, "done"), (16, "kept")):
        (record,) = super_resolve_files(
            path, tmp_path, model=tiny_model, tile_size=size, **QUICK
        ).values()
        assert record["state"] == state
    with pytest.raises(ValueError, match="tile_size must be an integer of at least 16"):
        super_resolve_files(path, tmp_path, model=tiny_model, tile_size=1, **QUICK)


def test_each_record_is_shown_as_it_comes(frames, tiny_model, tmp_path):
    shown = []
    records = super_resolve_files(frames, tmp_path, model=tiny_model, show=shown.append, **QUICK)
    assert shown == list(records.values())
    assert len(shown) == 7


def test_inputs_that_cannot_be_are_one_error(frames, tmp_path, tiny_model):
    with pytest.raises(FileNotFoundError, match="matches no file"):
        super_resolve_files(frames / "none*.fits", tmp_path, model=tiny_model)
    with pytest.raises(ValueError, match="no model folder"):
        super_resolve_files(frames, tmp_path, model="no_such_model")
    with pytest.raises(ValueError, match="n_samples must be an integer of at least 1"):
        super_resolve_files(frames, tmp_path, model=tiny_model, n_samples=0)
    # A file that went away since it was listed is a record.
    (record,) = super_resolve_files([tmp_path / "gone.fits"], tmp_path, model=tiny_model).values()
    assert "There is no file" in record["reason"]


def test_a_torn_report_can_be_read_and_gone_on_with(frames, tiny_model, tmp_path):
    path = frames / "cut0.fits"
    (tmp_path / "report.jsonl").write_text('{"file": "x", "state": "done"}\n{"file": "cut')
    super_resolve_files(path, tmp_path, model=tiny_model, **QUICK)
    assert {name: r["state"] for name, r in read_report(tmp_path).items()} == {
        "x": "done", str(path): "done",
    }  # fmt: skip


def test_leftovers_of_the_dead_are_removed_and_of_the_living_not(tmp_path):
    import socket

    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    start = f".part-{socket.gethostname()}-"
    for owner in (dead.stdout.strip(), os.getpid(), "elsewhere-1"):
        (tmp_path / f"{start}{owner}-x").mkdir()
        (tmp_path / f"{start}{owner}-x" / "half.fits").write_bytes(b"half")
    remove_leftovers(tmp_path)
    left = sorted(p.name.removeprefix(start) for p in tmp_path.iterdir())
    assert left == sorted([f"{os.getpid()}-x", "elsewhere-1-x"])


def test_weights_that_changed_are_not_mixed_with_the_old(frames, tiny_folder, tmp_path):
    """A folder of the same name with other weights: loaded anew, and told apart by the stamp."""
    path, out = frames / "cut0.fits", tmp_path / "out"
    (first,) = super_resolve_files(path, out, model=tiny_folder, **QUICK).values()
    model = load_model(tiny_folder)
    with torch.no_grad():
        model.network.denoiser.network.unet.head.bias.add_(0.1)
    model.save_pretrained(tiny_folder)
    (second,) = super_resolve_files(path, out, model=tiny_folder, **QUICK).values()
    assert "made from another input, model or settings" in second["reason"]
    assert second["model"] == load_model(tiny_folder).sha256 != first["model"]
    with pytest.raises(ModelError, match="other weights than that of the caller"):
        load_once(str(tiny_folder), first["model"])


def test_a_sequence_of_maps_is_taken_as_needed(frames, tiny_model):
    maps = [read_map(frames / f"cut{number}.fits") for number in range(3)]
    taken = []

    def endless():
        for number in range(10**9):
            taken.append(number)
            yield maps[number % 3]

    results = super_resolve_maps(endless(), model=tiny_model, **QUICK)
    shapes = [next(results).hmi_like.data.shape for _ in range(4)]
    assert shapes == [(96, 128), (104, 128), (112, 128), (96, 128)]
    assert len(taken) <= 5
    sequence = sunpy.map.Map(maps[:2], sequence=True)
    for smap, result in zip(
        maps, super_resolve_maps(sequence, model=tiny_model, **QUICK), strict=False
    ):
        wanted = super_resolve(smap, model=tiny_model, seed=0, **QUICK)
        np.testing.assert_array_equal(result.hmi_like.data, wanted.hmi_like.data)


def test_the_command_line(frames, tiny_model, tmp_path, capsys):
    options = [
        "-o",
        str(tmp_path),
        "--model",
        str(tiny_model),
        "--n-samples",
        "2",
        "--num-steps",
        "1",
    ]
    assert main(["batch", str(frames / "cut[01].fits"), *options, "--quiet"]) == 0
    assert "2 done, 0 kept, 0 failed" in capsys.readouterr().err
    assert main(["batch", str(frames), *options]) == 1
    printed = capsys.readouterr()
    assert "4 done, 2 kept, 1 failed" in printed.out
    assert f"failed: {frames / 'bad.fits'}: " in printed.err
    assert "download it again" in printed.err
    assert "ValueError" not in printed.err
    for argument in ("--workers", "0"), ("--workers", "two"):
        with pytest.raises(SystemExit) as stopped:
            main(["batch", str(frames), *options, *argument])
        assert stopped.value.code == 2
    assert main(["batch", str(tmp_path / "*.nothing"), *options]) == 1
    assert "matches no file" in capsys.readouterr().err


def _batch(frames, out, tiny_model, *options):
    command = [
        sys.executable,
        "-m",
        "sunpy_superres.cli",
        "batch",
        str(frames),
        "-o",
        str(out),
    ]
    command += [
        "--model",
        str(tiny_model),
        "--n-samples",
        "2",
        "--num-steps",
        "1",
        "--quiet",
        *options,
    ]
    return subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)


def test_killed_at_any_moment_it_goes_on(frames, tiny_model, tmp_path):
    """Every output whole, none missing, none computed again after it was finished."""
    rng = random.Random(0)
    finished = {}
    for _ in range(3):
        process = _batch(frames, tmp_path, tiny_model)
        report = tmp_path / "report.jsonl"
        known = len(report.read_text().splitlines()) if report.exists() else 0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:  # until it has done something
            if report.exists() and len(report.read_text().splitlines()) > known + 2:
                break
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.1))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        for number in range(6):
            paths = name_outputs(tmp_path, f"cut{number}").values()
            for path in paths:
                assert not path.exists() or is_intact(path)
            if all(path.exists() for path in paths):
                times = [path.stat().st_mtime_ns for path in paths]
                assert finished.setdefault(number, times) == times
    process = _batch(frames, tmp_path, tiny_model)
    _, printed = process.communicate(timeout=120)
    assert process.returncode == 1, printed
    states = _states(read_report(tmp_path))
    assert states["failed"] == 1
    assert states["done"] + states["kept"] == 6
    assert states["kept"] >= len(finished) > 0
    assert not list(tmp_path.glob(".part-*"))
    for number in range(6):
        paths = name_outputs(tmp_path, f"cut{number}").values()
        assert all(map(is_intact, paths))
        if number in finished:
            assert finished[number] == [path.stat().st_mtime_ns for path in paths]


def test_an_interrupted_run_says_so(frames, tiny_model, tmp_path):
    process = _batch(frames, tmp_path, tiny_model)
    deadline = time.monotonic() + 60
    while not (tmp_path / "report.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert b"interrupted; finished results are kept" in said
    assert all(map(is_intact, tmp_path.glob("*.fits")))
    assert not list(tmp_path.glob(".part-*"))


@pytest.fixture(scope="module")
def cluster():
    """Client of two processes of dask."""
    distributed = pytest.importorskip("distributed")
    with (
        _keep_environment(),
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_files_by_workers(cluster, frames, tiny_model, tmp_path):
    records = super_resolve_files(frames, tmp_path / "a", client=cluster, model=tiny_model, **QUICK)
    assert _states(records) == {"done": 6, "failed": 1}
    super_resolve_files(frames, tmp_path / "b", model=tiny_model, **QUICK)
    one, other = _data(tmp_path / "a"), _data(tmp_path / "b")
    assert set(one) == set(other)
    for name, data in one.items():
        np.testing.assert_allclose(data, other[name], atol=0.6)


def test_maps_of_workers_come_in_order(cluster, frames, tiny_model):
    maps = [read_map(frames / f"cut{number}.fits") for number in (5, 0, 3)]
    results = super_resolve_maps(maps, client=cluster, model=tiny_model, **QUICK)
    assert [r.hmi_like.data.shape[0] for r in results] == [136, 96, 120]


def test_a_worker_that_is_lost(cluster, frames, tiny_model, tmp_path):
    """Its frames are done by the others; nothing is missing."""
    import threading

    pids = list(cluster.run(os.getpid).values())

    def kill():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not list(tmp_path.glob("*.fits")):
            time.sleep(0.01)
        os.kill(pids[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    records = super_resolve_files(frames, tmp_path, client=cluster, model=tiny_model, **QUICK)
    killer.join()
    assert _states(records)["failed"] == 1
    assert all(is_intact(p) for n in range(6) for p in name_outputs(tmp_path, f"cut{n}").values())


def test_few_frames_are_under_way_at_once(cluster):
    from sunpy_superres.batch.scheduling import compute_in_order, compute_unordered

    taken = []

    def numbers():
        for number in range(40):
            taken.append(number)
            yield number

    for count, _ in enumerate(compute_unordered(abs, numbers(), cluster)):
        assert len(taken) <= count + 2 * 3 + 1
    taken.clear()
    for count, _ in enumerate(compute_in_order(abs, numbers(), cluster)):
        assert len(taken) <= count + 2 * 3 + 1


def test_a_task_that_kills_its_workers_is_a_record(cluster, frames, tiny_model, tmp_path,
                                                   monkeypatch):  # fmt: skip
    import distributed

    def lost(function, items, client):
        for item in items:
            yield item, distributed.KilledWorker(item, SimpleNamespace(address="tcp://there"), 3)

    monkeypatch.setattr("sunpy_superres.batch.archive.compute_unordered", lost)
    records = super_resolve_files(frames, tmp_path, client=cluster, model=tiny_model, **QUICK)
    assert all("ended again and again" in record["reason"] for record in records.values())
    lines = (tmp_path / "report.jsonl").read_text().split("\n")
    assert all(json.loads(line)["state"] == "failed" for line in lines if line)


def test_the_command_line_of_a_cluster(cluster, frames, tiny_model, tmp_path, capsys):
    options = ["-o", str(tmp_path), "--model", str(tiny_model), "--n-samples", "1", "--quiet"]
    address = cluster.scheduler.address
    assert main(["batch", str(frames / "cut[01].fits"), *options, "--scheduler", address]) == 0
    assert "2 done" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["batch", "x", *options, "--scheduler", address, "--workers", "2"])


def test_workers_of_its_own(frames, tiny_model, tmp_path):
    before = dict(os.environ)
    records = super_resolve_files(frames, tmp_path, workers=2, model=tiny_model, **QUICK)
    assert _states(records) == {"done": 6, "failed": 1}
    # dask would have left OMP_NUM_THREADS = 1 for all later programs.
    assert dict(os.environ) == before


def test_workers_without_dask(frames, tmp_path, tiny_model, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"sunpy_superres\[batch\]"):
        super_resolve_files(frames, tmp_path, workers=2, model=tiny_model, **QUICK)
    monkeypatch.setitem(sys.modules, "distributed", None)
    records = super_resolve_files(frames / "cut0.fits", tmp_path, model=tiny_model, **QUICK)
    assert _states(records) == {"done": 1}
