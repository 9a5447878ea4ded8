"""
Fine-tune a model on real pairs with low-rank adapters, as Ramunno et al. (2025) do.

The adapters (LoRA, Hu et al. 2022) are those of the package peft, on the 3 x 3 convolutions of the
residual blocks; all other weights stay as they are.  In the end they are merged into the weights.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from astropy.nddata import block_reduce, block_replicate
from safetensors import safe_open

from sunpy_superres.datasets.packed import read_index
from sunpy_superres.files import file_sha256
from sunpy_superres.instruments import FACTOR
from sunpy_superres.models.loading import load_model, save_model
from sunpy_superres.sampling.schedule import SolverSettings
from sunpy_superres.torch_state import own_torch_state
from sunpy_superres.training.degradation import DegradedBatch
from sunpy_superres.training.loop import LoopConfig, check_settings, optimise
from sunpy_superres.training.progress import progress_bar
from sunpy_superres.training.stages import diffusion_loss, regression_loss, score_loss

__all__ = [
    "FineTuning",
    "PairSampler",
    "add_adapters",
    "finetune",
    "merge_adapters",
    "tune_model",
]

#: Names of the convolutions that get adapters, in the regression and in the denoiser.
_ADAPTED = r".*\.(conv1|conv2)"


@dataclass(frozen=True)
class FineTuning:
    """
    All settings of a fine-tuning, except the model and the pairs.

    Parameters
    ----------
    rank : int
        Rank of the adapters.
    size : int
        MDI pixels along a side of a crop, even.
    batch : int
        Crops in a batch.
    seed : int
    loop : LoopConfig
        Settings of the training loop, for the regression and then for the denoiser.
    """

    rank: int = 4
    size: int = 48
    batch: int = 8
    seed: int = 0
    loop: LoopConfig = LoopConfig(steps=200, learning_rate=3e-4, warmup=20)

    @classmethod
    def from_dict(cls, values: dict) -> FineTuning:
        """
        Read the plain dictionary of `to_dict` or of a TOML file; missing settings have defaults.

        Raises
        ------
        ValueError
            If a name is unknown or a setting is out of range.
        """
        values = dict(values)
        try:
            loop = replace(cls().loop, **values.pop("loop", {}))
            return cls(**values, loop=loop)
        except TypeError as error:
            raise ValueError(f"The recipe cannot be read: {error}.") from error

    def to_dict(self) -> dict:
        """Return the settings as a plain dictionary, ready for JSON."""
        return asdict(self)


class PairSampler:
    """
    Draws random crops of pairs, in random orientation and polarity.

    The batch of a step depends on the seed and the step alone.

    Parameters
    ----------
    path : path-like
        File of `~sunpy_superres.datasets.pairs.save_pairs`.
    size : int
        Side of a crop in MDI pixels, even.
    batch : int
    seed : int

    Raises
    ------
    ValueError
        If a pair is smaller than a crop.
    """

    def __init__(self, path, size, batch, seed=0):
        self.size, self.batch, self.seed = size, batch, seed
        self._pairs = []
        index = read_index(path, "pairs", "sunpy-superres pairs")
        with safe_open(str(path), framework="numpy") as file:
            for number, _ in enumerate(index):
                frame, good, noise, target = (
                    file.get_tensor(f"{name}{number:04d}")
                    for name in ("frame", "good", "noise", "target")
                )
                if min(frame.shape) < size:
                    raise ValueError(
                        f"A pair of {frame.shape} MDI pixels is smaller than a crop of {size}; "
                        "give a smaller size."
                    )
                good = (good > 0) & block_reduce(np.isfinite(target), FACTOR, np.all)
                fine = block_replicate(good, FACTOR, conserve_sum=False)
                target = np.where(fine, target, 0)
                self._pairs.append((frame * good, good, noise, target))

    def __call__(self, step):
        """
        Draw the batch of a step.

        Returns
        -------
        DegradedBatch
        rng : torch.Generator
            Source of all further random numbers of this step.
        """
        rng = np.random.default_rng([self.seed, step])
        crops = [self._draw(rng) for _ in range(self.batch)]
        parts = (np.stack(part)[:, None].astype(np.float32) for part in zip(*crops, strict=True))
        frame, good, noise, target = (torch.from_numpy(part) for part in parts)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        foreshortening = torch.ones(len(frame), 2, 1, 1)
        return DegradedBatch(frame, good, noise, target, foreshortening), generator

    def _draw(self, rng):
        pair = self._pairs[rng.integers(len(self._pairs))]
        y, x = (int(rng.integers(n - self.size + 1)) for n in pair[0].shape)
        turns, mirrored, sign = int(rng.integers(4)), rng.random() < 0.5, rng.choice([-1.0, 1.0])
        crops = []
        for values, factor, signed in zip(pair, (1, 1, 1, FACTOR), (1, 0, 0, 1), strict=True):
            window = (slice(start * factor, (start + self.size) * factor) for start in (y, x))
            crop = np.rot90(values[tuple(window)], turns)
            crop = crop[:, ::-1] if mirrored else crop
            crops.append(crop * sign if signed else crop)
        return crops


def add_adapters(module, rank):
    """
    Put low-rank adapters into the residual blocks of a network, in place; only they are trained.

    Parameters
    ----------
    module : torch.nn.Module
    rank : int
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ImportError(
            "Fine-tuning needs peft: pip install 'sunpy_superres[training]'."
        ) from error
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=_ADAPTED)
    inject_adapter_in_model(config, module)
    return module


def merge_adapters(module):
    """
    Add the adapters to the weights, in place; the tensors have their old names again.

    Parameters
    ----------
    module : torch.nn.Module
        A network that `add_adapters` has changed.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BaseTunerLayer):
                child.merge()
                setattr(parent, name, child.get_base_layer())
    return module.requires_grad_(True)


def _fingerprint(model):
    """Compute the SHA-256 of the weights of a model."""
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@own_torch_state()
def finetune(model, pairs, out, recipe=FineTuning(), report=None, solver=SolverSettings()):
    """
    Fine-tune a model with a regression on real pairs; a stopped run continues.

    Parameters
    ----------
    model : `~sunpy_superres.models.residual_ldm.ResidualLDM`
        Changed in place.
    pairs : path-like
        File of `~sunpy_superres.datasets.pairs.save_pairs`.
    out : path-like
        Folder of the checkpoints.
    recipe : FineTuning
    report : callable, optional
        As in `~sunpy_superres.training.loop.optimise`.
    solver : `~sunpy_superres.sampling.schedule.SolverSettings`
        Those of the model.  With ``single_sigma``, the denoiser is tuned by the score of members
        drawn in one step, else by its diffusion loss.

    Returns
    -------
    `~sunpy_superres.models.residual_ldm.ResidualLDM`
        ``model``, with the adapters merged.

    Raises
    ------
    ValueError
        If the model has no regression, a pair is smaller than a crop, or ``out`` holds a run with
        other settings, pairs or weights.

    References
    ----------
    Hu et al. (2022), International Conference on Learning Representations.
    """
    if getattr(model, "regression", None) is None:
        raise ValueError("Only a residual_ldm with a regression can be fine-tuned on pairs.")
    device = next(model.parameters()).device
    batches = PairSampler(pairs, recipe.size, recipe.batch, recipe.seed)
    check_settings(
        Path(out) / "finetune.json",
        {
            "recipe": recipe.to_dict(),
            "pairs": file_sha256(pairs),
            "start": _fingerprint(model),
        },
    )
    model.requires_grad_(False)
    losses = {
        "regression": regression_loss(model, batches, device),
        "denoiser": diffusion_loss(model, batches, device),
    }
    if solver.single_sigma:
        losses["denoiser"] = score_loss(model, batches, device, solver)
    for name, loss in losses.items():
        part = getattr(model, name)
        torch.manual_seed(recipe.seed)
        add_adapters(part, recipe.rank)
        averaged, _ = optimise(
            part, loss, recipe.loop, Path(out) / f"{name}.lora.checkpoint", report
        )
        part.load_state_dict(averaged.state_dict())
        merge_adapters(part)
        model.requires_grad_(False)
    return model.eval()


def tune_model(model, pairs, out, recipe=FineTuning(), *, revision="local", progress=True):
    """
    Fine-tune a model on real pairs, and write the result with the calibration of the original.

    Parameters
    ----------
    model : str, path-like or Model
        As in `~sunpy_superres.super_resolve`.
    pairs : path-like
        File of `~sunpy_superres.datasets.pairs.save_pairs`.
    out : path-like
        Folder of the checkpoints; its subfolder "model" receives the tuned model.
    recipe : FineTuning
    revision : str
        Name of this version of the weights.
    progress : bool
        Show a progress bar.

    Returns
    -------
    pathlib.Path
        Folder of the tuned model.

    Raises
    ------
    ValueError
        As in `finetune`.
    """
    source = load_model(model, progress=progress)
    network = copy.deepcopy(source.network)
    records = read_index(pairs, "pairs", "sunpy-superres pairs")
    with progress_bar(2 * recipe.loop.steps, "fine-tuning", progress) as bar:
        solver = SolverSettings.from_dict(source.config["sampler"])
        finetune(network, pairs, out, recipe, lambda step, loss: bar.update(1), solver)
    tuning = {"recipe": recipe.to_dict(), "pairs": records, "start": source.sha256}
    folder = Path(out) / "model"
    save_model(
        folder,
        network,
        architecture=source.config["architecture"],
        sampler=source.config["sampler"],
        calibration=source.config["calibration"],
        training=source.config["training"] | {"fine-tuning": tuning},
        revision=revision,
    )
    return folder
