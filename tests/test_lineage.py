"""On which regions a network was trained, from the first weights on."""

from importlib.resources import files

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from sunpy_superres.datasets.packed import Frame, save_pack
from sunpy_superres.training.lineage import describe_data, read_lineage, trace_lineage
from sunpy_superres.training.recipe import Recipe
from sunpy_superres.training.train import train

RECIPE = Recipe.from_dict({
    "architecture": "enhance", "model": {"width": 4},
    "stages": {"network": {"steps": 1, "warmup": 1, "size": 48, "batch": 1}},
})  # fmt: skip


@pytest.fixture
def write_pack(tmp_path):
    """Write a pack of flat frames, each of a region and a split; return its path."""

    def write(name, **splits):
        frames = [
            Frame(region, region, split, np.ones((100, 100), "f4"))
            for region, split in splits.items()
        ]
        save_pack(frames, tmp_path / name)
        return tmp_path / name

    return write


def run(pack, out, **options):
    """Train for a step; return the weights."""
    train(pack, out, RECIPE, device="cpu", progress=False, **options)
    return out / "model.safetensors"


def test_the_regions_of_all_trainings_are_known(write_pack, tmp_path):
    """A training that goes on from another one has seen its regions too."""
    first = write_pack("first", region0="train", region1="train", region2="test")
    start = run(first, tmp_path / "one")
    assert read_lineage(start) == {
        "trained on": ["region0", "region1"], "held out": {"test": ["region2"]}, "frames": 2,
    }  # fmt: skip
    # region0 was trained on before, so it is held out from nothing.
    second = write_pack("second", region2="train", region0="test", region3="validation")
    assert read_lineage(run(second, tmp_path / "two", start=start)) == {
        "trained on": ["region0", "region1", "region2"],
        "held out": {"validation": ["region3"]},
        "frames": 1,
    }


def test_the_regions_of_a_model_are_known_by_its_configuration(write_pack):
    pack = write_pack("pack", region0="train")
    joined = trace_lineage(pack, files("sunpy_superres") / "weights" / "model.safetensors")
    assert {"harp377", "region0"} <= set(joined["trained on"])
    assert "start" not in joined


def test_weights_that_record_nothing_are_named(write_pack, tmp_path):
    pack = write_pack("pack", region0="train")
    old = tmp_path / "one" / "old.safetensors"
    save_file(load_file(run(pack, tmp_path / "one")), old)
    unknown = trace_lineage(pack, old)
    assert unknown["start"] == ["one/old.safetensors"]
    assert describe_data(unknown).endswith("those of one/old.safetensors, which are not recorded")
    assert describe_data(None).startswith("not recorded")
