import json
from pathlib import Path

import pytest

import sunpy_superres
from sunpy_superres.cli import main

FAST = ["--n-samples", "1", "--num-steps", "1"]


def test_publish_and_download(author, tiny_folder, tmp_path, mdi_cutout, capfd):
    frame = tmp_path / "frame.fits"
    mdi_cutout.save(frame)
    assert main(["publish", str(tiny_folder), "me/mdi", "--quiet"]) == 0
    commit = author.repositories["me/mdi"].branches["main"]
    assert capfd.readouterr() == (f"published: me/mdi@{commit}\n", "")
    assert main(["download", f"me/mdi@{commit}", "--quiet"]) == 0
    out, err = capfd.readouterr()
    said = dict(line.split(None, 1) for line in out.splitlines())
    assert err == ""
    assert said["revision"] == commit
    assert (Path(said["folder"]) / "config.json").is_file()
    author.stop()
    for model in (f"me/mdi@{commit}", said["folder"]):
        arguments = [
            "--model",
            model,
            "--n-samples",
            "1",
            "--num-steps",
            "1",
            "--quiet",
            "--overwrite",
        ]
        assert main(["run", str(frame), "-o", str(tmp_path / "results"), *arguments]) == 0
    assert main(["info", "--model", f"me/mdi@{commit}", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["revision"] == commit


@pytest.mark.needs_torch
def test_publish_has_options(author, capsys):
    arguments = ["--private", "--revision", "trial", "--message", "A try", "--quiet"]
    assert main(["publish", "default", "me/mdi", *arguments]) == 0
    repository = author.repositories["me/mdi"]
    assert repository.private
    assert author.message == "A try"
    commit = repository.branches["trial"]
    assert capsys.readouterr().out == f"published: me/mdi@{commit}\n"
    config = json.loads(repository.commits[commit]["config.json"])
    assert config["revision"] == sunpy_superres.load_model().revision
    assert repository.commits[repository.branches["main"]] == {}


def test_publish_without_a_model_is_wrong_use(author, capsys):
    """It would put the embedded model under any name."""
    with pytest.raises(SystemExit) as stopped:
        main(["publish", "me/mdi", "--quiet"])
    assert stopped.value.code == 2
    assert "the following arguments are required: OWNER/NAME" in capsys.readouterr().err
    assert "me/mdi" not in author.repositories


def test_download_by_force(author, tiny_folder):
    author.add("me/mdi", tiny_folder)
    for arguments, given in ((), 3), ((), 0), (["--force"], 3):
        author.requests.clear()
        assert main(["download", "me/mdi", "--quiet", *arguments]) == 0
        assert len(author.given()) == given


def test_download_shows_its_progress(author, tiny_folder, capfd, monkeypatch):
    # stderr is no terminal here.
    monkeypatch.setattr("sunpy_superres.models.hub.shows_bars", lambda progress: progress)
    author.add("me/mdi", tiny_folder)
    assert main(["download", "me/mdi"]) == 0
    assert "3/3" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["download", "no/body"], "There is no model no/body on the Hub"),
        (["download", "default"], "'default' is no name of a model on the Hub"),
        (["publish", "default", "me/mdi"], "wants a valid token to publish me/mdi"),
        (["publish", "nowhere", "me/mdi"], "There is no model folder 'nowhere'"),
        (["info", "--model", "no/body"], "There is no model no/body on the Hub"),
        (["run", "--example", "-o", "{}", "--model", "no/body"], "There is no model no/body"),
    ],
)
@pytest.mark.needs_torch
def test_failures_are_a_sentence(hub_server, tmp_path, capsys, arguments, message):
    assert main([argument.format(tmp_path) for argument in arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"sunpy-superres {arguments[0]}: ")
    assert message in err
    assert len(err.splitlines()) == 1


def test_hub_commands_need_a_name():
    for command in ("download", "publish"):
        with pytest.raises(SystemExit) as stopped:
            main([command])
        assert stopped.value.code == 2
