"""Nothing that a disk, an archive or a signal does leaves a wrong or half-written file."""

import bz2
import gzip
import lzma
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import sunpy.map
from astropy.io import fits
from fault_tools import options_of, outcome
from sunpy.util.exceptions import SunpyMetadataWarning

from sunpy_superres import SuperResWarning, read_map
from sunpy_superres.batch import archive, super_resolve_files
from sunpy_superres.cli import main
from sunpy_superres.files import move_together

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


def test_names(frame_file, tiny_model, tmp_path, monkeypatch):
    """Spaces, letters that FITS lacks, a leading dash, a link."""
    monkeypatch.chdir(tmp_path)
    names = ["sp ace é☉.fits", "-dash.fits", "link.fits"]
    for name in names[:2]:
        Path(name).write_bytes(frame_file.read_bytes())
    Path(names[2]).symlink_to(frame_file)
    assert main(["run", *options_of(tiny_model, "out", "--quiet"), "--", *names]) == 0
    found = sorted(path.name for path in Path("out").glob("*.fits"))
    kinds = ("hmi_like", "uncertainty")
    assert found == sorted(f"{Path(name).stem}_{kind}.fits" for name in names for kind in kinds)


def test_a_model_folder_with_any_name_is_in_the_history(frame_file, tiny_folder, tmp_path):
    """A letter that FITS lacks would have taken all of HISTORY with it."""
    options = options_of(tiny_folder, tmp_path / "out", "--quiet")
    assert main(["run", str(frame_file), *options]) == 0
    saved = sunpy.map.Map(tmp_path / "out" / "cut_hmi_like.fits")
    assert r"my model {\xe9}" in saved.meta["srmodel"]
    assert "not an HMI observation" in saved.meta["history"]


def test_results_are_no_inputs(frame_file, tiny_model, tmp_path):
    """A folder may hold inputs and results."""
    (tmp_path / "cut.fits").write_bytes(frame_file.read_bytes())
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


def test_what_another_process_wrote_meanwhile_is_kept(
    frame_file, tiny_model, tmp_path, monkeypatch
):
    """Two runs without --overwrite: one pair of files, of one of them."""
    real = archive.super_resolve

    def slow(*args, **kwargs):
        result = real(*args, **kwargs)
        (tmp_path / "cut_uncertainty.fits").write_bytes(b"of another process")
        return result

    monkeypatch.setattr(archive, "super_resolve", slow)
    assert main(["run", str(frame_file), *options_of(tiny_model, tmp_path, "--quiet")]) == 1
    assert [path.name for path in tmp_path.glob("*.fits")] == ["cut_uncertainty.fits"]
    assert not list(tmp_path.glob(".part-*"))
    assert (tmp_path / "cut_uncertainty.fits").read_bytes() == b"of another process"


@pytest.mark.parametrize("command", ["run", "batch"])
def test_a_full_disk(frame_file, tiny_model, small_disk_of_files, command, capsys, tally):
    folder = small_disk_of_files
    options = options_of(tiny_model, folder, "--quiet", "--lossless")
    assert main([command, str(frame_file), *options]) == 1
    assert "space" in capsys.readouterr().err.lower()
    assert [p.name for p in folder.iterdir()] == ["report.jsonl"]
    tally(f"{command}: full disk", "a sentence, exit 1, nothing half-written")


@pytest.mark.parametrize("inside", [False, True], ids=["the folder", "a folder in it"])
@pytest.mark.parametrize("command", ["run", "batch"])
def test_a_read_only_folder(
    frame_file, tiny_model, read_only_folder, command, inside, capsys, tally
):
    folder = read_only_folder / "new" if inside else read_only_folder
    try:
        code = main([command, str(frame_file), *options_of(tiny_model, folder, "--quiet")])
    except SystemExit as stop:  # -o itself cannot be: wrong use
        code = stop.code
    said = capsys.readouterr().err
    assert code == (2 if inside else 1), said
    assert "read-only" in said.lower() or "cannot be written" in said, said
    assert str(folder) in said
    assert not list(read_only_folder.iterdir())
    tally(f"{command}: read-only folder", f"a sentence, exit {code}, nothing written")


def test_other_commands_on_a_read_only_folder(read_only_folder, tmp_path, capsys):
    from sunpy_superres.data import example_hmi_map
    from sunpy_superres.datasets.packed import Frame, save_pack

    (tmp_path / "hmi").mkdir()
    example_hmi_map().save(tmp_path / "hmi" / "hmi.fits")
    frame = Frame("f", "region", "train", np.ones((200, 200), "f4"))
    save_pack([frame], tmp_path / "pack.safetensors")
    commands = [
        ["train", tmp_path / "pack.safetensors", "-o", read_only_folder / "run"],
        ["keywords", tmp_path / "hmi", "-o", read_only_folder / "keywords.csv"],
    ]
    for command in commands:
        assert main([str(part) for part in command]) == 1, command
        said = capsys.readouterr().err
        assert "Read-only" in said, said
        assert "Traceback" not in said
        assert not list(read_only_folder.iterdir())


@pytest.mark.parametrize("command", ["run", "batch"])
def test_a_report_that_cannot_be_written(
    frame_file, tiny_model, small_disk_of_files, capsys, command
):
    folder = small_disk_of_files
    with (folder / "fill").open("wb", buffering=0) as file:
        while file.write(bytes(4096)) == 4096:
            if os.statvfs(folder).f_bavail == 0:
                break
    assert main([command, str(frame_file), *options_of(tiny_model, folder, "--quiet")]) == 1
    assert "space" in capsys.readouterr().err.lower()


def test_a_folder_that_vanishes(frame_file, tiny_model, tmp_path, monkeypatch, capsys):
    real, folder = archive.super_resolve, tmp_path / "out"

    def gone(*args, **kwargs):
        shutil.rmtree(folder)
        return real(*args, **kwargs)

    monkeypatch.setattr(archive, "super_resolve", gone)
    assert main(["run", str(frame_file), *options_of(tiny_model, folder, "--quiet")]) == 1
    assert str(folder) in capsys.readouterr().err


def test_a_unit_of_negative_length_is_no_endless_loop(files, tmp_path):
    """astropy reads such a file for ever: the unit begins again where it began."""
    content = files["Rice"][1]
    start = content.index(b"PCOUNT  =", 2880)
    card = content[start : start + 80]
    path = tmp_path / "frame.fits"
    path.write_bytes(content.replace(card, b"PCOUNT  =              -1000000".ljust(80)))
    with pytest.raises(ValueError, match="not a readable FITS image.*download it again"):
        read_map(path)
