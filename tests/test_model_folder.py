import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sunpy_superres import load_model
from sunpy_superres.models import folder as model_folder
from sunpy_superres.models import registry

NAMES = {"README.md", "config.json", "model.safetensors"}


@pytest.fixture
def folder(tiny_folder):
    return tiny_folder


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
    edit(folder, lambda config: config["files"].update({path.name: model_folder.file_sha256(path)}))


# What works


@pytest.mark.parametrize("kind", [str, Path])
def test_round_trip_to_half_precision(folder, tiny_network, kind):
    model = load_model(kind(folder))
    assert (model.name, model.revision) == ("my model {é}", "local")
    assert model.network.config == tiny_network.config
    assert not model.network.training
    assert model.config["sampler"] == {"num_steps": 3, "sigma_max": 40.0, "power": 1.75}
    assert model.config["calibration"] == {"field": [0.0, 3000.0], "factor": [1.0, 1.1]}
    assert model.config["training"] == {"regions": ["HARP 377"]}
    assert model.card == (folder / "README.md").read_text()
    loaded = model.network.state_dict()
    assert loaded.keys() == tiny_network.state_dict().keys()
    for name, tensor in tiny_network.state_dict().items():
        assert loaded[name].dtype == torch.float32
        assert torch.equal(loaded[name], tensor.half().float()), name


def test_folder_holds_what_it_should_and_nothing_else(folder):
    assert {path.name for path in folder.iterdir()} == NAMES
    assert (folder / "README.md").read_text().endswith("# A model\n")
    assert {t.dtype for t in load_file(folder / "model.safetensors").values()} == {torch.float16}


def test_a_loaded_model_saves_as_the_same_files(folder, tmp_path):
    model = load_model(folder)
    model.save_pretrained(tmp_path / "new" / "copy")
    for name in NAMES:
        assert (tmp_path / "new" / "copy" / name).read_bytes() == (folder / name).read_bytes()
    assert load_model(tmp_path / "new" / "copy").sha256 == model.sha256


def test_saving_again_replaces_the_model(folder):
    model = load_model(folder)
    model.network.latent_std.add_(1)
    model.save_pretrained(folder)
    again = load_model(folder)
    assert again.sha256 != model.sha256
    assert torch.equal(again.network.latent_std, model.network.latent_std)


def test_saving_leaves_the_network_alone(tiny_network, folder, tmp_path):
    before = {k: v.clone() for k, v in tiny_network.state_dict().items()}
    model_folder.write_folder(tmp_path / "model", tiny_network, load_model(folder).config)
    assert all(torch.equal(v, before[k]) for k, v in tiny_network.state_dict().items())


def test_a_write_that_fails_leaves_no_part_of_a_file(folder, tmp_path, monkeypatch):
    def full(path, content):
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError("no space left on device")

    model = load_model(folder)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        model.save_pretrained(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(OSError, match="no space"):
        model.save_pretrained(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_model_without_a_card(folder):
    (folder / "README.md").unlink()
    assert load_model(folder).card is None


# What does not


def test_no_config(refused, folder):
    (folder / "config.json").unlink()
    refused(folder, "config.json is missing; check the path")


@pytest.mark.parametrize("text", ["", '{"format": 1', "[]", "null", "\x00\x01", '{"format": 1}'])
def test_broken_config(refused, folder, text):
    (folder / "config.json").write_text(text)
    refused(folder, "damaged or not of this package .*download the model again")


def test_config_of_another_encoding(refused, folder):
    (folder / "config.json").write_bytes(b'{"format": "\xff\xfe"}')
    refused(folder, "damaged")


@pytest.mark.parametrize("version", [model_folder.FORMAT + 1, "1", None])
def test_newer_format(refused, folder, version):
    edit(folder, lambda config: config.update(format=version))
    refused(folder, "update sunpy_superres")


def test_unknown_architecture(refused, folder):
    edit(folder, lambda config: config.update(architecture="gan"))
    refused(folder, "'gan'; update sunpy_superres")


@pytest.mark.parametrize("declared", [None, 5])
def test_no_sha(refused, folder, declared):
    edit(folder, lambda config: config["files"].update({"model.safetensors": declared}))
    refused(folder, "no SHA-256")


def test_no_weights(refused, folder):
    (folder / "model.safetensors").unlink()
    refused(folder, r"holds no model\.safetensors; download the model again")


def test_tampered_weights(refused, folder):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    refused(folder, "SHA-256 .* damaged or was changed; download")


def test_truncated_weights(refused, folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    refused(folder, "SHA-256")
    # Even where the SHA-256 of the rest is declared.
    edit(folder, lambda config: config["files"].update({path.name: model_folder.file_sha256(path)}))
    refused(folder, "cut short or no safetensors file")


def test_weights_that_are_a_pickle_are_not_read(refused, folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    path = folder / "model.safetensors"
    torch.save({"weight": Trap()}, path)
    edit(folder, lambda config: config["files"].update({path.name: model_folder.file_sha256(path)}))
    refused(folder, "no safetensors file")
    assert not (tmp_path / "sprung").exists()


def test_missing_tensor(refused, folder):
    rewrite(folder, lambda state: state.pop("latent_std"))
    refused(folder, "do not fit its configuration .the tensor latent_std is missing.; download")


def test_extra_tensor(refused, folder):
    rewrite(folder, lambda state: state.update(surplus=torch.zeros(1)))
    refused(folder, "do not fit its configuration .the tensor surplus is one too many.; download")


def test_tensor_of_another_shape(refused, folder):
    rewrite(folder, lambda state: state.update(latent_std=torch.ones(5)))
    refused(folder, r"the tensor latent_std is \(5,\), not \(4,\), in shape\); download the model")


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
def test_sizes_that_cannot_be_right(refused, folder, change):
    edit(folder, lambda config: change(config["model"]))
    refused(folder, "do not fit its configuration")


def test_no_sizes_at_all(refused, folder):
    edit(folder, lambda config: config.pop("model"))
    refused(folder, "damaged")


@pytest.mark.parametrize("part", ["sampler", "calibration"])
def test_no_sampler_or_calibration(refused, folder, part):
    edit(folder, lambda config: config.pop(part))
    refused(folder, part)


def test_numbers_of_another_kind(refused, folder):
    rewrite(folder, lambda state: state.update(latent_std=torch.ones(4, dtype=torch.int8)))
    refused(folder, "numbers of the kind I8, not BF16, F16, F32; download the model again")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda config: config["sampler"].update(num_steps="six"), "a setting is not a number"),
        (lambda config: config["calibration"].update(field=[None]), "a setting is not a number"),
        (lambda config: config.update(revision=1), "no name of the revision"),
        (lambda config: config.update(files={}), "no SHA-256 of model.safetensors"),
        (lambda config: config.update(files=[]), "no SHA-256 of model.safetensors"),
        (lambda config: config.update(architecture=["enhance"]), "unknown architecture"),
    ],
)
def test_settings_of_another_kind(refused, folder, change, problem):
    edit(folder, change)
    refused(folder, problem)


def test_no_revision(refused, folder):
    edit(folder, lambda config: config.pop("revision"))
    refused(folder, "damaged .*'revision'.; download the model again")


def test_config_nested_without_end(refused, folder):
    (folder / "config.json").write_text("[" * 100_000)
    refused(folder, "damaged")


@pytest.mark.parametrize(
    "change",
    [
        # 10^12 parameters in one layer, in many layers, and more than can be counted.
        lambda model: model["denoiser"].update(widths=[10**6, 10**6]),
        lambda model: model["denoiser"].update(blocks=[10**12, 1, 1]),
        lambda model: model["autoencoder"].update(decoder_blocks=10**12),
        lambda model: model["denoiser"].update(embedding=10**12),
        lambda model: model["regression"].update(widths=[8, 10**40]),
    ],
)
def test_a_giant_is_refused_before_it_is_built(refused, folder, change, monkeypatch):
    built = []
    original = registry.build

    def build(settings):
        network = original(settings)
        built.append({tensor.device.type for tensor in network.state_dict().values()})
        return network

    monkeypatch.setattr(registry, "build", build)
    edit(folder, lambda config: change(config["model"]))
    error = refused(folder, "do not fit its configuration .*; download the model again")
    assert len(str(error).splitlines()) == 1
    assert built in ([], [{"meta"}])


# Files that should not be there, or should be elsewhere


@pytest.mark.parametrize("name", ["model.bin", "optimizer.PT", "sub/state.pkl", "old.ckpt"])
def test_a_pickle_beside_the_weights(refused, folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"\x80\x04")
    refused(folder, f"holds the pickle {Path(name).name}, which could run code; remove it")


@pytest.mark.parametrize("name", ["more.safetensors", "sub/model.safetensors"])
def test_weights_that_are_not_listed(refused, folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    shutil.copy(folder / "model.safetensors", folder / name)
    refused(folder, "not listed in config.json; remove it or download the model again")


def test_a_listed_file_is_checked_too(refused, folder):
    (folder / "notes.txt").write_text("a")
    edit(folder, lambda config: config["files"].update({"notes.txt": "0" * 64}))
    refused(folder, r"The SHA-256 of .*notes\.txt is not the one")
    digest = model_folder.file_sha256(folder / "notes.txt")
    edit(folder, lambda config: config["files"].update({"notes.txt": digest}))
    assert load_model(folder).config["files"]["notes.txt"] == digest
    (folder / "notes.txt").unlink()
    refused(folder, r"holds no notes\.txt; download")


@pytest.mark.parametrize(
    "name", ["../x.safetensors", "a/../../x", "/etc/passwd", "C:\\x", "..\\x", "C:x", "\\\\host\\x"]
)
def test_a_path_out_of_the_folder(refused, folder, name):
    (folder.parent / "x.safetensors").write_bytes(b"")
    edit(folder, lambda config: config["files"].update({name: "0" * 64}))
    refused(folder, "outside of the folder; get the model from a source that you trust")


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_link_out_of_the_folder(refused, folder, name, tmp_path):
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    refused(folder, f"{name} is a link to a file outside of the folder; put a copy")


def test_a_link_to_itself(refused, folder):
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to("README.md")
    refused(folder, "cannot be read .*; check its links and permissions, or download the model")


def test_a_folder_that_cannot_be_read(refused, folder, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(model_folder, "file_sha256", denied)
    refused(folder, "cannot be read .*Permission denied.*; check its links and permissions")


def test_a_linked_folder_and_links_within_it(folder, tmp_path):
    (folder / "weights").mkdir()
    (folder / "model.safetensors").rename(folder / "weights" / "blob")
    (folder / "model.safetensors").symlink_to(Path("weights") / "blob")
    (tmp_path / "link").symlink_to(folder)
    assert load_model(tmp_path / "link").name == "link"


def test_weights_are_not_read_before_their_sum_is_right(refused, folder, monkeypatch):
    """Nor is their header."""
    import safetensors

    monkeypatch.setattr(safetensors, "safe_open", lambda *_, **__: pytest.fail("opened"))
    with (folder / "model.safetensors").open("ab") as file:
        file.write(b"x")
    refused(folder, "SHA-256")


def test_models_load_in_threads(folder):
    """What counts the calls of a network that is built looks at its own thread alone."""
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(load_model, [folder] * 8))
    assert len({model.sha256 for model in models}) == 1
