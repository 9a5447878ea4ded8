"""The training loop against kills, several processes, and what it writes for people to see."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_training import field

from sunpy_superres.datasets.packed import CropSampler, Frame, save_pack
from sunpy_superres.training.degradation import DegradationConfig
from sunpy_superres.training.loop import LoopConfig, optimise
from sunpy_superres.training.recipe import load_recipe
from sunpy_superres.training.stages import ObservedCrops
from sunpy_superres.training.tensorboard_log import TensorBoardLog, draw_pictures
from sunpy_superres.training.train import train

_RECIPE = """
architecture = "enhance"
[model]
width = 4
multipliers = [1, 1, 1, 1, 1, 1]
[stages.network]
steps = {steps}
size = 32
batch = {batch}
warmup = 5
checkpoint_minutes = 0.0
accumulation = {accumulation}
"""


@pytest.fixture
def folder(tmp_path):
    save_pack([Frame("f", "r", "train", field(1))], tmp_path / "pack.safetensors")
    return tmp_path


def _recipe(folder, name, **settings):
    path = folder / f"{name}.toml"
    path.write_text(_RECIPE.format(**{"steps": 40, "batch": 2, "accumulation": 1, **settings}))
    return path


def _command(folder, recipe, out, *launcher):
    launcher = launcher or (sys.executable,)
    arguments = ("-m", "sunpy_superres.cli", "train", folder / "pack.safetensors", "-o", out)
    return [str(part) for part in (*launcher, *arguments, "--recipe", recipe)]


def test_training_killed_at_any_moment_ends_as_if_it_had_not_been(folder):
    """SIGKILL while it starts, steps or writes; started again until it is done."""
    recipe = _recipe(folder, "r")
    train(folder / "pack.safetensors", folder / "whole", recipe, device="cpu", progress=False)
    whole = load_file(folder / "whole" / "model.safetensors")
    rng = np.random.default_rng(5)
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    checkpoint, kills = folder / "cut" / "network.checkpoint", 0
    for _ in range(12):
        process = subprocess.Popen(
            _command(folder, recipe, folder / "cut"),
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        # From the first new checkpoint on; so each start gets somewhere, on any machine.
        while process.poll() is None:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
                time.sleep(rng.uniform(0, 0.05))
                break
            time.sleep(0.002)
        if kills == 3:
            assert process.wait() == 0
            break
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += process.returncode == -signal.SIGKILL
    assert kills == 3
    resumed = load_file(folder / "cut" / "model.safetensors")
    assert resumed.keys() == whole.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name


def test_two_processes_take_the_step_of_one_that_accumulates(folder):
    """The same four crops for each step, seen by two processes or one after the other."""
    single = _recipe(folder, "single", steps=6, accumulation=2)
    double = _recipe(folder, "double", steps=6, accumulation=1)
    launcher = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2")
    # One thread each: AdamW's first steps turn a difference in rounding into one in weights.
    for command in (
        _command(folder, single, folder / "single"),
        _command(folder, double, folder / "double", *launcher, "--standalone"),
    ):
        subprocess.run(
            command,
            env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
            timeout=300,
        )
    one = load_file(folder / "single" / "model.safetensors")
    two = load_file(folder / "double" / "model.safetensors")
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=2e-5, rtol=1e-3)


def test_accumulation_is_the_mean_over_batches():
    """Two half batches give the step of the whole one."""
    whole, halves = (torch.nn.Linear(3, 1) for _ in range(2))
    halves.load_state_dict(whole.state_dict())
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))

    def loss(module, rows):
        return (module(rows) - rows.sum(1, keepdim=True)).square().mean()

    optimise(whole, lambda number: loss(whole, x), LoopConfig(steps=1))
    optimise(
        halves,
        lambda number: loss(halves, x[3 * number : 3 * number + 3]),
        LoopConfig(steps=1, accumulation=2),
    )
    torch.testing.assert_close(whole.weight, halves.weight)


@pytest.mark.parametrize("bad", [{"autocast": "float8"}, {"accumulation": 0}, {"steps": 0}])
def test_settings_that_cannot_be(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        LoopConfig(**bad)


def test_log_has_scalars_and_pictures(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    recipe = load_recipe(_recipe(folder, "r", steps=20))
    train(folder / "pack.safetensors", folder / "run", recipe, device="cpu", progress=False)
    events = EventAccumulator(str(folder / "run" / "log"), {"images": 0, "scalars": 0})
    events.Reload()
    scalars = events.Tags()["scalars"]
    assert {f"network/{n}" for n in ("loss", "gradient norm", "learning rate")} <= set(scalars)
    assert [e.step for e in events.Scalars("network/loss")] == [10, 20]
    assert events.Scalars("network/learning rate")[-1].value == pytest.approx(
        recipe.stages["network"].loop.rate(19)
    )
    assert [tag for tag in events.Tags()["images"] if "HMI" in tag]


def test_pictures_are_the_frame_the_model_and_hmi(folder):
    """A fresh deterministic network adds nothing or little; HMI's panel is the truth."""
    from sunpy_superres.models.deterministic import Deterministic, DeterministicConfig

    torch.manual_seed(0)
    model = Deterministic(DeterministicConfig("enhance", 4, (1,) * 6))
    torch.nn.init.zeros_(model.network.head.weight)
    torch.nn.init.zeros_(model.network.head.bias)
    sampler = CropSampler([Frame("f", "r", "train", field(1))], 64, 2)
    pictures = draw_pictures(model, ObservedCrops(sampler, DegradationConfig(limb=0.0, gaps=0.0)))
    assert pictures.shape == (2, 1, 32, 96)
    interpolated, drawn, truth = pictures.split(32, dim=-1)
    torch.testing.assert_close(interpolated, drawn)
    assert float(torch.corrcoef(torch.stack([drawn.flatten(), truth.flatten()]))[0, 1]) > 0.6
    torch.testing.assert_close(truth, sampler(2**31 - 1)[0][..., 16:-16, 16:-16])


def test_board_without_a_folder_does_nothing():
    with TensorBoardLog(None, "network", draw=lambda: 1 / 0) as board:
        board.log(10, {"loss": 1.0})
        board.picture(10)
