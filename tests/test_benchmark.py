"""The benchmark measures what it says; how fast that is, is no test."""

import json

import numpy as np
import pytest
import torch

from sunpy_superres.evaluation import benchmark, timing
from sunpy_superres.models.denoiser import Denoiser, DenoiserConfig, EDMPreconditioner


def test_work_is_counted_as_torch_counts_it():
    from torch.utils.flop_counter import FlopCounterMode

    denoiser = EDMPreconditioner(Denoiser(2, 3, DenoiserConfig((4, 6), (1, 1, 1), 8)))
    prepared = denoiser.network.prepare(torch.zeros(2, 3, 32, 32))
    with (
        torch.inference_mode(),
        timing._CoreWork(denoiser) as work,
        FlopCounterMode(display=False) as torchs,
    ):
        denoiser(torch.zeros(2, 2, 32, 32), torch.ones(2), prepared, (0, 8, 4, 0))
    assert work.count == torchs.get_total_flops() > 1e6


def test_frames_are_what_super_resolve_takes():
    cutout = timing.benchmark_frame(96)
    assert cutout.data.shape == (96, 96)
    assert np.isfinite(cutout.data).all()
    disk = timing.benchmark_frame(1024)
    assert np.isfinite(disk.data).mean() == pytest.approx(np.pi / 4 * 0.913, abs=0.01)


def test_stages_add_up(tiny_model, monkeypatch):
    monkeypatch.setattr("sunpy_superres.sampling.memory.reuse_memory", lambda: None)
    found = timing.measure(48, 2, "float32", model=str(tiny_model), num_steps=3)
    assert set(found["stages"]) == {
        "encode", "noise", "network", "decode", "consistency", "Map and the rest",
    }  # fmt: skip
    assert sum(found["stages"].values()) == pytest.approx(found["seconds"])
    assert all(seconds > 0 for seconds in found["stages"].values())
    assert 50e6 < found["memory"] < 50e9
    assert found["flops"] > 1e6


def test_a_deterministic_network_has_one_stage(tmp_path, monkeypatch):
    from sunpy_superres.models.loading import save_model
    from sunpy_superres.models.registry import build, configure

    monkeypatch.setattr("sunpy_superres.sampling.memory.reuse_memory", lambda: None)
    save_model(
        tmp_path, build(configure("enhance", {"width": 4})), architecture="enhance", revision="r",
        training={}, sampler={"num_steps": 1, "sigma_max": 40.0, "power": 1.75},
        calibration={"mean_weight": 1.0, "field": [0.0], "factor": [9.0]},
    )  # fmt: skip
    found = timing.measure(32, 1, "float32", model=str(tmp_path))
    assert set(found["stages"]) == {"network", "Map and the rest"}
    assert found["flops"] > 1e6


def test_the_published_procedure_is_a_thousand_steps_and_its_autoencoder():
    found = timing.published_seconds("float32", steps=1, side=16)
    assert found["total"] == 1000 * found["step"] + found["autoencoder"]
    assert min(found.values()) > 0


def test_a_row_of_a_process(tiny_model, capsys):
    options = ["--model", str(tiny_model), "--sides", "32", "--samples", "1", "--dtypes", "float32"]
    assert benchmark.main([*options, "--no-scaling", "--no-published"]) == 0
    printed = capsys.readouterr().out
    assert "convolution peak, float32" in printed
    assert "32 x 32, float32, 1 samples" in printed
    assert "network" in printed


def test_scaling_and_ratio_follow_from_the_times(monkeypatch, capsys):
    # One row, sides 64 to 512, samples 1 to 8, and the crop beside the published procedure.
    seconds = iter([9.0, 1.0, 1.0, 4.0, 16.0, 1.0, 2.0, 4.0, 8.0, 2.0])

    def reported(function, **options):
        if function == "published":
            return {"step": 1.0, "autoencoder": 20.0, "total": 1020.0}
        return {"seconds": next(seconds), "memory": 2**30, "flops": 1e9, "stages": {"network": 1.0}}

    monkeypatch.setattr(benchmark, "_in_a_process", reported)
    assert benchmark.main(["--sides", "128", "--samples", "8", "--dtypes", "float32"]) == 0
    printed = capsys.readouterr().out
    assert "9.00 s   1.00 GiB   network 11 %; network 1 GFLOP/s" in printed
    assert "512: 16.00 s; the last two as the power 2.00" in printed
    assert "8: 8.00 s; the last two as the power 1.00" in printed
    assert "510 times" in printed


def test_a_call_answers_in_json(capsys):
    call = {"function": "published", "options": {"dtype": "float32", "steps": 1, "side": 16}}
    assert benchmark.main([json.dumps(call)]) == 0
    assert json.loads(capsys.readouterr().out)["step"] > 0
