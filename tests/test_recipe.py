"""Recipes as settings: packaged, from files, shortened, refused."""

import numpy as np
import pytest
from test_train import LOOP, TINY, tiny

from sunpy_superres import load_model
from sunpy_superres.models.registry import ARCHITECTURES, configure
from sunpy_superres.models.residual_ldm import ResidualLDMConfig
from sunpy_superres.training import train as recipes
from sunpy_superres.training.recipe import Recipe, load_recipe


def test_every_packaged_recipe_can_be_read():
    from importlib.resources import files

    names = [
        p.name.removesuffix(".toml") for p in (files(recipes.__package__) / "recipes").iterdir()
    ]
    assert {load_recipe(name).architecture for name in names} == set(ARCHITECTURES)
    default = load_recipe()
    assert default.config == ResidualLDMConfig(foreshortening=True)
    assert load_recipe(default) is default
    assert Recipe.from_dict(default.to_dict()).to_dict() == default.to_dict()


@pytest.mark.parametrize("name", ["residual_ldm", "palette", "enhance"])
def test_a_shortened_recipe_keeps_its_proportions(name):
    recipe = load_recipe(name)
    short = recipe.shortened(800).in_precision("bfloat16")
    trained = [stage.loop for name, stage in short.stages.items() if name != "autoencoder"]
    assert sum(loop.steps for loop in trained) == 800
    for stage, before in recipe.stages.items():
        loop = short.stages[stage].loop
        if stage == "autoencoder":
            assert loop == before.loop
            continue
        assert loop.autocast == "bfloat16"
        # The averaging covers the same part of the training.
        window, old = loop.steps * (1 - loop.ema), before.loop.steps * (1 - before.loop.ema)
        np.testing.assert_allclose(window, old)
    with pytest.raises(ValueError, match="steps must be an integer of at least 1"):
        recipe.shortened(0)


def test_the_embedded_model_has_the_default_architecture():
    config = load_model().config
    assert configure(config["architecture"], config["model"]) == load_recipe().config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "gan"}, "unknown"),
        ({"stages": dict.fromkeys([*TINY["residual_ldm"][2], "score"], LOOP)}, "single_sigma"),
        ({"stages": dict.fromkeys(["score", *TINY["residual_ldm"][2]], LOOP)}, "The stages of"),
        ({"score": {"members": 1}}, "at least 2"),
        ({"score": {"membres": 2}}, "membres"),
        ({"stages": {"diffusion": LOOP}}, "stages of residual_ldm"),
        ({"stages": dict.fromkeys(TINY["residual_ldm"][2], {"stepz": 3})}, "stepz"),
        ({"model": {"base": "none"}}, "base"),
        ({"model": {"space": "pixels"}}, "space"),
        ({"model": {"widht": 3}}, "widht"),
        ({"degradation": {"noize": [1, 2]}}, "noize"),
        ({"colour": "red"}, "colour"),
        ({"sampler": {"stepps": 3}}, "no setting stepps"),
    ],
)  # fmt: skip
def test_wrong_recipes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny("residual_ldm", **changes)


def test_settings_that_a_recipe_leaves_out():
    assert tiny("ldm", sampler={"num_steps": 2}).sampler == {
        "num_steps": 2, "sigma_max": 40.0, "power": 1.0, "single_sigma": None,
    }  # fmt: skip
    assert tiny("enhance", sampler={}).sampler == {}


def test_recipes_from_files(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'architecture = "palette"\nseed = 4\n[stages.diffusion]\nsteps = 7\nbatch = 3\n'
    )
    recipe = load_recipe(path)
    assert (recipe.seed, recipe.stages["diffusion"].loop.steps) == (4, 7)
    assert recipe.stages["diffusion"].batch == 3
    path.write_text("architecture = \n")
    with pytest.raises(ValueError, match="cannot be read as TOML"):
        load_recipe(path)
    with pytest.raises(ValueError, match="palette_residual"):
        load_recipe("unheard_of")
