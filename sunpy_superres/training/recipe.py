"""Recipes: all settings of a training; read from TOML files, recorded in config.json."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from sunpy_superres.models.registry import configure
from sunpy_superres.sampling.schedule import SolverSettings
from sunpy_superres.training.degradation import DegradationConfig
from sunpy_superres.training.loop import LoopConfig
from sunpy_superres.training.losses import ScoreConfig

__all__ = ["Recipe", "Stage", "load_recipe", "read_toml", "stages_of"]


#: Settings of a stage that are not those of its loop.
_CROP_SETTINGS = ("size", "batch", "quiet_std")


@dataclass(frozen=True)
class Stage:
    """
    Settings of one stage of a training.

    Parameters
    ----------
    loop : LoopConfig
    size : int
        Side of a crop in HMI pixels, without the margin that the blur needs.
    batch : int
        Crops in a batch.
    quiet_std : float
        Crops with a standard deviation below this (Gauss) are drawn anew half of the time.
    """

    loop: LoopConfig = LoopConfig()
    size: int = 192
    batch: int = 12
    quiet_std: float = 15.0


@dataclass(frozen=True)
class Recipe:
    """
    All settings of a training: with the data, they determine its result.

    Parameters
    ----------
    architecture : str
        A name of `~sunpy_superres.models.registry.ARCHITECTURES`.
    stages : dict of str to Stage
        The stages in their order: some of "autoencoder", "regression" and "diffusion", or
        "network".  After "diffusion", "score" may follow; it trains the denoiser to draw in one
        step (`~sunpy_superres.training.stages.score_loss`).
    model : dict
        Settings of the architecture; missing ones have its defaults.
    degradation : DegradationConfig
    sampler : dict
        Settings of `~sunpy_superres.sampling.schedule.SolverSettings` for the solver of a
        diffusion; missing ones have its defaults.  The stage "score" needs ``single_sigma``.
    score : ScoreConfig
        Settings of the stage "score".
    seed : int

    Raises
    ------
    ValueError
        If the stages are not those of the architecture, or a setting of it or of the sampler is
        unknown or out of range.
    """

    architecture: str
    stages: dict[str, Stage]
    model: dict = field(default_factory=dict)
    degradation: DegradationConfig = DegradationConfig()
    sampler: dict = field(default_factory=dict)
    score: ScoreConfig = ScoreConfig()
    seed: int = 0

    def __post_init__(self):
        expected = stages_of(self.config)
        if list(self.stages) not in (expected, [*expected, *self._optional(expected)]):
            raise ValueError(
                f"The stages of {self.architecture} are {', '.join(expected)}; "
                f"not {', '.join(self.stages) or 'none'}."
            )
        default = SolverSettings().to_dict()
        unknown = set(self.sampler) - set(default)
        if unknown:
            raise ValueError(
                f"The sampler has no setting {', '.join(sorted(unknown))}; those that there are: "
                f"{', '.join(default)}."
            )
        if "score" in self.stages and not self.sampler.get("single_sigma"):
            raise ValueError(
                "The stage 'score' trains a single step; give the noise level at which it begins "
                "as single_sigma of the sampler (1e4, for example)."
            )
        if "diffusion" in self.stages:
            object.__setattr__(self, "sampler", default | self.sampler)

    @staticmethod
    def _optional(stages):
        """Stages that may follow those that an architecture needs."""
        return ["score"] if stages[-1] == "diffusion" else []

    @property
    def config(self):
        """Configuration of the network."""
        return configure(self.architecture, self.model)

    @classmethod
    def from_dict(cls, values: dict) -> Recipe:
        """
        Read the plain dictionary of `to_dict`, or of a TOML file.

        Raises
        ------
        ValueError
            If a name is unknown or a setting is out of range.
        """
        values = dict(values)
        try:
            stages = {}
            for name, entries in dict(values.pop("stages")).items():
                entries = dict(entries)
                outer = {k: entries.pop(k) for k in _CROP_SETTINGS if k in entries}
                stages[name] = Stage(LoopConfig(**entries), **outer)
            degradation = DegradationConfig(**_with_tuples(values.pop("degradation", {})))
            score = ScoreConfig(**_with_tuples(values.pop("score", {})))
            return cls(stages=stages, degradation=degradation, score=score, **values)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"The recipe cannot be read: {error}.") from error

    def to_dict(self) -> dict:
        """Return the recipe as a plain dictionary, as in a TOML file and ready for JSON."""
        values = dataclasses.asdict(self)
        for name, stage in values["stages"].items():
            values["stages"][name] = {**stage.pop("loop"), **stage}
        values["model"] = self.config.to_dict()
        return json.loads(json.dumps(values))  # tuples become lists

    def shortened(self, steps) -> Recipe:
        """
        Copy the recipe with another number of steps; all stages change by the same factor.

        The warm-up and the time over which weights are averaged change by this factor too.

        Parameters
        ----------
        steps : int
            Sum over all stages but the autoencoder's, which keeps its own: models with the same
            number of steps have seen as many frames, whether they need an autoencoder or not.

        Raises
        ------
        ValueError
            If ``steps`` is less than 1, or leaves a stage without a step.
        """
        loops = {k: s.loop for k, s in self.stages.items() if k != "autoencoder"}
        if steps < 1:
            raise ValueError(f"steps must be an integer of at least 1, not {steps!r}.")
        part = steps / sum(loop.steps for loop in loops.values())
        changes = {
            name: {
                "steps": round(loop.steps * part),
                "warmup": round(loop.warmup * part),
                "ema": max(0.0, 1 - (1 - loop.ema) / part),
            }
            for name, loop in loops.items()
        }
        return self._with_loops(changes)

    def in_precision(self, autocast) -> Recipe:
        """Copy the recipe with another ``autocast`` in all stages but the autoencoder's."""
        return self._with_loops(
            {name: {"autocast": autocast} for name in self.stages if name != "autoencoder"}
        )

    def _with_loops(self, changes):
        stages = {
            name: dataclasses.replace(
                stage, loop=dataclasses.replace(stage.loop, **changes.get(name, {}))
            )
            for name, stage in self.stages.items()
        }
        return dataclasses.replace(self, stages=stages)


def _with_tuples(entries):
    """Turn the lists of a TOML file or of JSON into tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in dict(entries).items()}


def stages_of(config) -> list[str]:
    """List the stages that a configuration needs, in order."""
    if not hasattr(config, "space"):
        return ["network"]
    names = ["autoencoder"] if config.space == "latent" else []
    names += ["regression"] if config.base == "regression" else []
    return [*names, "diffusion"]


def load_recipe(recipe="residual_ldm") -> Recipe:
    """
    Load a recipe of the package or a TOML file.

    Parameters
    ----------
    recipe : str, path-like or Recipe
        Name of a recipe in the package; or, with a dot in it, the path of a file.

    Returns
    -------
    Recipe

    Raises
    ------
    ValueError
        If there is no such recipe, or the file is not a valid one.
    """
    if isinstance(recipe, Recipe):
        return recipe
    folder = files("sunpy_superres.training") / "recipes"
    path = folder / f"{recipe}.toml" if "." not in str(recipe) else Path(recipe)
    if not path.is_file():
        known = sorted(p.name.removesuffix(".toml") for p in folder.iterdir())
        raise ValueError(
            f"There is no recipe {str(recipe)!r}; give a TOML file or one of {', '.join(known)}."
        )
    return Recipe.from_dict(read_toml(path))


def read_toml(path) -> dict:
    """
    Read a TOML file.

    Raises
    ------
    ValueError
        If the file is not valid TOML, or reading it fails.
    """
    try:
        return tomllib.loads(Path(str(path)).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as TOML: {error}.") from error
