import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import sunpy.map
import torch

import sunpy_superres
from sunpy_superres.batch import frame_seed, read_report, sources
from sunpy_superres.cli import main
from sunpy_superres.cli.options import get_output
from sunpy_superres.datasets.packed import Frame, save_pack
from sunpy_superres.maps.geometry import plate_scale

FAST = ["--n-samples", "2", "--num-steps", "1", "--seed", "3"]
REPORT = "report.jsonl"


@pytest.fixture
def frame(tmp_path, mdi_cutout):
    """A usable file."""
    path = tmp_path / "frame.fits"
    mdi_cutout.save(path)
    return path


@pytest.fixture
def results(tmp_path):
    return tmp_path / "new" / "results"


def run(*arguments):
    return main(["run", *FAST, *map(str, arguments)])


def exits(*arguments):
    """Exit code of a command that is used wrongly."""
    with pytest.raises(SystemExit) as exit_:
        main([str(a) for a in arguments])
    return exit_.value.code


def help_of(command, capsys):
    """Help of a command, on one line."""
    assert exits(command, "--help") == 0
    return " ".join(capsys.readouterr().out.split())


def names(folder):
    """Files in a folder, without the report."""
    return sorted(path.name for path in folder.iterdir() if path.name != REPORT)


def contents(folder):
    """Bytes of the files in a folder, without the report."""
    return {name: (folder / name).read_bytes() for name in names(folder)}


# run


def test_example(results, capsys):
    assert run("--example", "--plot", "-o", results) == 0
    assert names(results) == ["example.png", "example_hmi_like.fits", "example_uncertainty.fits"]
    field, spread = (
        sunpy.map.Map(results / f"example_{kind}.fits") for kind in ("hmi_like", "uncertainty")
    )
    for smap in (field, spread):
        assert smap.data.shape == (512, 512)
        assert plate_scale(smap).value == pytest.approx([1.980835 / 4] * 2)
        assert smap.date.isot == "1999-12-10T23:58:43.000"
        assert smap.meta["srseed"] == 3
        assert (smap.meta["srsteps"], smap.meta["srnsamp"]) == (1, 2)
    assert np.abs(field.data).max() > 500
    assert np.all(spread.data > 0)
    assert (results / "example.png").read_bytes().startswith(b"\x89PNG")
    out, _ = capsys.readouterr()
    assert out.startswith("done: the example: ")
    assert all(name in out for name in names(results))


def test_result_is_that_of_the_function(frame, results):
    how = ["--quiet", "--lossless", "--estimate", "mean", "--dtype", "float32"]
    assert run(frame, "-o", results, *how) == 0
    mdi_map = sunpy_superres.read_map(frame)
    expected = sunpy_superres.super_resolve(
        mdi_map,
        n_samples=2,
        num_steps=1,
        seed=3,
        estimate="mean",
        dtype="float32",
        progress=False,
    )
    for kind in ("hmi_like", "uncertainty"):
        written = sunpy.map.Map(results / f"frame_{kind}.fits")
        np.testing.assert_array_equal(written.data, getattr(expected, kind).data)
        assert written.meta["srestim"] == "mean"
        assert written.meta["srseed"] == 3


def test_run_and_batch_write_the_same(frame, tmp_path):
    folders = [tmp_path / command for command in ("run", "batch")]
    for folder in folders:
        assert main([folder.name, str(frame), *FAST, "--plot", "-o", str(folder)]) == 0
    one, other = map(contents, folders)
    assert sorted(one) == ["frame.png", "frame_hmi_like.fits", "frame_uncertainty.fits"]
    assert one == other
    one, other = (read_report(folder)[str(frame)] for folder in folders)
    assert {k for k in one if one[k] != other.get(k)} <= {"seconds", "outputs"}
    assert list(one["outputs"].values()) == list(other["outputs"].values())
    # One keeps what the other has done.
    before = contents(folders[0])
    assert main(["batch", str(frame), *FAST, "--plot", "-o", str(folders[0])]) == 0
    assert read_report(folders[0])[str(frame)]["state"] == "kept"
    assert contents(folders[0]) == before


@pytest.mark.parametrize("command", ["run", "batch"])
def test_old_names_of_the_options_still_work(frame, results, capsys, command):
    old = ["--samples", "2", "--steps", "1", "--seed", "3"]
    for options in (FAST, old):  # the same stamp
        assert main([command, str(frame), *options, "-o", str(results)]) == 0
    assert read_report(results)[str(frame)]["state"] == "kept"
    help_text = help_of(command, capsys)
    assert "--n-samples" in help_text
    assert "--num-steps" in help_text
    assert not re.search(r"--(samples|steps)\b", help_text)


@pytest.mark.parametrize("command", ["run", "batch"])
def test_noise_and_its_lifetime_are_options(frame, tmp_path, capsys, command):
    seed = frame_seed(sunpy_superres.read_map(frame), 3)
    wanted = {
        ("--lifetime", "2.5"): (3, "sun", 2.5),
        ("--lifetime", "none"): (3, "sun", None),
        ("--noise", "array"): (seed, "array", None),
    }
    for number, (option, cards) in enumerate(wanted.items()):
        out = tmp_path / str(number)
        assert main([command, str(frame), *FAST, *option, "-o", str(out)]) == 0
        meta = sunpy.map.Map(out / "frame_hmi_like.fits").meta
        assert tuple(meta.get(card) for card in ("srseed", "srnoiset", "srlife")) == cards
    for option in ("--noise", "moon"), ("--lifetime", "0"), ("--lifetime", "long"):
        assert exits(command, frame, *option, "-o", tmp_path) == 2
        assert f"argument {option[0]}" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "batch", "pack", "export"])
def test_help_says_what_is_lossy(command, capsys):
    assert re.search(r"\blossy\b", help_of(command, capsys))


def test_quiet_prints_nothing(frame, results, capfd):
    assert run(frame, "-o", results, "--quiet") == 0
    assert capfd.readouterr() == ("", "")


def test_a_suspicious_input_is_noted(tmp_path, results, mdi_cutout, capsys):
    mdi_cutout.meta["quality"] = 4
    mdi_cutout.save(tmp_path / "odd.fits")
    assert run(tmp_path / "odd.fits", "-o", results) == 0
    err = capsys.readouterr().err
    assert f"note: {tmp_path / 'odd.fits'}: QUALITY = 0x00000004" in err
    assert run(tmp_path / "odd.fits", "-o", tmp_path / "again", "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_one_broken_file_leaves_the_other_done(frame, tmp_path, results, capsys):
    broken = tmp_path / "broken.fits"
    broken.write_bytes(frame.read_bytes()[:5000])
    assert run(broken, frame, "-o", results) == 1
    assert names(results) == ["frame_hmi_like.fits", "frame_uncertainty.fits"]
    out, err = capsys.readouterr()
    assert f"failed: {broken}: " in err
    assert "1 of 2 files failed" in err
    assert f"done: {frame}: " in out


@pytest.mark.parametrize("kind", ["missing", "continuum"])
def test_errors_are_told_even_when_quiet(tmp_path, results, mdi_cutout, capsys, kind):
    path = tmp_path / "input.fits"
    if kind == "continuum":
        mdi_cutout.meta["content"] = "MDI Full Disk Intensity Continuum"
        mdi_cutout.save(path)
    assert run(path, "-o", results, "--quiet") == 1
    said = {"missing": "There is no file", "continuum": "not a magnetogram"}
    err = capsys.readouterr().err
    assert said[kind] in err
    assert "Error" not in err
    assert names(results) == []
    assert f"Nothing was written, except for the report, {results / REPORT}." in err


def test_existing_results_are_kept(frame, results, capsys):
    assert run(frame, "-o", results, "--quiet") == 0
    before = contents(results)
    assert run(frame, "-o", results) == 0
    assert f"kept: {frame}: " in capsys.readouterr().out
    assert contents(results) == before
    assert run(frame, "-o", results, "--seed", 4) == 1
    err = capsys.readouterr().err
    assert "frame_hmi_like.fits exists and was made from another input, model or settings" in err
    assert "give --overwrite" in err
    assert contents(results) == before
    assert run(frame, "-o", results, "--seed", 4, "--overwrite") == 0
    assert names(results) == sorted(before)
    assert sunpy.map.Map(results / "frame_hmi_like.fits").meta["srseed"] == 4


def test_a_picture_belongs_to_its_result(frame, results, capsys):
    """A kept result gets the picture it lacks, from its files; none is of another result."""
    assert run(frame, "-o", results) == 0
    fits = contents(results)
    assert run(frame, "-o", results, "--plot") == 0
    assert f"kept: {frame}: " in capsys.readouterr().out.splitlines()[-1]
    drawn = contents(results)
    assert drawn == fits | {"frame.png": drawn["frame.png"]}
    picture = results / "frame.png"
    picture.write_bytes(drawn["frame.png"][:-2000])  # damaged, but its stamp is the same
    assert run(frame, "-o", results, "--plot") == 0
    assert contents(results) == drawn
    picture.write_bytes(b"\x89PNG of another program")
    assert run(frame, "-o", results, "--plot") == 1
    assert "frame.png exists and is not a result of this package" in capsys.readouterr().err
    assert picture.read_bytes() == b"\x89PNG of another program"
    assert run(frame, "-o", results, "--plot", "--overwrite") == 0
    assert contents(results) == drawn
    assert run(frame, "-o", results, "--plot", "--seed", 4) == 1
    assert contents(results) == drawn
    assert run(frame, "-o", results, "--seed", 4, "--overwrite") == 0
    assert names(results) == sorted(fits)  # the picture showed the result that was replaced


@pytest.mark.parametrize("command", ["run", "batch"])
@pytest.mark.parametrize("kind", ["hmi_like", "uncertainty"])
def test_a_file_of_another_program_is_not_replaced(frame, results, capsys, command, kind):
    results.mkdir(parents=True)
    plain = results / f"frame_{kind}.fits"
    sunpy_superres.read_map(frame).save(plain)
    before = contents(results)
    assert main([command, str(frame), *FAST, "-o", str(results)]) == 1
    err = capsys.readouterr().err
    assert f"{plain} exists and is not a result of this package" in err
    assert "give --overwrite" in err
    assert contents(results) == before
    assert main([command, str(frame), *FAST, "-o", str(results), "--overwrite"]) == 0
    assert sunpy.map.Map(plain).meta["srnsamp"] == 2


def test_inputs_of_one_name_keep_their_folders(frame, tmp_path, results, capsys):
    other = tmp_path / "other" / "frame.fits.gz"
    assert main(["run", str(frame), str(other), *FAST, "-o", str(results)]) == 1
    assert f"There is no file {other}" in capsys.readouterr().err
    kept = str(frame.relative_to(tmp_path).with_suffix("")) if frame.parent != tmp_path else "frame"
    assert (results / f"{kept}_hmi_like.fits").is_file()


def test_spaces_and_unicode_in_names(frame, tmp_path):
    path = frame.rename(tmp_path / "Sonne 2010 – Fleck é.fts")
    folder = tmp_path / "die Résultate"
    assert run(path, "-o", folder, "--quiet") == 0
    stem = "Sonne 2010 – Fleck é"
    assert names(folder) == [f"{stem}_hmi_like.fits", f"{stem}_uncertainty.fits"]


@pytest.mark.parametrize("name", ["m.FITS", "m.fts.gz", "m.fits.fz", "m"])
def test_suffixes_are_taken_off(frame, tmp_path, results, name):
    path = tmp_path / name
    if name.endswith(".gz"):
        import gzip

        path.write_bytes(gzip.compress(frame.read_bytes()))
    else:
        frame.rename(path)
    assert run(path, "-o", results, "--quiet") == 0
    assert names(results) == ["m_hmi_like.fits", "m_uncertainty.fits"]


def test_a_dot_in_the_name_is_no_suffix(frame, tmp_path, results):
    path = frame.rename(tmp_path / "mdi.fd_M_96m_lev182.20101015_000000_TAI.data.fits")
    assert run(path, "-o", results, "--quiet") == 0
    assert names(results)[0] == "mdi.fd_M_96m_lev182.20101015_000000_TAI.data_hmi_like.fits"


@pytest.mark.parametrize("arguments", [["run", "-o", "x"], ["run", "a.fits"], [], ["fly"]])
def test_wrong_use(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert exits(*arguments) == 2
    assert "usage: sunpy-superres" in capsys.readouterr().err
    assert names(tmp_path) == []


def test_files_and_example_together(frame, results):
    assert exits("run", "--example", frame, "-o", results) == 2


@pytest.mark.parametrize("option", ["--n-samples", "--num-steps", "--samples", "--steps"])
@pytest.mark.parametrize("value", ["0", "-1", "two"])
def test_numbers_that_cannot_be(frame, results, option, value, capsys):
    assert exits("run", frame, "-o", results, option, value) == 2
    assert option in capsys.readouterr().err


def test_output_that_is_a_file(frame, tmp_path, capsys):
    assert exits("run", frame, "-o", frame) == 2
    assert f"cannot make the folder {frame} " in capsys.readouterr().err


def test_no_such_model(frame, results, tmp_path, capsys):
    assert run(frame, "-o", results, "--model", tmp_path / "nowhere") == 1
    err = capsys.readouterr().err
    assert err.startswith("sunpy-superres run: There is no model folder")
    assert len(err.splitlines()) == 1


def test_no_such_device(frame, results, capsys):
    assert run(frame, "-o", results, "--device", "abacus") == 1
    assert f"failed: {frame}: " in capsys.readouterr().err


def test_a_full_gpu_leaves_the_other_file_done(frame, tmp_path, results, monkeypatch, capsys):
    read_map = sources.read_map

    def full(path):
        if path.name == "large.fits":
            raise torch.OutOfMemoryError("out of memory")
        return read_map(path)

    monkeypatch.setattr(sources, "read_map", full)
    (tmp_path / "large.fits").write_bytes(b"a large disk")
    assert run(tmp_path / "large.fits", frame, "-o", results) == 1
    assert names(results) == ["frame_hmi_like.fits", "frame_uncertainty.fits"]
    assert "large.fits: The memory is full; give a cut-out" in capsys.readouterr().err


def test_interruption_keeps_what_is_done(frame, tmp_path, results, monkeypatch, capsys):
    read_map = sources.read_map

    def interrupted(path):
        if path.name == "second.fits":
            raise KeyboardInterrupt
        return read_map(path)

    monkeypatch.setattr(sources, "read_map", interrupted)
    (tmp_path / "second.fits").write_bytes(b"another")
    assert run(frame, tmp_path / "second.fits", "-o", results) == 130
    assert names(results) == ["frame_hmi_like.fits", "frame_uncertainty.fits"]
    assert "interrupted" in capsys.readouterr().err


def test_warnings_of_others_are_left_as_they_were(frame, results):
    before = list(warnings.filters)
    assert run(frame, "-o", results, "--quiet") == 0
    assert warnings.filters == before


# info


def test_info_for_programs(capsys):
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    model = sunpy_superres.load_model()
    assert facts["version"] == sunpy_superres.__version__
    assert (facts["model"], facts["revision"]) == ("default", model.revision)
    assert facts["sha256"] == model.sha256
    assert facts["parameters"] == sum(p.numel() for p in model.network.parameters())
    assert facts["steps"] == model.config["sampler"]["num_steps"]
    assert facts["dtype"] in ("float32", "bfloat16")


def test_info_for_people(capsys):
    assert main(["info"]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines["version"] == sunpy_superres.__version__
    assert lines["model"] == "default"
    assert lines["sha256"] == sunpy_superres.load_model().sha256
    assert {"revision", "device", "dtype", "torch"} <= set(lines)


def test_info_of_no_model(tmp_path, capsys):
    assert main(["info", "--model", str(tmp_path)]) == 1
    assert "config.json is missing" in capsys.readouterr().err


def test_version(capsys):
    assert exits("--version") == 0
    assert capsys.readouterr().out.strip() == sunpy_superres.__version__


# The package


def loaded_by(code):
    """Top-level modules that ``code`` imports."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        cwd=Path(sunpy_superres.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return {name.split(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "code", ["import sunpy_superres; sunpy_superres.__version__", "import sunpy_superres.cli"]
)
def test_import_loads_neither_torch_nor_the_network(code):
    heavy = {"torch", "requests", "httpx", "huggingface_hub", "parfive", "aiohttp", "sunpy"}
    assert not loaded_by(code) & heavy


def test_what_is_public_is_there():
    for name in sunpy_superres.__all__:
        assert getattr(sunpy_superres, name) is not None
    assert set(sunpy_superres.__all__) <= set(dir(sunpy_superres))
    with pytest.raises(AttributeError, match="no attribute 'superresolve'"):
        sunpy_superres.superresolve  # noqa: B018 - the look itself must fail


def test_every_command_has_its_own_help(capsys):
    for command in ("pack", "train", "export", "pairs", "finetune", "evaluate", "publish", "info"):
        assert f"usage: sunpy-superres {command}" in help_of(command, capsys)
    assert exits("--help") == 0
    assert "calibrate a trained run" in capsys.readouterr().out


def test_an_error_of_the_training_is_a_sentence(tmp_path, capsys):
    arguments = [str(tmp_path / "none"), "-o", str(tmp_path / "run"), "--recipe", "unheard_of"]
    assert main(["train", *arguments]) == 1
    assert "sunpy-superres train: There is no recipe 'unheard_of'" in capsys.readouterr().err
    assert main(["pack", str(tmp_path), "-o", str(tmp_path / "out.safetensors")]) == 1
    assert "no FITS file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "more"),
    [
        (["pack", "DATA"], ["--limit", "1"]),
        (["train", "PACK"], ["--recipe", "enhance"]),
        (["export", "RUN"], ["--data", "DATA"]),
        (["pairs"], ["--mdi", "M", "--hmi", "H"]),
        (["finetune", "PAIRS"], ["--revision", "r"]),
    ],
)
def test_what_is_written_is_named_by_o_or_as_before(command, more, monkeypatch, capsys):
    """The output as an option, or as the last positional argument; once."""
    module = sys.modules[f"sunpy_superres.cli.{command[0]}"]
    outputs = []
    monkeypatch.setattr(module, "get_output", lambda o: outputs.append(get_output(o)) or 1 / 0)
    orders = [[*command, *more, "-o", "OUT"], [*command, "--output", "OUT", *more]]
    orders += [[*command, "OUT", *more]]
    if command[0] != "pairs":  # its lists of files would take it
        orders += [[*command, *more, "OUT"]]
    for arguments in orders:
        with pytest.raises(ZeroDivisionError):
            main(arguments)
        assert outputs.pop() == "OUT"
    assert exits(*command, *more) == 2
    assert "no output is given; name one by -o" in capsys.readouterr().err
    assert exits(*command, "OUT", *more, "-o", "OTHER") == 2
    assert "two outputs are given, ['OTHER', 'OUT']" in capsys.readouterr().err
    assert exits(*command, "OUT", *more, "--no-such-option") == 2
    assert "unrecognized arguments: --no-such-option" in capsys.readouterr().err


#: Runs a command where only torch, numpy, safetensors and what these require can be imported.
BARE_MACHINE = """
import re, runpy, sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()

wanted, required = ["torch", "numpy", "safetensors"], set()
while wanted:
    name = normal(wanted.pop())
    if name not in required:
        required.add(name)
        try:
            found = [r for r in requires(name) or () if "extra ==" not in r]
        except PackageNotFoundError:  # of another system
            continue
        wanted += [re.match(r"[A-Za-z0-9._-]+", r)[0] for r in found]
for name, distributions in packages_distributions().items():
    if not {normal(d) for d in distributions} & {*required, "sunpy-superres", "setuptools"}:
        sys.modules[name] = None
for name in "accelerate astropy huggingface_hub psutil scipy sunpy tensorboard tqdm".split():
    assert sys.modules[name] is None
runpy.run_module("sunpy_superres.cli", run_name="__main__")
"""


def test_training_needs_a_bare_machine_only(tmp_path):
    """Torch, numpy, safetensors and the standard library."""
    save_pack([Frame("f", "r", "train", np.ones((200, 200), "f4"))], tmp_path / "pack.safetensors")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'architecture = "enhance"\n[model]\nwidth = 4\nmultipliers = [1,1,1,1,1,1]\n'
        "[stages.network]\nsteps = 2\nsize = 32\nbatch = 2\n"
    )
    command = ["train", tmp_path / "pack.safetensors", "-o", tmp_path / "run", "--recipe", recipe]
    done = subprocess.run(
        [sys.executable, "-c", BARE_MACHINE, *map(str, command)],
        cwd=Path(sunpy_superres.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert "network 2/2" in done.stderr
    assert (tmp_path / "run" / "model.safetensors").is_file()
