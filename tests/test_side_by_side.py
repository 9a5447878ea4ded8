"""Two builds side by side: the ratios follow from the runs; how fast a build is, is no test."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from sunpy_superres.evaluation import benchmark, side_by_side
from sunpy_superres.evaluation.side_by_side import Build, find_build, measure_builds, tabulate


def found(seconds, gib, **facts):
    facts = {"version": "1.0", "model": "default", "revision": "r7", "steps": 4} | facts
    facts |= {"dtype": "float32", "tile_size": None}
    return {"seconds": seconds, "memory": gib * 2**30, "facts": facts}


@pytest.fixture
def stubbed(monkeypatch):
    """Runs of builds that take what a list says; it also gets what was asked for."""
    asked = []

    def run(self, warm_up, frame, options):
        asked.append((self.name, frame.name, options["n_samples"]))
        samples = options["n_samples"]
        if self.name == "new":
            return found(1.0 * samples, 0.5, steps=2, tile_size=None)
        return found(2.5 * samples, 1.0 + samples / 8)

    monkeypatch.setattr(Build, "run", run)
    return asked


def test_ratios_are_new_over_old(stubbed, capsys):
    arguments = ["--against", sys.executable, "--sides", "64", "32", "--memory-side", "48"]
    assert benchmark.main(arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith(f"old: {sys.executable}, version 1.0, model default r7, 4 steps")
    assert printed[1].startswith("new: version 1.0, model default r7, 2 steps, float32, tiles of")
    assert printed[-5].split() == "64 x 64, 8 samples 20 8 0.4 2 0.5 0.25".split()
    assert printed[-2].split() == "48 x 48, 64 samples 160 64 0.4 9 0.5 0.0556".split()
    # 64 members over 4: from 1.5 to 9 GiB, and 0.5 to 0.5.
    last = printed[-1]
    assert last.startswith("memory, 48 x 48, 64 samples over 48 x 48, 4 samples")
    assert last.split()[-3:] == ["6", "1", "0.167"]


def test_runs_alternate_and_medians_count(monkeypatch, tmp_path):
    times = {"old": iter([3.0, 9.0, 4.0]), "new": iter([1.0, 2.0, 7.0])}
    order = []

    def run(self, warm_up, frame, options):
        order.append(self.name)
        assert options == {"n_samples": 3, "num_steps": 1}
        return found(next(times[self.name]), 1.0)

    monkeypatch.setattr(Build, "run", run)
    builds = {name: Build(name, "python") for name in ("old", "new")}
    seen = []
    measured = measure_builds(
        builds, {"row": (tmp_path / "frame.fits", 3)}, tmp_path / "w.fits", 3,
        lambda label, name, run: seen.append((label, name, run["seconds"])), num_steps=1,
    )  # fmt: skip
    assert order == ["old", "new"] * 3
    assert seen[-2:] == [("row", "old", 4.0), ("row", "new", 7.0)]
    (row,) = tabulate(measured)
    assert (row["old (s)"], row["new (s)"], row["time"]) == (4.0, 2.0, 0.5)
    assert (row["old (GiB)"], row["memory"]) == (1.0, 1.0)


def test_rows_of_the_issue_are_the_default(stubbed, monkeypatch):
    frame = benchmark.benchmark_frame(32)
    monkeypatch.setattr(benchmark, "benchmark_frame", lambda side: frame)
    table, builds = benchmark.compare_builds(sys.executable)
    assert list(table["run"]) == [
        "full disk, 8 samples", "128 x 128, 8 samples", "512 x 512, 4 samples",
        "512 x 512, 64 samples", "memory, 512 x 512, 64 samples over 512 x 512, 4 samples",
    ]  # fmt: skip
    assert np.ma.is_masked(table["time"][-1])
    assert len(builds) == 2
    assert stubbed[:2] == [(sys.executable, "1024.fits", 8), ("new", "1024.fits", 8)]
    table, _ = benchmark.compare_builds(sys.executable, sides=[64], memory_side=0)
    assert list(table["run"]) == ["64 x 64, 8 samples"]


def test_a_real_run_beside_the_interpreters_own_package(tiny_model, capsys):
    arguments = ["--sides", "32", "--samples", "2", "--memory-side", "0", "--steps", "3"]
    arguments += ["--dtypes", "float32", "--model", str(tiny_model)]
    assert benchmark.main(["--against", sys.executable, *arguments]) == 0
    old, new, *_, row = capsys.readouterr().out.splitlines()
    for line in (old, new):
        assert line.endswith(
            f"{tiny_model.name} local, 3 steps, float32, tiles of their default size"
        )
    assert row.startswith("32 x 32, 2 samples")
    values = [float(v) for v in row.removeprefix("32 x 32, 2 samples").split()]
    assert values[2] == pytest.approx(values[1] / values[0], rel=0.02)
    assert all(0.05 < gib < 20 for gib in values[3:5])
    assert values[5] == pytest.approx(1, abs=0.3)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout with two commits, of which the first has no package."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    root = tmp_path / "checkout"
    (root / "sunpy_superres").mkdir(parents=True)

    def run(*arguments):
        names = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            [git, "-C", root, *names, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    run("init", "-q")
    run("commit", "-q", "--allow-empty", "-m", "nothing")
    (root / "sunpy_superres" / "__init__.py").write_text("raise ValueError('an old build')\n")
    run("add", ".")
    run("commit", "-q", "-m", "a package")
    monkeypatch.setattr(side_by_side, "_ROOT", root)
    return root, run("rev-parse", "HEAD"), run("rev-parse", "HEAD~1")


def test_a_commit_is_exported_with_a_version_of_its_own(checkout, tmp_path):
    root, commit, _ = checkout
    (root / "sunpy_superres" / "__init__.py").write_text("changed since\n")
    build = find_build(commit[:7], tmp_path / "old")
    assert (build.name, build.python) == (commit[:7], sys.executable)
    package = build.source / "sunpy_superres"
    assert (package / "__init__.py").read_text() == "raise ValueError('an old build')\n"
    names = {}
    exec((package / "_version.py").read_text(), names)
    assert names["version"] == f"0+g{commit[:9]}"
    # The old build runs, and its error is passed on.
    with pytest.raises(ValueError, match=f"build {commit[:7]} failed: ValueError: an old"):
        build.run(tmp_path / "w.fits", tmp_path / "f.fits", {"model": "default", "n_samples": 1})


def test_names_of_no_build_are_refused(checkout, tmp_path, monkeypatch, capsys):
    root, _, first = checkout

    def refused(text, message):
        with pytest.raises(ValueError, match=message):
            find_build(str(text), tmp_path / "old")

    refused("0badc0de", "neither a path nor a commit of .*checkout; 'git log")
    refused("--help", "neither a path nor a commit")
    refused(first, "has no folder sunpy_superres; give a later one")
    refused(tmp_path, "is a folder without an interpreter .* and without sunpy_superres")
    text = tmp_path / "notes.txt"
    text.write_text("no interpreter")
    refused(text, "cannot be run")
    monkeypatch.setattr(side_by_side, "_ROOT", tmp_path)
    refused("HEAD", "no git checkout in which it could be a commit")
    monkeypatch.setenv("PATH", str(tmp_path))
    refused("HEAD", "git is not installed")
    with pytest.raises(SystemExit) as exit_:
        benchmark.main(["--against", "HEAD"])
    assert exit_.value.code == 1
    assert "benchmark: git is not installed" in capsys.readouterr().err


def test_environments_are_found_by_their_interpreter(tmp_path):
    (tmp_path / "env" / "bin").mkdir(parents=True)
    python = tmp_path / "env" / "bin" / "python"
    python.symlink_to(sys.executable)
    for text in (tmp_path / "env", python):
        build = find_build(str(text), tmp_path / "old")
        assert (build.python, build.source) == (str(python), None)


def test_an_interpreter_that_runs_another_build_is_refused(tmp_path, monkeypatch):
    """A path of the interpreter's own may come before the build's."""

    class Done:
        returncode, stderr = 0, ""
        stdout = '{"seconds": 1.0, "memory": 1, "facts": {"file": "/elsewhere/x/__init__.py"}}'

    monkeypatch.setattr(side_by_side.subprocess, "run", lambda *a, **k: Done)
    with pytest.raises(ValueError, match="runs /elsewhere/x, not the build old"):
        Build("old", "python", tmp_path).run(tmp_path / "w", tmp_path / "f", {})
