import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sunpy_superres import ModelError, hub, load_model
from sunpy_superres.hub import Model, save_model
from sunpy_superres.models.autoencoder import AutoencoderConfig
from sunpy_superres.models.denoiser import DenoiserConfig
from sunpy_superres.models.regression import RegressionConfig
from sunpy_superres.models.residual_ldm import ResidualLDM, ResidualLDMConfig

CONFIG = ResidualLDMConfig(
    field_scale=150.0,
    autoencoder=AutoencoderConfig(latent_channels=4, width=8, encoder_blocks=1, decoder_blocks=1),
    regression=RegressionConfig(widths=(8, 16), blocks=(1, 1, 1)),
    denoiser=DenoiserConfig(widths=(8, 16), blocks=(1, 1, 1), embedding=8),
)
SAMPLER = {"num_steps": 3, "sigma_max": 40.0, "power": 1.75}
CALIBRATION = {"field": [0.0, 3000.0], "factor": [1.0, 1.1]}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = ResidualLDM(CONFIG)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.1)
    return network


def save(folder, network, **changes):
    options = {
        "sampler": SAMPLER,
        "calibration": CALIBRATION,
        "training": {"regions": ["HARP 377"]},
        "revision": "r1",
    }
    save_model(folder, network, **options | changes)


@pytest.fixture
def folder(tmp_path, network):
    folder = tmp_path / "my model é"
    save(folder, network, card="# A model\n")
    return folder


def edit(folder, change):
    """Apply ``change`` to the configuration, as a dictionary."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def rewrite(folder, change):
    """Apply ``change`` to the tensors, and declare the new file's SHA-256."""
    path = folder / "model.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path)
    edit(folder, lambda config: config["files"].update({path.name: hub._sha256(path)}))


# What works


def test_embedded_model_loads():
    model = load_model()
    assert model.name == "default"
    assert model.revision == model.config["revision"]
    assert re.fullmatch("[0-9a-f]{64}", model.sha256)
    assert not model.network.training
    assert not any(p.requires_grad for p in model.network.parameters())
    assert {p.dtype for p in model.network.parameters()} == {torch.float32}


def test_a_loaded_model_is_passed_through():
    model = Model(None, {}, "a", "b", "c")
    assert load_model(model) is model


@pytest.mark.parametrize("kind", [str, Path])
def test_round_trip_to_half_precision(folder, network, kind):
    model = load_model(kind(folder))
    assert (model.name, model.revision) == ("my model é", "local")
    assert model.network.config == CONFIG
    assert model.config["sampler"] == SAMPLER
    assert model.config["calibration"] == CALIBRATION
    assert model.config["training"] == {"regions": ["HARP 377"]}
    loaded = model.network.state_dict()
    assert loaded.keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert loaded[name].dtype == torch.float32
        assert torch.equal(loaded[name], tensor.half().float()), name


def test_folder_holds_what_it_should_and_nothing_else(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {"README.md", "config.json", "model.safetensors"}
    assert (folder / "README.md").read_text() == "# A model\n"
    assert {t.dtype for t in load_file(folder / "model.safetensors").values()} == {torch.float16}


def test_saving_again_replaces_the_model(folder, network):
    before = load_model(folder).sha256
    changed = ResidualLDM(CONFIG)
    save(folder, changed)
    assert load_model(folder).sha256 != before


def test_saving_leaves_the_network_alone(network, tmp_path):
    before = {k: v.clone() for k, v in network.state_dict().items()}
    save(tmp_path / "model", network)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


# What does not


def refused(folder, message):
    with pytest.raises(ModelError, match=message) as error:
        load_model(folder)
    return error.value


@pytest.mark.parametrize("name", ["nowhere", "a/b/c", "/no/such/folder", "", "owner/na me", "@x"])
def test_neither_folder_nor_hub_id(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    if not name:
        name = "file"
    refused(name, "no model folder .*give 'default', a folder, or 'owner/name@revision'")


def test_no_config(folder):
    (folder / "config.json").unlink()
    refused(folder, "config.json is missing; check the path")


@pytest.mark.parametrize("text", ["", '{"format": 1', "[]", "null", "\x00\x01", '{"format": 1}'])
def test_broken_config(folder, text):
    (folder / "config.json").write_text(text)
    refused(folder, "damaged or not of this package .*download the model again")


def test_config_of_another_encoding(folder):
    (folder / "config.json").write_bytes(b'{"format": "\xff\xfe"}')
    refused(folder, "damaged")


@pytest.mark.parametrize("version", [hub.FORMAT + 1, "1", None])
def test_newer_format(folder, version):
    edit(folder, lambda config: config.update(format=version))
    refused(folder, "update sunpy_superres")


def test_unknown_architecture(folder):
    edit(folder, lambda config: config.update(architecture="gan"))
    refused(folder, "'gan'; update sunpy_superres")


@pytest.mark.parametrize("declared", [None, 5])
def test_no_sha(folder, declared):
    edit(folder, lambda config: config["files"].update({"model.safetensors": declared}))
    refused(folder, "no SHA-256")


def test_no_weights(folder):
    (folder / "model.safetensors").unlink()
    refused(folder, r"holds no model\.safetensors; download the model again")


def test_tampered_weights(folder):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    refused(folder, "SHA-256 .* damaged or was changed; download")


def test_truncated_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    refused(folder, "SHA-256")
    # Even where the SHA-256 of the rest is declared.
    edit(folder, lambda config: config["files"].update({path.name: hub._sha256(path)}))
    refused(folder, "do not fit its configuration")


def test_weights_that_are_a_pickle_are_not_read(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    path = folder / "model.safetensors"
    torch.save({"weight": Trap()}, path)
    edit(folder, lambda config: config["files"].update({path.name: hub._sha256(path)}))
    refused(folder, "do not fit")
    assert not (tmp_path / "sprung").exists()


def test_missing_tensor(folder):
    rewrite(folder, lambda state: state.pop("latent_std"))
    refused(folder, "(?s)do not fit its configuration .*latent_std")


def test_extra_tensor(folder):
    rewrite(folder, lambda state: state.update(surplus=torch.zeros(1)))
    refused(folder, "(?s)do not fit its configuration .*surplus")


def test_tensor_of_another_shape(folder):
    rewrite(folder, lambda state: state.update(latent_std=torch.ones(5)))
    refused(folder, "(?s)do not fit its configuration .*latent_std")


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.update(surprise=1),
        lambda model: model["denoiser"].update(surprise=1),
        lambda model: model.update(denoiser=None),
        lambda model: model["denoiser"].update(widths=[8, 12]),
        lambda model: model["denoiser"].update(widths=[8]),
        lambda model: model["autoencoder"].update(width="wide"),
    ],
)
def test_sizes_that_cannot_be_right(folder, change):
    edit(folder, lambda config: change(config["model"]))
    refused(folder, "do not fit its configuration")


def test_no_sizes_at_all(folder):
    edit(folder, lambda config: config.pop("model"))
    refused(folder, "damaged")


@pytest.mark.parametrize("part", ["sampler", "calibration"])
def test_no_sampler_or_calibration(folder, part):
    edit(folder, lambda config: config.pop(part))
    refused(folder, part)


# The Hub


def offline(home, identity):
    code = (
        "from sunpy_superres import ModelError, load_model\n"
        "try:\n"
        f"    load_model({identity!r})\n"
        "except ModelError as error:\n"
        "    print('ModelError:', error)\n"
    )
    environment = os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=Path(hub.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_hub_id_without_a_network(tmp_path):
    said = offline(tmp_path, "someone/magnetograms@v1")
    assert said.startswith("ModelError: The model someone/magnetograms is not in the cache")
    assert "unset HF_HUB_OFFLINE" in said
    assert "'default'" in said


@pytest.fixture
def snapshot(monkeypatch, folder):
    """Calls of snapshot_download; each gives ``folder``, or raises what ``fails`` holds."""
    import huggingface_hub

    calls, fails = [], []

    def download(name, **options):
        calls.append((name, options))
        if fails:
            raise fails[0]
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return calls, fails


@pytest.mark.parametrize(
    ("identity", "name", "revision"),
    [
        ("owner/name", "owner/name", None),
        ("owner/name@v1.2", "owner/name", "v1.2"),
        ("o-w.n_er/na.me-2@refs/pr/3", "o-w.n_er/na.me-2", "refs/pr/3"),
    ],
)
def test_hub_id_and_its_revision(snapshot, identity, name, revision):
    calls, _ = snapshot
    model = load_model(identity)
    ((asked, options),) = calls
    assert (asked, options["revision"]) == (name, revision)
    assert (model.name, model.revision) == (name, revision or "main")
    # No pickle, no code.
    assert set(options["allow_patterns"]) == {"config.json", "*.safetensors", "README.md"}


@pytest.mark.parametrize("error", [OSError("disk full"), ValueError("bad name")])
def test_hub_errors_name_the_model(snapshot, error):
    _, fails = snapshot
    fails.append(error)
    refused("owner/name@v1", f"owner/name at revision v1 .*{error}.*check the name")


def test_downloaded_model_is_checked_too(snapshot, folder):
    with (folder / "model.safetensors").open("ab") as file:
        file.write(b"x")
    refused("owner/name", "SHA-256")
