import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from hub_server import ID

import sunpy_superres
from sunpy_superres import load_model, super_resolve
from sunpy_superres.models.loading import Model, download_model

NAMES = {"README.md", "config.json", "model.safetensors"}
AGENT = f"sunpy_superres/{sunpy_superres.__version__}"


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
def test_neither_folder_nor_hub_id(refused, name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    refused(
        name or "file", "no model folder .*give 'default', a folder, or 'owner/name@revision'\\."
    )
    refused(name or "file", "no name of a model on the Hub; give 'owner/name", download_model)


def test_a_name_that_the_hub_does_not_have(refused, hub_server):
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
    assert server.agents() == {AGENT}
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
    assert set(server.given()) == NAMES


def test_a_snapshot_of_the_cache_is_a_model_folder(published):
    """Its links lead out of it, to the blobs of the cache."""
    _, commit = published
    folder = download_model(ID)
    assert (folder / "model.safetensors").is_symlink()
    model = load_model(folder)
    assert (model.name, model.revision) == (commit, "local")


def test_a_link_out_of_the_cache_is_refused(refused, published, tmp_path):
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
    assert server.given() == ["README.md"]
    model = load_model(ID)
    assert (model.revision, model.card) == (second, "# Another card\n")
    assert load_model(f"{ID}@{first}").revision == first


def test_only_a_commit_is_downloaded_again_without_the_hub(refused, published):
    server, commit = published
    folder = download_model(ID)
    server.requests.clear()
    assert download_model(f"{ID}@{commit}") == folder
    assert server.requests == []
    server.stop()
    refused(ID, "The cache does not suffice to", download_model)
    assert load_model(ID).revision == commit


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


def test_server_goes_down_half_way(refused, published):
    """What is whole is kept, nothing else, and the next call goes on."""
    server, commit = published
    server.cut("model.safetensors", 10_000, times=1000)
    refused(ID, "suffice to fetch .* out of reach, or the connection broke; connect to the")
    whole = {path.name for path in cache().rglob("snapshots/*/*")}
    assert whole == NAMES - {"model.safetensors"}
    assert not list(cache().rglob("*.incomplete"))
    server.faults.clear()
    server.requests.clear()
    assert load_model(ID).revision == commit
    assert server.given() == ["model.safetensors"]


def test_tampered_on_the_server(refused, published):
    server, _ = published
    weights = bytearray(server.repositories[ID].commits[published[1]]["model.safetensors"])
    weights[-1] ^= 1
    server.repositories[ID].commit({"model.safetensors": bytes(weights)})
    refused(ID, f"SHA-256 .*; fetch it again with 'sunpy-superres download {ID} --force'")


def test_tampered_in_the_cache_and_fetched_again(refused, published):
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


def test_a_path_out_of_the_cache(refused, published):
    server, _ = published
    server.repositories[ID].commit({"../../evil.safetensors": b"x"})
    refused(ID, "fetch the model")
    assert not list(cache().parents[1].rglob("evil*"))


def test_progress(published, capfd, mdi_cutout, monkeypatch):
    import huggingface_hub.utils

    monkeypatch.setattr("sunpy_superres.models.hub.shows_bars", lambda progress: progress)

    for progress, folder in ((False, "a"), (True, "b")):
        published[0].repositories[f"owner/{folder}"] = published[0].repositories[ID]
        load_model(f"owner/{folder}", progress=progress)
        assert bool(capfd.readouterr().err) == progress
    assert not huggingface_hub.utils.are_progress_bars_disabled()
    options = {"model": ID, "n_samples": 1, "num_steps": 1, "progress": False}
    result = super_resolve(mdi_cutout, **options)
    assert capfd.readouterr() == ("", "")
    assert (result.hmi_like.meta["srmodel"], result.hmi_like.meta["srrev"]) == (ID, published[1])


def test_environment(published, tmp_path):
    """The client's variables, read where a user sets them; no request before a model is asked."""
    server, commit = published
    server.repositories[ID].private = True
    code = f"""
import sunpy_superres, sunpy_superres.models.loading
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
