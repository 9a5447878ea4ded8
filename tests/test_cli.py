import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import sunpy.map
import torch

import sunpy_superres
from sunpy_superres.cli import main
from sunpy_superres.maps.geometry import plate_scale

FAST = ["--samples", "2", "--steps", "1", "--seed", "3"]


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


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# run


def test_example(results, capsys):
    assert run("--example", "--plot", "-o", results) == 0
    assert names(results) == ["example.png", "example_hmi_like.fits", "example_uncertainty.fits"]
    field, spread = (
        sunpy.map.Map(results / f"example_{kind}.fits") for kind in ("hmi_like", "uncertainty")
    )
    for smap in (field, spread):
        assert smap.data.shape == (512, 512)
        assert plate_scale(smap).value == pytest.approx([1.9860081672668457 / 4] * 2)
        assert (smap.meta["srseed"], smap.meta["srsteps"], smap.meta["srnsamp"]) == (3, 1, 2)
    assert np.abs(field.data).max() > 500
    assert np.all(spread.data > 0)
    assert (results / "example.png").read_bytes().startswith(b"\x89PNG")
    out, _ = capsys.readouterr()
    assert out.startswith("done: the example: ")
    assert all(name in out for name in names(results))


def test_result_is_that_of_the_function(frame, results):
    assert run(frame, "-o", results, "--quiet", "--estimate", "mean", "--dtype", "float32") == 0
    expected = sunpy_superres.super_resolve(
        sunpy_superres.read_map(frame),
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


def test_quiet_prints_nothing(frame, results, capfd):
    assert run(frame, "-o", results, "--quiet") == 0
    assert capfd.readouterr() == ("", "")


def test_a_suspicious_input_is_noted(tmp_path, results, mdi_cutout, capsys):
    mdi_cutout.meta["quality"] = 4
    mdi_cutout.save(tmp_path / "odd.fits")
    assert run(tmp_path / "odd.fits", "-o", results) == 0
    err = capsys.readouterr().err
    assert f"note: {tmp_path / 'odd.fits'}: QUALITY = 0x00000004" in err
    assert run(tmp_path / "odd.fits", "-o", results, "--overwrite", "--quiet") == 0
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
    assert said[kind] in capsys.readouterr().err
    assert names(results) == []


def test_existing_results_are_kept(frame, results, capsys):
    assert run(frame, "-o", results, "--quiet") == 0
    before = {path: path.read_bytes() for path in results.iterdir()}
    assert run(frame, "-o", results, "--seed", 4) == 1
    assert "frame_hmi_like.fits exists; give --overwrite" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in results.iterdir()} == before
    assert run(frame, "-o", results, "--seed", 4, "--overwrite") == 0
    assert names(results) == [path.name for path in sorted(before)]
    assert sunpy.map.Map(results / "frame_hmi_like.fits").meta["srseed"] == 4


def test_inputs_of_one_name_are_refused(frame, tmp_path, results, capsys):
    other = tmp_path / "other" / "frame.fits.gz"
    assert exits("run", frame, other, "-o", results) == 2
    assert "two inputs are named 'frame'" in capsys.readouterr().err
    assert not results.exists()


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


@pytest.mark.parametrize("option", ["--samples", "--steps"])
@pytest.mark.parametrize("value", ["0", "-1", "two"])
def test_numbers_that_cannot_be(frame, results, option, value, capsys):
    assert exits("run", frame, "-o", results, option, value) == 2
    assert option in capsys.readouterr().err


def test_output_that_is_a_file(frame, tmp_path, capsys):
    assert exits("run", frame, "-o", frame) == 2
    assert f"the folder {frame} cannot be made" in capsys.readouterr().err


def test_no_such_model(frame, results, tmp_path, capsys):
    assert run(frame, "-o", results, "--model", tmp_path / "nowhere") == 1
    err = capsys.readouterr().err
    assert err.startswith("sunpy-superres: There is no model folder")
    assert len(err.splitlines()) == 1


def test_no_such_device(frame, results, capsys):
    assert run(frame, "-o", results, "--device", "abacus") == 1
    assert f"failed: {frame}: " in capsys.readouterr().err


def test_a_full_gpu_leaves_the_other_file_done(frame, tmp_path, results, monkeypatch, capsys):
    from sunpy_superres.maps import reading as files

    read_map = files.read_map

    def full(path):
        if path.name == "large.fits":
            raise torch.OutOfMemoryError("out of memory")
        return read_map(path)

    monkeypatch.setattr(files, "read_map", full)
    assert run(tmp_path / "large.fits", frame, "-o", results) == 1
    assert names(results) == ["frame_hmi_like.fits", "frame_uncertainty.fits"]
    assert "large.fits: out of memory" in capsys.readouterr().err


def test_interruption_keeps_what_is_done(frame, tmp_path, results, monkeypatch, capsys):
    from sunpy_superres.maps import reading as files

    read_map = files.read_map

    def interrupted(path):
        if path.name == "second.fits":
            raise KeyboardInterrupt
        return read_map(path)

    monkeypatch.setattr(files, "read_map", interrupted)
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


def test_commands_of_the_training_have_their_own_help(capsys):
    for command in ("pack", "train", "export", "pairs", "finetune", "evaluate"):
        with pytest.raises(SystemExit) as stopped:
            main([command, "--help"])
        assert stopped.value.code == 0
        assert f"usage: sunpy-superres {command}" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "calibrate a trained run" in capsys.readouterr().out


def test_an_error_of_the_training_is_a_sentence(tmp_path, capsys):
    code = main(["train", str(tmp_path / "none"), str(tmp_path / "run"), "--recipe", "unheard_of"])
    assert code == 1
    assert "sunpy-superres train: There is no recipe 'unheard_of'" in capsys.readouterr().err
    assert main(["pack", str(tmp_path), str(tmp_path / "out.safetensors")]) == 1
    assert "no FITS file" in capsys.readouterr().err
