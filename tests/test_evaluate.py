"""Evaluation, end to end, on a data folder made in code."""

import json

import numpy as np
import pytest
import sunpy.map

from sunpy_superres import load_model, metrics
from sunpy_superres.data import example_hmi_map, example_mdi_map
from sunpy_superres.training.cases import SPLITS, cases
from sunpy_superres.training.evaluate import interpolated_map, main
from sunpy_superres.training.export import export


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Frames of a test, a validation and a training region; sides no multiples of 4."""
    folder = tmp_path_factory.mktemp("data")
    truth = example_hmi_map()
    records = []
    for number, (harp, first) in enumerate(
        ((SPLITS["test"][0], 130), (SPLITS["validation"][0], 160), (99, 190), (99, 90))
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
    options = [str(data), "--samples", "3", "--steps", "3", "--figures", str(folder)]
    assert main(options) == 0
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
