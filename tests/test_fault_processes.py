"""Processes that are stopped, or meet: nothing half-written, the right code, and it goes on."""

import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import sunpy.map
from fault_tools import options_of

from sunpy_superres.batch import read_report
from sunpy_superres.batch.results import is_intact
from sunpy_superres.cli import main


def start(command, *arguments):
    line = [sys.executable, "-m", "sunpy_superres.cli", command, *map(str, arguments)]
    return subprocess.Popen(
        line,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # A shell has its background jobs ignore Ctrl-C, and they hand it on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def stop(process, number, ready, seconds=90):
    """Send a signal once ``ready()``; exit code and what was said."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and not ready() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(number)
    _, said = process.communicate(timeout=seconds)
    return process.returncode, said


CODES = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}


@pytest.mark.needs_torch
def test_a_run_that_is_terminated(frame_file, tmp_path):
    """Orderly, as on Ctrl-C: nothing half-written, no litter."""
    process = start("run", frame_file, "-o", tmp_path, "--n-samples", 64, "--quiet")
    code, said = stop(process, signal.SIGTERM, (tmp_path / "report.jsonl").exists)
    assert code == 143, said
    assert "interrupted; finished results are kept" in said
    assert [path.name for path in tmp_path.iterdir()] == ["report.jsonl"]


def test_litter_of_a_run_that_was_killed_is_removed(frame_file, tiny_model, tmp_path):
    import socket

    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    litter = tmp_path / f".part-{socket.gethostname()}-{int(dead.stdout)}-x"
    litter.mkdir()
    assert main(["run", str(frame_file), *options_of(tiny_model, tmp_path, "--quiet")]) == 0
    assert not litter.exists()


@pytest.mark.parametrize("command", ["run", "batch"])
def test_a_signal_while_a_temporary_folder_is_made(
    frame_file, tiny_model, tmp_path, monkeypatch, command
):
    """Before anybody knows its name: it is gone all the same."""
    import tempfile

    made = tempfile.mkdtemp

    def interrupted(*args, **kwargs):
        folder = made(*args, **kwargs)
        if "/.part-" in folder:
            signal.raise_signal(signal.SIGTERM)
        return folder

    monkeypatch.setattr(tempfile, "mkdtemp", interrupted)
    assert main([command, str(frame_file), *options_of(tiny_model, tmp_path, "--quiet")]) == 143
    assert not list(tmp_path.glob(".part-*"))


@pytest.mark.parametrize("command", ["run", "batch"])
@pytest.mark.parametrize("lost", [False, True])
def test_a_signal_that_a_library_swallows(
    frame_file, tiny_model, tmp_path, monkeypatch, capsys, command, lost
):
    """Lost in a callback, or turned into an error of the file: the command ends all the same."""
    from sunpy_superres.batch import archive

    whole = archive.super_resolve

    def interrupted(mdi_map, **options):
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt as stopped:
            if not lost:
                raise RuntimeError("the library's own") from stopped
        return whole(mdi_map, **options)

    monkeypatch.setattr(archive, "super_resolve", interrupted)
    assert main([command, str(frame_file), *options_of(tiny_model, tmp_path, "--quiet")]) == 143
    assert "interrupted; finished results are kept" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.faults
@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("command", ["run", "batch"])
def test_stopped_at_any_moment(frame_file, tiny_model, tmp_path, command, number, tally):
    """No half of a file, the right exit code, and a second run completes it."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    for i in range(12):
        (inputs / f"cut{i:02}.fits").write_bytes(frame_file.read_bytes())
    rng, out = random.Random(number), tmp_path / "out"
    names = sorted(inputs.iterdir()) if command == "run" else [inputs]
    more = ["--overwrite", "--seed", "1"] if command == "run" else []
    for _ in range(2):
        process = start(command, *names, *options_of(tiny_model, out, "--quiet", *more))
        before = time.time_ns()
        code, said = stop(process, number, lambda since=before: any(
            p.stat().st_mtime_ns > since for p in out.glob("*.fits")))  # fmt: skip
        time.sleep(rng.uniform(0, 0.05))
        assert code in (CODES[number], 0), said
        assert "Traceback" not in said or command == "batch" and code == -9, said
        for path in out.glob("*.fits"):
            smap = sunpy.map.Map(path)
            assert np.isfinite(smap.data).all()
            assert is_intact(path)
        if number != signal.SIGKILL:
            assert not list(out.glob(".part-*"))
        tally(f"{command}: {signal.Signals(number).name}", f"exit {code}, nothing half-written")
    process = start(command, *names, *options_of(tiny_model, out, "--quiet", *more))
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert len(list(out.glob("*.fits"))) == 24
    assert not list(out.glob(".part-*"))


@pytest.mark.faults
def test_two_processes_on_one_folder(frame_file, tiny_model, tmp_path, tally):
    inputs = tmp_path / "in"
    inputs.mkdir()
    for i in range(8):
        (inputs / f"cut{i}.fits").write_bytes(frame_file.read_bytes())
    for command, names in (("run", sorted(inputs.iterdir())), ("batch", [inputs])):
        out = tmp_path / command
        both = [start(command, *names, *options_of(tiny_model, out, "--quiet")) for _ in "ab"]
        with ThreadPoolExecutor() as pool:
            said = list(pool.map(lambda p: p.communicate(timeout=200)[1], both))
        assert len(list(out.glob("*.fits"))) == 16, said
        for i in range(8):
            pair = [sunpy.map.Map(out / f"cut{i}_{k}.fits") for k in ("hmi_like", "uncertainty")]
            assert pair[0].meta["srseed"] == pair[1].meta["srseed"]
        assert all(p.returncode == 0 for p in both), said
        assert {r["state"] for r in read_report(out).values()} <= {"done", "kept"}
        assert not list(out.glob(".part-*"))
        tally(f"{command}: two processes on one folder", "8 of 8 pairs whole, each of one process")


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    from sunpy_superres.datasets.packed import Frame, save_pack

    rng = np.random.default_rng(0)
    frames = [
        Frame(f"f{i}", f"region{i}", "train", rng.normal(0, 300, (200, 200)).astype("f4"))
        for i in range(2)
    ]
    path = tmp_path_factory.mktemp("pack") / "pack.safetensors"
    save_pack(frames, path)
    return path


@pytest.mark.faults
@pytest.mark.parametrize("number", CODES)
def test_a_training_that_is_stopped(pack, tmp_path, number, tally):
    """The right exit code, and it goes on from what is on the disk."""
    out = tmp_path / "run"
    arguments = [pack, out, "--recipe", "enhance", "--autocast", "none"]
    process = start("train", *arguments)
    code, said = stop(process, number, (out / "model.safetensors").exists, seconds=400)
    assert code == CODES[number], said
    assert "Traceback" not in said
    process = start("train", *arguments, "--seconds", 1)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    tally(f"train: {signal.Signals(number).name}", f"exit {code}, goes on")


@pytest.mark.faults
def test_a_training_on_a_full_disk(pack, small_disk_of_files, tally):
    process = start("train", pack, small_disk_of_files / "run", "--recipe", "enhance")
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1, said
    assert "space" in said.lower()
    assert "Traceback" not in said
    assert not list(small_disk_of_files.rglob("*.safetensors"))
    assert not list(small_disk_of_files.rglob("*.part"))
    tally("train: full disk", "a sentence, exit 1, nothing half-written")
