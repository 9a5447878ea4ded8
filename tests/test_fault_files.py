"""Nothing that a disk, an archive or a signal does leaves a wrong or half-written file."""

import bz2
import gzip
import lzma
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import sunpy.map
from astropy.io import fits
from fault_tools import outcome
from sunpy.util.exceptions import SunpyMetadataWarning

from sunpy_superres import SuperResWarning, read_map
from sunpy_superres.batch import read_report, super_resolve_files
from sunpy_superres.cli import main
from sunpy_superres.files import move_together
from sunpy_superres.results import is_whole

SHAPE = (24, 32)


@pytest.fixture(scope="module")
def header(mdi_header):
    cards = mdi_header(SHAPE, corner=(540, 500))
    return fits.Header([(k.upper(), v) for k, v in cards.items() if not k.startswith("naxis")])


@pytest.fixture(scope="module")
def field(bipole):
    return np.round(bipole(SHAPE)).astype(np.int16)


@pytest.fixture(scope="module")
def files(tmp_path_factory, header, field):
    """One frame in every form: suffix and bytes by name."""
    folder = tmp_path_factory.mktemp("forms")
    quantised = fits.CompImageHDU(
        field.astype(np.float32), header, compression_type="GZIP_2", quantize_level=0.0
    )
    forms = {
        "plain": [fits.PrimaryHDU(field, header)],
        "Rice": [fits.PrimaryHDU(), fits.CompImageHDU(field, header, compression_type="RICE_1")],
        "GZIP_2": [fits.PrimaryHDU(), quantised],
    }
    contents = {}
    for name, hdus in forms.items():
        for checksum in (False, True):  # the cards stay in the units
            path = folder / "form.fits"
            fits.HDUList(hdus).writeto(path, checksum=checksum, overwrite=True)
            contents[name + " with checksum" * checksum] = (".fits", path.read_bytes())
    plain = contents["plain"][1]
    contents["gz"] = (".fits.gz", gzip.compress(plain))
    contents["bz2"] = (".fits.bz2", bz2.compress(plain))
    contents["xz"] = (".fits.xz", lzma.compress(plain))
    return contents


def damaged(content, kind, rng):
    content = bytearray(content)
    start = rng.randrange(len(content))
    if kind == "cut short":
        return bytes(content[:start])
    if kind == "a bit flipped":
        content[start] ^= 1 << rng.randrange(8)
    else:
        content[start : start + 200] = bytes(len(content[start : start + 200]))
    return bytes(content)


def try_damage(files, field, folder, tally, times):
    """
    Either the same field, or an error of ours; a damage that a checksum can see is said.

    What sunpy says of a header whose names were damaged passes through.
    """
    rng = random.Random(0)
    for name, (suffix, content) in files.items():
        path = folder / f"frame{suffix}"
        for kind in ("cut short", "a bit flipped", "a block of zeros"):
            for _ in range(times):
                path.write_bytes(damaged(content, kind, rng))
                said, smap = outcome(
                    lambda path=path: read_map(path), (SuperResWarning, SunpyMetadataWarning)
                )
                if said == "result":
                    same = smap.data.shape == field.shape and np.array_equal(smap.data, field)
                    said = "the same field" if same else "ANOTHER FIELD, unseen"
                    assert same or "checksum" not in name, (name, kind)
                    assert same or suffix == ".fits", (name, kind)
                tally(f"{name}: {kind}", said)


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
def test_damaged_files(files, field, tmp_path, tally):
    try_damage(files, field, tmp_path, tally, 6)


@pytest.mark.faults
def test_many_damaged_files(files, field, tmp_path, tally):
    try_damage(files, field, tmp_path, tally, 100)


def test_a_changed_pixel_is_said(files, tmp_path):
    content = bytearray(files["plain with checksum"][1])
    content[-2880 + 1] ^= 4
    path = tmp_path / "frame.fits"
    path.write_bytes(content)
    with pytest.warns(SuperResWarning, match=r"DATASUM card.* Download it again"):
        read_map(path)


def test_a_header_that_promises_too_much(files, tmp_path):
    """It is refused before the memory is asked for."""
    card = b"NAXIS1  =                   32"
    content = files["plain"][1]
    assert card in content
    path = tmp_path / "frame.fits"
    path.write_bytes(content.replace(card, b"NAXIS1  =         999999999999"))
    with pytest.raises(ValueError, match="not a readable FITS image .*download it again"):
        read_map(path)


def test_a_pipe_is_not_waited_for(tmp_path, tiny_model, capsys, tally):
    pipe = tmp_path / "pipe.fits"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match="pipe or a device.*give a file"):
        read_map(pipe)
    options = ["-o", str(tmp_path / "out"), "--model", str(tiny_model), "--quiet"]
    assert main(["run", str(pipe), *options]) == 1
    assert main(["batch", str(pipe), *options]) == 1
    assert capsys.readouterr().err.count("a pipe or a device") == 2
    tally("a FIFO as input", "ValueError")


@pytest.fixture(scope="module")
def frame(tmp_path_factory, field, mdi_header):
    path = tmp_path_factory.mktemp("frame") / "cut.fits"
    sunpy.map.Map(field, mdi_header(SHAPE, corner=(540, 500))).save(path)
    return path


def options_of(tiny_model, folder, *more):
    return ["-o", str(folder), "--model", str(tiny_model), "--samples", "1", "--steps", "1", *more]


def test_names(frame, tiny_model, tmp_path, monkeypatch):
    """Spaces, letters that FITS lacks, a leading dash, a link."""
    monkeypatch.chdir(tmp_path)
    names = ["sp ace é☉.fits", "-dash.fits", "link.fits"]
    for name in names[:2]:
        Path(name).write_bytes(frame.read_bytes())
    Path(names[2]).symlink_to(frame)
    assert main(["run", *options_of(tiny_model, "out", "--quiet"), "--", *names]) == 0
    found = sorted(path.name for path in Path("out").iterdir())
    kinds = ("hmi_like", "uncertainty")
    assert found == sorted(f"{Path(name).stem}_{kind}.fits" for name in names for kind in kinds)


def test_a_model_folder_with_any_name_is_in_the_history(frame, tiny_folder, tmp_path):
    """A letter that FITS lacks would have taken all of HISTORY with it."""
    options = options_of(tiny_folder, tmp_path / "out", "--quiet")
    assert main(["run", str(frame), *options]) == 0
    saved = sunpy.map.Map(tmp_path / "out" / "cut_hmi_like.fits")
    assert r"my model {\xe9}" in saved.meta["srmodel"]
    assert "not an HMI observation" in saved.meta["history"]


def test_results_are_no_inputs(frame, tiny_model, tmp_path):
    """A folder may hold inputs and results."""
    (tmp_path / "cut.fits").write_bytes(frame.read_bytes())
    how = {"model": tiny_model, "n_samples": 1, "num_steps": 1, "progress": False}
    for state in ("done", "kept"):
        records = super_resolve_files(tmp_path, tmp_path, **how)
        assert [(Path(p).name, r["state"]) for p, r in records.items()] == [("cut.fits", state)]


def test_old_results_never_lie_beside_new_ones(tmp_path, monkeypatch):
    """Stopped between the two moves, the old uncertainty of another field is gone."""
    new, old = ([tmp_path / f"{age}{i}" for i in "ab"] for age in ("new", "old"))
    for path in (*new, *old):
        path.write_text(path.name)
    replace = Path.replace

    def stopped(self, target):
        replace(self, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        move_together(new, old)
    assert old[0].read_text() == "newa"
    assert not old[1].exists()


def test_what_another_process_wrote_meanwhile_is_kept(frame, tiny_model, tmp_path, monkeypatch):
    """Two runs without --overwrite: one pair of files, of one of them."""
    from sunpy_superres import super_resolution

    real = super_resolution.super_resolve

    def slow(*args, **kwargs):
        result = real(*args, **kwargs)
        (tmp_path / "cut_uncertainty.fits").write_bytes(b"of another process")
        return result

    monkeypatch.setattr(super_resolution, "super_resolve", slow)
    assert main(["run", str(frame), *options_of(tiny_model, tmp_path, "--quiet")]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["cut_uncertainty.fits"]
    assert (tmp_path / "cut_uncertainty.fits").read_bytes() == b"of another process"


@pytest.fixture
def small_disk_of_files(tmp_path):
    """A disk of 60 kB, which no result fits on."""
    folder = tmp_path / "full"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=60k", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk cannot be mounted")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("command", ["run", "batch"])
def test_a_full_disk(frame, tiny_model, small_disk_of_files, command, capsys, tally):
    folder = small_disk_of_files
    more = ["--lossless"] if command == "batch" else []
    assert main([command, str(frame), *options_of(tiny_model, folder, "--quiet", *more)]) == 1
    assert "space" in capsys.readouterr().err.lower()
    assert [p.name for p in folder.iterdir()] == ["report.jsonl"] * (command == "batch")
    tally(f"{command}: full disk", "a sentence, exit 1, nothing half-written")


def test_a_report_that_cannot_be_written(frame, tiny_model, small_disk_of_files, capsys):
    folder = small_disk_of_files
    with (folder / "fill").open("wb", buffering=0) as file:
        while file.write(bytes(4096)) == 4096:
            if os.statvfs(folder).f_bavail == 0:
                break
    assert main(["batch", str(frame), *options_of(tiny_model, folder, "--quiet")]) == 1
    assert "space" in capsys.readouterr().err.lower()


def test_a_folder_that_vanishes(frame, tiny_model, tmp_path, monkeypatch, capsys):
    from sunpy_superres import super_resolution

    real, folder = super_resolution.super_resolve, tmp_path / "out"

    def gone(*args, **kwargs):
        folder.rmdir()
        return real(*args, **kwargs)

    monkeypatch.setattr(super_resolution, "super_resolve", gone)
    assert main(["run", str(frame), *options_of(tiny_model, folder, "--quiet")]) == 1
    assert str(folder) in capsys.readouterr().err


def start(command, *arguments):
    line = [sys.executable, "-m", "sunpy_superres.cli", command, *map(str, arguments)]
    return subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def stop(process, number, ready, seconds=90):
    """Send a signal once ``ready()``; exit code and what was said."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and not ready() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(number)
    _, said = process.communicate(timeout=seconds)
    return process.returncode, said


CODES = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}


def test_a_run_that_is_terminated(frame, tmp_path):
    """Orderly, as on Ctrl-C: nothing half-written, no litter."""
    process = start("run", frame, "-o", tmp_path, "--samples", 64, "--quiet")
    code, said = stop(process, signal.SIGTERM, lambda: any(tmp_path.glob("*")), seconds=15)
    assert code == 143, said
    assert "interrupted; finished results are kept" in said
    assert not list(tmp_path.iterdir())


def test_litter_of_a_run_that_was_killed_is_removed(frame, tiny_model, tmp_path):
    import socket

    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    litter = tmp_path / f".part-{socket.gethostname()}-{int(dead.stdout)}-x"
    litter.mkdir()
    assert main(["run", str(frame), *options_of(tiny_model, tmp_path, "--quiet")]) == 0
    assert not litter.exists()


@pytest.mark.faults
@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("command", ["run", "batch"])
def test_stopped_at_any_moment(frame, tiny_model, tmp_path, command, number, tally):
    """No half of a file, the right exit code, and a second run completes it."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    for i in range(12):
        (inputs / f"cut{i:02}.fits").write_bytes(frame.read_bytes())
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
            assert command == "run" or is_whole(path)
        if number != signal.SIGKILL:
            assert not list(out.glob(".part-*"))
        tally(f"{command}: {signal.Signals(number).name}", f"exit {code}, nothing half-written")
    process = start(command, *names, *options_of(tiny_model, out, "--quiet", *more))
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert len(list(out.glob("*.fits"))) == 24
    assert not list(out.glob(".part-*"))


@pytest.mark.faults
def test_two_processes_on_one_folder(frame, tiny_model, tmp_path, tally):
    inputs = tmp_path / "in"
    inputs.mkdir()
    for i in range(8):
        (inputs / f"cut{i}.fits").write_bytes(frame.read_bytes())
    for command, names in (("run", sorted(inputs.iterdir())), ("batch", [inputs])):
        out = tmp_path / command
        # Each of the runs draws another seed; a batch draws the same for both.
        both = [start(command, *names, *options_of(tiny_model, out, "--quiet")) for _ in "ab"]
        with ThreadPoolExecutor() as pool:
            said = list(pool.map(lambda p: p.communicate(timeout=200)[1], both))
        assert len(list(out.glob("*.fits"))) == 16, said
        for i in range(8):
            pair = [sunpy.map.Map(out / f"cut{i}_{k}.fits") for k in ("hmi_like", "uncertainty")]
            assert pair[0].meta["srseed"] == pair[1].meta["srseed"]
        if command == "batch":
            assert all(p.returncode == 0 for p in both), said
            assert {r["state"] for r in read_report(out).values()} <= {"done", "kept"}
        assert not list(out.glob(".part-*"))
        tally(f"{command}: two processes on one folder", "8 of 8 pairs whole, each of one process")


def test_a_unit_of_negative_length_is_no_endless_loop(files, tmp_path):
    """astropy reads such a file for ever: the unit begins again where it began."""
    content = files["Rice"][1]
    start = content.index(b"PCOUNT  =", 2880)
    card = content[start : start + 80]
    path = tmp_path / "frame.fits"
    path.write_bytes(content.replace(card, b"PCOUNT  =              -1000000".ljust(80)))
    with pytest.raises(ValueError, match="not a readable FITS image.*download it again"):
        read_map(path)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    from sunpy_superres.training.pack import Frame, save_pack

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
    code, said = stop(process, number, (out / "model.safetensors").exists, seconds=200)
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
    tally("train: full disk", "a sentence, exit 1")
