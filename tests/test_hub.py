import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

import sunpy_superres
from sunpy_superres import ModelError, hub_client, load_model, super_resolve
from sunpy_superres.hub import Model, download_model

NAMES = {"README.md", "config.json", "model.safetensors"}
AGENT = f"sunpy_superres/{sunpy_superres.__version__}"
ID = "some-one/mdi_to.hmi-2"


def refused(identity, message, load=load_model):
    with pytest.raises(ModelError, match=message) as error:
        load(identity)
    assert len(str(error.value).splitlines()) == 1
    return error.value


@pytest.fixture
def published(hub_server, tiny_folder):
    """The server with one model, and its commit."""
    return hub_server, hub_server.add(ID, tiny_folder)


def fetched(server):
    """Names of the files that the server has given."""
    given = [r.path for r in server.requests if r.method == "GET" and "/resolve/" in r.path]
    return [path.rpartition("/")[2] for path in given]


def agents(requests):
    """First parts of the User-Agent; the client's own question, once a day, is left out."""
    asked = [request for request in requests if request.path != "/api/agent-harnesses"]
    return {request.headers["User-Agent"].partition(";")[0] for request in asked}


def cache():
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


# The front door


def test_embedded_model_loads():
    model = load_model()
    assert model.name == "default"
    assert model.revision == model.config["revision"]
    assert re.fullmatch("[0-9a-f]{64}", model.sha256)
    assert model.card.startswith("---\n")
    assert not model.network.training
    assert not any(p.requires_grad for p in model.network.parameters())
    assert {p.dtype for p in model.network.parameters()} == {torch.float32}


def test_a_loaded_model_is_passed_through():
    model = Model(None, {}, "a", "b", "c")
    assert load_model(model) is model


@pytest.mark.parametrize(
    "name",
    ["nowhere", "a/b/c", "/no/such/folder", "", "owner/na me", "@x", "../x", "a/b@", "a/b@../x"],
)
def test_neither_folder_nor_hub_id(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    refused(
        name or "file", "no model folder .*give 'default', a folder, or 'owner/name@revision'\\."
    )
    refused(name or "file", "no name of a model on the Hub; give 'owner/name", download_model)


def test_a_name_that_the_hub_does_not_have(hub_server):
    refused("own--er/name", "'own--er/name' is no name of a model on the Hub .*; give 'owner/name'")
    assert hub_server.requests == []


def test_a_folder_goes_before_a_hub_id(published, tiny_folder, tmp_path, monkeypatch):
    server, _ = published
    (tmp_path / "some-one").mkdir()
    tiny_folder.rename(tmp_path / ID)
    monkeypatch.chdir(tmp_path)
    assert load_model(ID).revision == "local"
    assert server.requests == []


# Download


@pytest.mark.parametrize("revision", [None, "main", "v1.2", "refs/pr/3", "commit"])
def test_download_and_then_no_request(published, tiny_folder, revision):
    server, commit = published
    server.repositories[ID].branches.update({"v1.2": commit, "refs/pr/3": commit})
    server.add("another/model", tiny_folder)
    asked = f"{ID}@{commit if revision == 'commit' else revision}" if revision else ID
    model = load_model(asked)
    assert (model.name, model.revision) == (ID, commit)
    assert model.sha256 == load_model(tiny_folder).sha256
    assert model.card == (tiny_folder / "README.md").read_text()
    assert agents(server.requests) == {AGENT}
    server.requests.clear()
    assert load_model(asked).sha256 == model.sha256
    assert server.requests == []
    server.stop()
    assert load_model(asked).revision == commit


def test_nothing_but_the_model_is_fetched(published):
    server, _ = published
    others = {name: b"\x80\x04" for name in ("pytorch_model.bin", "run.py", "sub/weights.pkl")}
    commit = server.repositories[ID].commit(others)
    folder = download_model(ID)
    assert folder.name == commit
    assert {path.name for path in folder.iterdir()} == NAMES
    assert set(fetched(server)) == NAMES


def test_a_snapshot_of_the_cache_is_a_model_folder(published):
    """Its links lead out of it, to the blobs of the cache."""
    _, commit = published
    folder = download_model(ID)
    assert (folder / "model.safetensors").is_symlink()
    model = load_model(folder)
    assert (model.name, model.revision) == (commit, "local")


def test_a_link_out_of_the_cache_is_refused(published, tmp_path):
    folder = download_model(ID)
    blob = (folder / "model.safetensors").resolve()
    blob.rename(tmp_path / "elsewhere")
    blob.symlink_to(tmp_path / "elsewhere")
    refused(ID, "link to a file outside of the folder")


def test_a_branch_moves_when_it_is_downloaded_again(published):
    server, first = published
    assert load_model(ID).revision == first
    second = server.repositories[ID].commit({"README.md": b"# Another card\n"})
    assert load_model(ID).revision == first
    server.requests.clear()
    assert download_model(ID).name == second
    assert fetched(server) == ["README.md"]
    model = load_model(ID)
    assert (model.revision, model.card) == (second, "# Another card\n")
    assert load_model(f"{ID}@{first}").revision == first


def test_resume_after_a_cut_connection(published, tiny_folder, monkeypatch):
    from huggingface_hub import constants

    # The client keeps whole chunks, of 10 MB; these weights are smaller.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    server, _ = published
    server.cut("model.safetensors", 10_000, times=2)
    assert load_model(ID).sha256 == load_model(tiny_folder).sha256
    ranges = [
        request.headers.get("Range")
        for request in server.requests
        if request.method == "GET" and request.path.endswith("model.safetensors")
    ]
    assert ranges == [None, "bytes=10000-", "bytes=20000-"]


def test_server_goes_down_half_way(published):
    """What is whole is kept, nothing else, and the next call goes on."""
    server, commit = published
    server.cut("model.safetensors", 10_000, times=1000)
    refused(ID, "To fetch .* takes the Hub, .* cannot be reached, or broke off; connect to the")
    whole = {path.name for path in cache().rglob("snapshots/*/*")}
    assert whole == NAMES - {"model.safetensors"}
    assert not list(cache().rglob("*.incomplete"))
    server.faults.clear()
    server.requests.clear()
    assert load_model(ID).revision == commit
    assert fetched(server) == ["model.safetensors"]


def test_tampered_on_the_server(published):
    server, _ = published
    weights = bytearray(server.repositories[ID].commits[published[1]]["model.safetensors"])
    weights[-1] ^= 1
    server.repositories[ID].commit({"model.safetensors": bytes(weights)})
    refused(ID, f"SHA-256 .*; fetch it again with 'sunpy-superres download {ID} --force'")


def test_tampered_in_the_cache_and_fetched_again(published):
    folder = download_model(ID)
    path = (folder / "model.safetensors").resolve()
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refused(f"{ID}@main", f"SHA-256 .* 'sunpy-superres download {ID}@main --force'")
    refused(ID, "SHA-256", download_model)
    assert download_model(ID, force=True) == folder
    assert load_model(ID).revision == folder.name


def test_a_file_that_the_cache_lost_is_fetched(published):
    folder = download_model(ID)
    (folder / "model.safetensors").resolve().unlink()
    assert load_model(ID).revision == folder.name


def test_a_path_out_of_the_cache(published):
    server, _ = published
    server.repositories[ID].commit({"../../evil.safetensors": b"x"})
    refused(ID, "fetch the model")
    assert not list(cache().parents[1].rglob("evil*"))


def test_progress(published, capfd, mdi_cutout):
    import huggingface_hub.utils

    for progress, folder in ((False, "a"), (True, "b")):
        published[0].repositories[f"owner/{folder}"] = published[0].repositories[ID]
        load_model(f"owner/{folder}", progress=progress)
        assert bool(capfd.readouterr().err) == progress
    assert not huggingface_hub.utils.are_progress_bars_disabled()
    options = {"model": ID, "n_samples": 1, "num_steps": 1, "progress": False}
    result = super_resolve(mdi_cutout, **options)
    assert capfd.readouterr() == ("", "")
    assert (result.hmi_like.meta["srmodel"], result.hmi_like.meta["srrev"]) == (ID, published[1])


# Failures of the Hub


@pytest.mark.parametrize("load", [load_model, download_model])
def test_no_such_repository(hub_server, load):
    refused(
        "no/body", "There is no model no/body on the Hub, or it is private; check the name", load
    )


@pytest.mark.parametrize("revision", ["v9", "f" * 40])
def test_no_such_revision(published, revision):
    refused(f"{ID}@{revision}", f"{ID} has no revision {revision}; look its revisions up")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_no_such_file(published, name):
    server, commit = published
    del server.repositories[ID].commits[commit][name]
    refused(ID, f"{ID} at revision main holds no {name}: it is no model .*; check the name")


def test_a_listed_file_that_is_not_there(published):
    server, commit = published
    server.repositories[ID].commits[commit]["model.safetensors"] = None
    refused(ID, "does not give a file that it lists .* revision main; try another revision")


def test_an_empty_repository(hub_server, tmp_path):
    (tmp_path / "empty").mkdir()
    hub_server.add(ID, tmp_path / "empty")
    refused(ID, "holds no config.json")


def test_gated(published, monkeypatch):
    server, commit = published
    server.repositories[ID].gated = True
    refused(ID, f"{ID} is gated; ask for access on its page .* 'hf auth login' or set HF_TOKEN")
    monkeypatch.setenv("HF_TOKEN", "hf_valid")
    assert load_model(ID).revision == commit


def test_private(published, monkeypatch):
    server, commit = published
    server.repositories[ID].private = True
    refused(ID, "or it is private; check the name, or log in with 'hf auth login' or set HF_TOKEN")
    monkeypatch.setenv("HF_TOKEN", "hf_valid")
    assert load_model(ID).revision == commit


def test_wrong_token(published, monkeypatch):
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
def test_statuses(published, status, path, message):
    published[0].fail(status, path)
    refused(ID, message)


def test_a_disabled_repository(published):
    published[0].fail(403, "/api/", X_Error_Message="Access to this resource is disabled.")
    refused(ID, "disabled the model .*; use another one")


def test_an_outage_that_passes(published):
    published[0].fail(503, "/resolve/", times=3)
    assert load_model(ID).revision == published[1]


def test_no_server(hub_server):
    hub_server.stop()
    refused(ID, "To fetch .* takes the Hub, not only the cache, but it cannot be reached, .*; conn")


def test_a_cache_that_cannot_be_written(published, monkeypatch, tmp_path):
    from huggingface_hub import constants

    (tmp_path / "file").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file"))
    refused(ID, "Hub's cache cannot be written .*; make room there, or point HF_HOME to another")


def test_offline(published, monkeypatch):
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    server, commit = published
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    close_session()
    refused(ID, "To fetch .* takes the Hub, not only the cache, but HF_HUB_OFFLINE is set; unset")
    refused(ID, "HF_HUB_OFFLINE is set", download_model)
    assert server.requests == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    load_model(ID)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    server.requests.clear()
    assert load_model(ID).revision == commit
    assert server.requests == []


def test_environment(published, tmp_path):
    """The client's variables, read where a user sets them; no request before a model is asked."""
    server, commit = published
    server.repositories[ID].private = True
    code = f"""
import sunpy_superres, sunpy_superres.hub
assert "huggingface_hub" not in __import__("sys").modules
print(sunpy_superres.load_model({ID!r}).revision)
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    environment |= {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": server.url}
    environment |= {"PYTHONPATH": str(Path(sunpy_superres.__file__).parents[1])}

    def said(**variables):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.stdout.strip() or done.stderr.splitlines()[-1]

    assert "HF_HUB_OFFLINE is set" in said(HF_HUB_OFFLINE="1")
    assert server.requests == []
    assert said(HF_TOKEN="hf_valid") == commit
    assert list((tmp_path / "home" / "hub").glob("models--*"))
    server.requests.clear()
    # What the client asks of itself, once a day and with its first request, is due again.
    (tmp_path / "home" / ".agent_harnesses.json").unlink(missing_ok=True)
    assert said(HF_HUB_OFFLINE="1") == commit
    assert said() == commit
    assert server.requests == []


def test_two_threads_load_the_same_model(published):
    models = []
    threads = [threading.Thread(target=lambda: models.append(load_model(ID))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models) == 2
    assert models[0].sha256 == models[1].sha256


# Publishing


@pytest.fixture
def author(hub_server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_valid")
    return hub_server


def test_publish_and_load_back(author, tiny_folder):
    model = load_model(tiny_folder)
    identity = model.push_to_hub(ID)
    repository = author.repositories[ID]
    assert identity == f"{ID}@{repository.branches['main']}"
    written = {path.name: path.read_bytes() for path in tiny_folder.iterdir()}
    assert repository.commits[repository.branches["main"]] == written
    assert not repository.private
    assert author.message == "sunpy_superres model, revision r1"
    # All but the storage of large files are told who asks.
    assert agents(r for r in author.requests if r.method != "PUT") == {AGENT}
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


def test_publish_in_private(author, tiny_folder, monkeypatch):
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
    from huggingface_hub.utils import close_session

    model = load_model(tiny_folder)
    with pytest.raises(ModelError, match="wants a valid token to publish"):
        model.push_to_hub(ID)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    close_session()
    with pytest.raises(ModelError, match="To publish .* HF_HUB_OFFLINE is set; unset it"):
        model.push_to_hub(ID)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    close_session()
    hub_server.stop()
    with pytest.raises(ModelError, match="To publish .* cannot be reached, or broke off"):
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
