import json

import pytest
from hub_server import ID
from huggingface_hub.utils import close_session

import sunpy_superres
from sunpy_superres import ModelError, load_model
from sunpy_superres.models import hub as hub_client
from sunpy_superres.models.loading import download_model

AGENT = f"sunpy_superres/{sunpy_superres.__version__}"


# Failures of the Hub


@pytest.mark.parametrize("load", [load_model, download_model])
def test_no_such_repository(refused, hub_server, load):
    refused(
        "no/body", "There is no model no/body on the Hub, or it is private; check the name", load
    )


@pytest.mark.parametrize("revision", ["v9", "f" * 40])
def test_no_such_revision(refused, published, revision):
    refused(f"{ID}@{revision}", f"{ID} has no revision {revision}; look its revisions up")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_no_such_file(refused, published, name):
    server, commit = published
    del server.repositories[ID].commits[commit][name]
    refused(ID, f"{ID} at revision main holds no {name}: it is no model .*; check the name")


def test_a_listed_file_that_is_not_there(refused, published):
    server, commit = published
    server.repositories[ID].commits[commit]["model.safetensors"] = None
    refused(ID, "does not give a file that it lists .* revision main; try another revision")


def test_an_empty_repository(refused, hub_server, tmp_path):
    (tmp_path / "empty").mkdir()
    hub_server.add(ID, tmp_path / "empty")
    refused(ID, "holds no config.json")


def test_gated(refused, published, monkeypatch):
    server, commit = published
    server.repositories[ID].gated = True
    refused(ID, f"{ID} is gated; ask for access on its page .* 'hf auth login' or set HF_TOKEN")
    monkeypatch.setenv("HF_TOKEN", "hf_valid")
    assert load_model(ID).revision == commit


def test_private(refused, published, monkeypatch):
    server, commit = published
    server.repositories[ID].private = True
    refused(ID, "or it is private; check the name, or log in with 'hf auth login' or set HF_TOKEN")
    monkeypatch.setenv("HF_TOKEN", "hf_valid")
    assert load_model(ID).revision == commit


def test_wrong_token(refused, published, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_expired")
    refused(ID, "wants a valid token to fetch the model .*; log in with 'hf auth login' or set")


@pytest.mark.parametrize(
    ("status", "path", "message"),
    [
        (403, "/api/", "token does not permit to fetch .*; make one on the Hub that does"),
        (500, "/api/", "out of order .it answers 500. and does not fetch .*; try again later"),
        (503, "/resolve/", "out of order .it answers 503. and does not fetch .*; try again later"),
        (502, "safetensors", "out of order .it answers 502. .*; try again later"),
        (429, "/api/", "too many requests from here; wait"),
        (418, "/api/", "does not fetch .* .*418.*; check the name and the revision, then try"),
    ],
)
def test_statuses(refused, published, status, path, message):
    published[0].fail(status, path)
    refused(ID, message)


def test_a_disabled_repository(refused, published):
    published[0].fail(403, "/api/", X_Error_Message="Access to this resource is disabled.")
    refused(ID, "disabled the model .*; use another one")


def test_an_outage_that_passes(published):
    published[0].fail(503, "/resolve/", times=3)
    assert load_model(ID).revision == published[1]


def test_no_server(refused, hub_server):
    hub_server.stop()
    refused(ID, "cache does not suffice to fetch .*, and the Hub is out of reach, .*; conn")


def test_a_cache_that_cannot_be_written(refused, published, monkeypatch, tmp_path):
    from huggingface_hub import constants

    (tmp_path / "file").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file"))
    refused(ID, "Hub's cache cannot be written .*; make room there, or point HF_HOME to another")


def test_offline(refused, published, monkeypatch):
    from huggingface_hub import constants

    server, commit = published
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    close_session()
    refused(ID, "cache does not suffice to fetch .*, and HF_HUB_OFFLINE is set; unset")
    refused(ID, "HF_HUB_OFFLINE is set", download_model)
    assert server.requests == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    close_session()
    load_model(ID)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    server.requests.clear()
    assert load_model(ID).revision == commit
    assert server.requests == []


# Publishing


def test_publish_and_load_back(author, tiny_folder):
    model = load_model(tiny_folder)
    identity = model.push_to_hub(ID)
    repository = author.repositories[ID]
    assert identity == f"{ID}@{repository.branches['main']}"
    written = {path.name: path.read_bytes() for path in tiny_folder.iterdir()}
    assert repository.commits[repository.branches["main"]] == written
    assert not repository.private
    assert author.message == "sunpy_superres model, revision r1"
    assert author.agents() == {AGENT}
    again = load_model(identity)
    assert (again.name, again.sha256, again.card) == (ID, model.sha256, model.card)
    # One commit for all three files; another for what has changed.
    assert len(repository.commits) == 2
    config = json.loads((tiny_folder / "config.json").read_text())
    (tiny_folder / "config.json").write_text(json.dumps(config | {"revision": "r2"}))
    second = load_model(tiny_folder).push_to_hub(ID, message="Second")
    assert author.message == "Second"
    assert second != identity
    assert load_model(second).config["revision"] == "r2"
    assert load_model(identity).config["revision"] == "r1"


def test_publish_to_a_branch(author, tiny_folder):
    model = load_model(tiny_folder)
    model.push_to_hub(ID)
    for _ in range(2):
        model.push_to_hub(ID, revision="trial")
    repository = author.repositories[ID]
    assert set(repository.branches) == {"main", "trial"}
    assert load_model(f"{ID}@trial").revision == repository.branches["trial"]


def test_publish_in_private(refused, author, tiny_folder, monkeypatch):
    load_model(tiny_folder).push_to_hub(ID, private=True)
    assert author.repositories[ID].private
    monkeypatch.delenv("HF_TOKEN")
    refused(ID, "or it is private")


def test_private_is_not_forgotten_where_the_repository_is_public(author, tiny_folder):
    commit = author.add(ID, tiny_folder)
    with pytest.raises(ModelError, match=f"{ID} is public already; make it private"):
        load_model(tiny_folder).push_to_hub(ID, private=True)
    assert author.repositories[ID].branches == {"main": commit}


@pytest.mark.parametrize(
    ("status", "path", "message"),
    [
        (401, "/create", f"wants a valid token to publish {ID}; log in"),
        (403, "/create", f"does not permit to publish {ID}; make one on the Hub that does"),
        (403, "/commit/", f"does not permit to publish {ID}"),
        (500, "/lfs/", f"out of order .it answers 500. and does not publish {ID}; try"),
        (503, "/preupload/", "out of order"),
        (400, "/branch/", f"client does not publish {ID} .Bad.*; check the name and the revision"),
    ],
)
def test_publishing_fails(author, tiny_folder, status, path, message):
    author.fail(status, path)
    with pytest.raises(ModelError, match=message) as error:
        load_model(tiny_folder).push_to_hub(ID, revision="trial", progress=False)
    assert len(str(error.value).splitlines()) == 1
    # Nothing of it is there.
    assert all(not files for r in author.repositories.values() for files in r.commits.values())


def test_publishing_without_a_token_or_a_network(hub_server, tiny_folder, monkeypatch):
    from huggingface_hub import constants

    model = load_model(tiny_folder)
    with pytest.raises(ModelError, match="wants a valid token to publish"):
        model.push_to_hub(ID)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    close_session()
    with pytest.raises(ModelError, match="suffice to publish .* HF_HUB_OFFLINE is set; unset it"):
        model.push_to_hub(ID)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    close_session()
    hub_server.stop()
    with pytest.raises(
        ModelError, match="suffice to publish .* out of reach, or the connection broke"
    ):
        model.push_to_hub(ID)


def test_a_model_without_a_card_is_not_published(author, tiny_folder):
    (tiny_folder / "README.md").unlink()
    with pytest.raises(ModelError, match="no model card; write one into the README.md"):
        load_model(tiny_folder).push_to_hub(ID)
    assert author.requests == []


def test_the_embedded_model_is_ready_to_be_published(author):
    identity = load_model().push_to_hub(ID, progress=False)
    assert load_model(identity, progress=False).sha256 == load_model().sha256
    assert hub_client.CARD in author.repositories[ID].commits[identity.partition("@")[2]]
