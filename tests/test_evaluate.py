"""Evaluation, end to end, on a data folder made in code."""

import json

import numpy as np
import pytest
import sunpy.map

from sunpy_superres import load_model, metrics
from sunpy_superres.cli import main
from sunpy_superres.data import example_hmi_map, example_mdi_map
from sunpy_superres.datasets.splits import SPLITS, split_region
from sunpy_superres.evaluation.cases import cases
from sunpy_superres.evaluation.evaluate import interpolated_map
from sunpy_superres.training.export import export


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Frames of a test, a validation and a training region; sides no multiples of 4."""
    folder = tmp_path_factory.mktemp("data")
    truth = example_hmi_map()
    records = []
    for number, (harp, first) in enumerate(
        ((SPLITS["test"][0], 130), (SPLITS["validation"][0], 160), (98, 190), (98, 90))
    ):
        part = truth.data[first : first + 201, 120:322]
        meta = dict(truth.meta, crpix1=truth.meta["crpix1"] - 120)
        meta["crpix2"] -= first
        name = f"frame{number}.fits"
        sunpy.map.Map(part, meta).save(folder / name)
        records.append({"file": name, "harpnum": harp, "kind": "HMI los", "lon_fwt": 10.0 + number})
    (folder / "MANIFEST.json").write_text(json.dumps(records))
    return folder


def test_cases_are_frames_of_their_split(data):
    (case,) = cases(data, "test")
    assert case.region == f"HARP {SPLITS['test'][0]}"
    assert case.hmi_map.data.shape == (200, 200)
    assert case.mdi_map.data.shape == (50, 50)
    assert [c.region for c in cases(data, "validation")] == [f"HARP {SPLITS['validation'][0]}"]
    # Of a training region, the frame nearest to the central meridian.
    assert [c.name for c in cases(data, "calibration")] == ["frame2"]


def test_the_example_needs_no_data(tmp_path):
    (case,) = cases(tmp_path, "example")
    assert case.hmi_map.data.shape == tuple(4 * n for n in case.mdi_map.data.shape)
    assert "not an observation" in case.mdi_map.meta["content"]


def test_cases_without_a_manifest_are_split_by_their_headers(data, tmp_path):
    for record in json.loads((data / "MANIFEST.json").read_text()):
        smap = sunpy.map.Map(data / record["file"])
        cards = {"harpnum": record["harpnum"], "lon_fwt": record["lon_fwt"]}
        sunpy.map.Map(smap.data, dict(smap.meta, **cards)).save(tmp_path / record["file"])
    for split in ("test", "validation"):
        (one,), (other,) = cases(data, split), cases(tmp_path, split)
        assert (one.name, one.region) == (other.name, other.region)
        np.testing.assert_array_equal(one.mdi_map.data, other.mdi_map.data)
    assert split_region("harp98") == "train"
    assert [c.name for c in cases(tmp_path, "calibration")] == ["frame2"]


def test_the_baseline_lies_where_the_frame_does():
    mdi_map, truth = example_mdi_map(), example_hmi_map()
    baseline = interpolated_map(mdi_map)
    assert metrics.correlation(baseline, truth) > 0.9
    shift = metrics.flux_centre_shift(baseline, truth)
    np.testing.assert_allclose(shift.value, 0, atol=0.5)
    broken = mdi_map.data.copy()
    broken[5, 7] = np.nan
    holes = np.isnan(interpolated_map(sunpy.map.Map(broken, mdi_map.meta)).data)
    assert holes.sum() == 16
    assert holes[20:24, 28:32].all()


def test_evaluation_prints_scores_and_writes_tables_and_plots(data, tmp_path, capsys):
    folder = tmp_path / "figures"
    options = [str(data), "--n-samples", "3", "--num-steps", "3", "-o", str(folder)]
    assert main(["evaluate", *options]) == 0
    out = capsys.readouterr().out
    assert f"== HARP {SPLITS['test'][0]}" in out
    assert "RMSE mean / bicubic" in out
    assert "reliability of sample" in out
    assert sorted(p.name for p in folder.iterdir()) == ["test_metrics.csv", "test_metrics.png"]
    table = {
        line.split(",")[0].strip('"'): line.split(",")
        for line in (folder / "test_metrics.csv").read_text().splitlines()
    }
    assert table["metric"] == ["metric", "bicubic", "mean", "sample", "unit"]
    rmse = [float(v) for v in table["RMSE"][1:4]]
    assert rmse[1] < rmse[0]
    assert table["CRPS"][1] == ""
    assert 0 < float(table["CRPS"][2]) < rmse[1]


def test_a_model_can_be_calibrated_anew(data, tmp_path):
    calibration = export(
        "default", tmp_path / "model", data, revision="test", n_samples=2, progress=False
    )
    model = load_model(tmp_path / "model")
    assert model.config["revision"] == "test"
    assert model.config["calibration"] == calibration
    assert 0 <= calibration["mean_weight"] <= 1
    assert all(0.2 < factor < 5 for factor in calibration["factor"])
    # The weights are the same.
    assert model.sha256 == load_model().sha256


@pytest.fixture(scope="module")
def enhanced(tmp_path_factory):
    """A deterministic model that adds nothing to the interpolated frame."""
    import torch

    from sunpy_superres.models.deterministic import Deterministic, DeterministicConfig
    from sunpy_superres.models.loading import save_model
    from sunpy_superres.training.export import SAMPLER

    network = Deterministic(DeterministicConfig("enhance", 4, (1,) * 6))
    torch.nn.init.zeros_(network.network.head.weight)
    torch.nn.init.zeros_(network.network.head.bias)
    folder = tmp_path_factory.mktemp("models") / "nothing"
    calibration = {"field": [0.0, 1.0], "factor": [10.0, 10.0], "mean_weight": 1.0}
    save_model(
        folder, network, sampler=SAMPLER, calibration=calibration, training={}, revision="t",
        architecture="enhance",
    )  # fmt: skip
    return folder


def test_models_side_by_side(data, enhanced, tmp_path, capsys):
    """What adds nothing scores as the baseline does; the default model is better than both."""
    import csv

    folder = tmp_path / "figures"
    options = ["default", str(enhanced), str(data), "--samples", "2", "--steps", "3"]
    assert main(["evaluate", *options, "--figures", str(folder)]) == 0
    assert "TFLOP" in capsys.readouterr().out
    with (folder / "test_comparison.csv").open() as file:
        table = {row["score"]: row for row in csv.DictReader(file)}
    assert list(table["RMSE (G)"]) == ["score", "bicubic", "default", "nothing"]
    # The same to what half precision of nothing, and of the consistency, leaves.
    for label in ("RMSE (G)", "gradient ratio", "correlation"):
        values = [float(table[label][name]) for name in ("bicubic", "nothing")]
        assert values[0] == pytest.approx(values[1], rel=0.01)
    assert float(table["RMSE of the mean"]["default"]) < float(table["RMSE (G)"]["bicubic"])
    assert float(table["gradient ratio"]["default"]) > float(table["gradient ratio"]["bicubic"])
    assert float(table["seconds, one draw of a full disk"]["nothing"]) > 0
    assert table["spread / skill"]["nothing"] == ""
    assert (folder / "test_comparison.png").stat().st_size > 10_000


def test_models_of_one_name_are_refused(data, enhanced):
    from sunpy_superres.evaluation.comparison import compare_models

    with pytest.raises(ValueError, match="rename"):
        compare_models(data, [enhanced, enhanced])


def test_work_follows_the_architecture(enhanced):
    """Enhance, counted by hand; and a draw more costs what a draw costs."""
    from sunpy_superres.evaluation.comparison import work_of_full_disk

    # 3 x 3 convolutions of 4 channels: the first has 4 inputs; 13 on MDI's grid, one on HMI's.
    per_pixel = 2 * 9 * 4 * 4 * (14 + 16) + 16 * 2 * 4
    assert work_of_full_disk(load_model(enhanced)) == pytest.approx(per_pixel * 7.6e5)
    model = load_model()
    one, two, three = (work_of_full_disk(model, n) for n in (1, 2, 3))
    assert two - one == pytest.approx(three - two)
    assert two > one


def test_seconds_are_those_of_the_pixels_of_a_disk(enhanced, monkeypatch):
    """A clock of ours: 2 s for a frame of 64 x 64."""
    from sunpy_superres.evaluation import comparison

    ticks = iter((10.0, 12.0))
    monkeypatch.setattr(comparison.time, "perf_counter", lambda: next(ticks))
    monkeypatch.setattr(comparison, "super_resolve", lambda frame, **options: None)
    seconds = comparison.seconds_of_full_disk(load_model(enhanced), side=64)
    assert seconds == pytest.approx(2 * 7.6e5 / 64**2)
