"""Evaluation, end to end, on a data folder made in code."""

import json

import astropy.units as u
import numpy as np
import pytest
import sunpy.map

from sunpy_superres import SuperResWarning, load_model, metrics
from sunpy_superres.cli import main
from sunpy_superres.data import example_hmi_map, example_mdi_map
from sunpy_superres.datasets.splits import HELD_OUT, has_eclipse_bits, read_splits, split_region
from sunpy_superres.evaluation.evaluate import evaluate, interpolated_map
from sunpy_superres.evaluation.scores import Scores, score
from sunpy_superres.evaluation.truth import frames_with_truth
from sunpy_superres.training.export import export

TEST, VALIDATION = 50001, 50002


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Frames of a test, a validation and a training region; sides no multiples of 4."""
    folder = tmp_path_factory.mktemp("data")
    truth = example_hmi_map()
    for number, (harp, first) in enumerate(
        ((TEST, 130), (VALIDATION, 160), (98, 190), (98, 90), (TEST, 100))
    ):
        part = truth.data[first : first + 201, 120:322]
        time = f"2010-10-15T0{number}:00:00"
        cards = {"harpnum": harp, "lon_fwt": 10.0 + number, "t_obs": time, "date-obs": time}
        meta = dict(truth.meta, crpix1=truth.meta["crpix1"] - 120, **cards)
        meta["crpix2"] -= first
        sunpy.map.Map(part, meta).save(folder / f"frame{9 - number}.fits")
    splits = {"test": [f"harp{TEST}"], "validation": [f"harp{VALIDATION}"]}
    (folder / "splits.json").write_text(json.dumps(splits))
    return folder


def names_of(data, split):
    return [(frame.name, frame.region) for frame in frames_with_truth(data, split)]


def test_frames_are_those_of_their_split_in_the_order_of_time(data):
    frame, _ = frames_with_truth(data, "test")
    assert frame.hmi_map.data.shape == (200, 200)
    assert frame.mdi_map.data.shape == (50, 50)
    assert names_of(data, "test") == [("frame9", f"HARP {TEST}"), ("frame5", f"HARP {TEST}")]
    assert names_of(data, "validation") == [("frame8", f"HARP {VALIDATION}")]
    # The frame of a training region that is nearest to the central meridian.
    assert names_of(data, "calibration") == [("frame7", "HARP 98")]


def test_the_example_needs_no_data(tmp_path):
    (frame,) = frames_with_truth(tmp_path, "example")
    assert frame.hmi_map.data.shape == tuple(4 * n for n in frame.mdi_map.data.shape)
    assert "not an observation" in frame.mdi_map.meta["content"]


def test_noise_is_a_quantity(data):
    frame, _ = frames_with_truth(data, "test", noise=2.4 * u.mT)
    assert frame.mdi_map.meta["interval"] == 30.0
    again, _ = frames_with_truth(data, "test", noise=24 * u.G)
    np.testing.assert_allclose(frame.mdi_map.data, again.mdi_map.data)
    for wrong in (12.0, 3 * u.s):
        with pytest.raises(ValueError, match="noise must be"):
            evaluate(data, noise=wrong)


def test_simulated_frames_can_be_resampled(data):
    options = {"resampling": "nearest", "angle": 10 * u.deg}
    for frame in frames_with_truth(data, "validation", **options):
        assert (frame.mdi_map.meta["simresam"], frame.mdi_map.meta["simangle"]) == ("nearest", 10)
        values = frame.mdi_map.data
        assert np.unique(values).size < 0.98 * values.size


def test_the_command_passes_resampling_on(data, monkeypatch):
    given = {}
    monkeypatch.setattr(Scores, "table", lambda self: {})
    monkeypatch.setattr(
        "sunpy_superres.evaluation.evaluate.evaluate",
        lambda *_, **options: given.update(options) or {"all": Scores()},
    )
    assert main(["evaluate", str(data), "--resampling", "bilinear", "--angle", "2.5"]) == 0
    assert given["resampling"] == "bilinear"
    assert given["angle"] == 2.5 * u.deg
    assert main(["evaluate", str(data)]) == 0
    assert given["resampling"] is None


def test_frames_without_a_list_are_split_by_their_region(data, tmp_path):
    """The regions that the embedded model was not trained on stay held out."""
    known = read_splits()
    numbers = {split: next(int(r[4:]) for r in known if known[r] == split) for split in HELD_OUT}
    for name, harp in (("frame9", numbers["test"]), ("frame8", numbers["validation"]),
                       ("frame7", 98), ("frame6", 98)):  # fmt: skip
        smap = sunpy.map.Map(data / f"{name}.fits")
        sunpy.map.Map(smap.data, dict(smap.meta, harpnum=harp)).save(tmp_path / f"{name}.fits")
    (one, _), (other,) = frames_with_truth(data, "test"), frames_with_truth(tmp_path, "test")
    assert (other.name, other.region) == (one.name, f"HARP {numbers['test']}")
    np.testing.assert_array_equal(one.mdi_map.data, other.mdi_map.data)
    assert names_of(tmp_path, "validation") == [("frame8", f"HARP {numbers['validation']}")]
    assert split_region("harp98") == "train"
    assert names_of(tmp_path, "calibration") == [("frame7", "HARP 98")]


def test_the_list_of_a_folder_counts_whatever_the_quality(data, tmp_path):
    smap = sunpy.map.Map(data / "frame9.fits")
    sunpy.map.Map(smap.data, dict(smap.meta, quality="0x00010400")).save(tmp_path / "a.fits")
    (tmp_path / "splits.json").write_text(f'{{"test": ["harp{TEST}"]}}')
    assert names_of(tmp_path, "test") == [("a", f"HARP {TEST}")]


def with_cards(smap, **cards):
    return sunpy.map.Map(smap.data, dict(smap.meta, **cards))


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({}, False),
        ({"quality": "0x00000000"}, False),
        # A filtergram of an eclipse: another bit for each cadence.
        ({"quality": "0x00000200"}, True),
        ({"quality": 0x200, "cadence": 720.0}, True),
        ({"quality": 0x100, "cadence": 720.0}, False),
        ({"quality": 0x100, "cadence": 45.0}, True),
        ({"quality": 0x200, "cadence": 45.0}, False),
        # Poor quality, as in a lunar transit.
        ({"quality": 0x20}, True),
        # No list of cosmic rays, no gap filling, a large filter index: nothing of an eclipse.
        ({"quality": 0x1400}, False),
        # Few filtergrams; but not at the daily calibrations.
        ({"quality": "0x00010400"}, True),
        ({"quality": 66560}, True),
        ({"quality": "0x00010400", "t_obs": "2011.02.15_05:59:56_TAI"}, False),
        ({"quality": "0x00010400", "t_obs": "2011.02.15_18:11:56_TAI"}, False),
        ({"quality": "0x00010400", "t_obs": "2011.02.15_18:23:56_TAI"}, True),
        ({"quality": "0x00010600", "t_obs": "2011.02.15_05:59:56_TAI"}, True),
        # The bits of the filtergrams: eclipse, thermal recovery, lunar transit, missing pixels.
        ({"quallev1": "0x00002000"}, True),
        ({"quallev1": 0x400000}, True),
        ({"quallev1": 0x800000}, True),
        ({"quallev1": 0x100}, False),
        ({"quality": "unknown", "quallev1": "nan"}, False),
    ],
)
def test_bits_of_an_eclipse(cards, expected):
    meta = {"t_obs": "2012.03.07_08:23:56_TAI", **cards}
    meta["date-obs"] = meta["t_obs"][:10].replace(".", "-") + "T" + meta["t_obs"][11:19]
    assert has_eclipse_bits(with_cards(example_hmi_map(), **meta)) is expected


@pytest.fixture(scope="module")
def darkened(data, tmp_path_factory):
    """The same folder; the second test frame and the best calibration frame are of an eclipse."""
    folder = tmp_path_factory.mktemp("darkened")
    for path in data.glob("*.fits"):
        cards = {"quality": "0x00010400"} if path.stem in ("frame5", "frame7") else {}
        with_cards(sunpy.map.Map(path), **cards).save(folder / path.name)
    (folder / "splits.json").write_text((data / "splits.json").read_text())
    return folder


def test_frames_of_an_eclipse_have_scores_of_their_own(data, darkened):
    options = {"model": "default", "n_samples": 2, "num_steps": 1, "progress": False}
    marks = [(f.name, f.eclipse) for f in frames_with_truth(darkened, "test")]
    assert marks == [("frame9", False), ("frame5", True)]
    assert names_of(darkened, "calibration") == [("frame6", "HARP 98")]
    both = evaluate(data, **options)
    with pytest.warns(SuperResWarning, match="QUALITY = 0x00010400"):
        apart = evaluate(darkened, **options)
    assert list(both) == [f"HARP {TEST}", "all"]
    assert list(apart) == [f"HARP {TEST}", "all", "eclipse"]
    assert (both["all"].frames, apart["all"].frames) == (["frame9", "frame5"], ["frame9"])
    assert apart[f"HARP {TEST}"].table() == apart["all"].table()
    assert apart["eclipse"].frames == ["frame5"]
    # Together they are what all frames were.
    for name in ("pixels", "error_mean", "error_bicubic"):
        parts = [apart[table].sums[name] for table in ("all", "eclipse")]
        assert min(parts) > 0
        assert sum(parts) == pytest.approx(both["all"].sums[name])


def test_a_split_of_nothing_but_an_eclipse_is_refused(darkened, tmp_path):
    smap = sunpy.map.Map(darkened / "frame5.fits")
    smap.save(tmp_path / "frame5.fits")
    (tmp_path / "splits.json").write_text((darkened / "splits.json").read_text())
    options = {"n_samples": 1, "num_steps": 1, "progress": False}
    with (
        pytest.warns(SuperResWarning, match="QUALITY"),
        pytest.raises(ValueError, match=r"no frame of the split 'test' but .* \(frame5\)"),
    ):
        evaluate(tmp_path, **options)
    with pytest.raises(ValueError, match="no frame of the split 'validation'; give"):
        evaluate(tmp_path, "validation", **options)


def test_tables_of_an_eclipse_name_its_frames(darkened, enhanced, tmp_path, capsys):
    options = [str(darkened), "--n-samples", "2", "--num-steps", "1", "-o", str(tmp_path)]
    assert main(["evaluate", str(enhanced), *options]) == 0
    out = capsys.readouterr().out
    assert "== eclipse: frame5\n" in out
    lines = (tmp_path / "test_eclipse_metrics.csv").read_text().splitlines()
    assert lines[0] == "eclipse: frame5,bicubic,mean,sample,unit"
    others = (tmp_path / "test_metrics.csv").read_text().splitlines()
    assert lines[1].startswith("RMSE,")
    assert lines[1] != others[1]
    # Several models: the rows that do not depend on a frame are in the other table only.
    assert main(["evaluate", str(enhanced), "default", *options]) == 0
    assert "eclipse: frame5" in capsys.readouterr().out
    lines = (tmp_path / "test_eclipse_comparison.csv").read_text().splitlines()
    assert lines[0] == "eclipse: frame5,bicubic,nothing,default"
    others = (tmp_path / "test_comparison.csv").read_text().splitlines()
    assert others[0] == "score,bicubic,nothing,default"
    assert not any("parameters" in line for line in lines)
    assert any("parameters" in line for line in others)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "not JSON"), ('{"exam": []}', "must hold lists"), ('{"test": [1449]}', "must hold"),
     ('["harp1"]', "must hold"), ('{"test": ["harp1"], "validation": ["harp1"]}', "two splits")],
)  # fmt: skip
def test_a_damaged_list_of_splits_is_refused(tmp_path, content, message):
    (tmp_path / "splits.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_splits(tmp_path)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A folder of a pair whose HMI header is off by three HMI pixels."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "pairs").mkdir()
    truth = example_hmi_map()
    cards = {"instrume": "HMI_COMBINED", "telescop": "SDO/HMI", "crpix1": truth.meta["crpix1"] + 3}
    meta = {k: v for k, v in truth.meta.items() if k not in ("camera", "siminst")} | cards
    sunpy.map.Map(truth.data, meta).save(folder / "pairs" / "hmi.fits")
    example_mdi_map().save(folder / "pairs" / "mdi.fits")
    return folder


def test_pairs_are_registered_unless_their_header_says_they_are(pairs, tmp_path):
    (frame,) = frames_with_truth(pairs, "pairs")
    assert (frame.name, frame.region) == ("mdi", "mdi")
    truth = example_hmi_map()
    assert frame.hmi_map.data.shape == truth.data.shape
    inner = (slice(40, -40), slice(40, -40))
    assert np.corrcoef(frame.hmi_map.data[inner].ravel(), truth.data[inner].ravel())[0, 1] > 0.97
    smap = sunpy.map.Map(pairs / "pairs" / "hmi.fits")
    (tmp_path / "pairs").mkdir()
    sunpy.map.Map(smap.data, smap.meta | {"registrd": True}).save(tmp_path / "pairs" / "hmi.fits")
    with pytest.raises(FileNotFoundError, match="no MDI and HMI files"):
        names_of(tmp_path, "pairs")
    frame.mdi_map.save(tmp_path / "pairs" / "mdi.fits")
    (frame,) = frames_with_truth(tmp_path, "pairs")
    np.testing.assert_array_equal(frame.hmi_map.data, smap.data)
    assert frame.hmi_map.meta["crpix1"] == smap.meta["crpix1"]


def test_scores_of_a_pair(pairs):
    table = evaluate(pairs, "pairs", n_samples=2, num_steps=3, progress=False)["mdi"].table()
    assert table["RMSE mean (G)"] < table["RMSE bicubic (G)"]
    assert table["correlation mean"] > 0.97


def test_scores_measure_gradients_and_power_as_the_metrics_do():
    truth, baseline = example_hmi_map(), interpolated_map(example_mdi_map())
    data, known = baseline.data, np.zeros(truth.data.shape, bool)
    known[8:-8, 8:-8] = True
    noisy = data + np.random.default_rng(0).normal(0, 9, data.shape)
    arguments = (truth.data, data, noisy, np.full(data.shape, 9.0), np.stack([noisy, data]), 1.0)
    scale = float(np.mean([baseline.scale[0].value, baseline.scale[1].value]))
    table = score(*arguments, scale=scale).table()
    assert all(isinstance(value, int | float) for value in table.values())
    expected = metrics.gradient_ratio(baseline, truth, region=known)
    assert table["gradient ratio bicubic"] == pytest.approx(expected, rel=1e-5)
    for low, high in ((1.2, 2), (2, 3), (12, 20)):
        bins = [low, high] * u.arcsec
        for name, values in (("bicubic", data), ("sample", noisy)):
            smap = sunpy.map.Map(values.astype("f4"), baseline.meta)
            (expected,) = metrics.power_ratio(smap, truth, bins=bins, region=known).value
            found = table[f'power ratio {name}, {low:g}-{high:g}"']
            assert found == pytest.approx(expected.value, rel=1e-4)


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
    assert f"== HARP {TEST}" in out
    assert "RMSE mean / bicubic" in out
    assert "reliability of sample" in out
    assert sorted(p.name for p in folder.iterdir()) == ["test_metrics.csv", "test_metrics.png"]
    # Not replaced unless asked.
    assert main(["evaluate", *options]) == 1
    assert "test_metrics.csv exists; give --overwrite" in capsys.readouterr().err
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
    # An area lacks a factor of its scatter, the other keywords an error that is added.
    assert calibration["keyword_factors"].keys() <= {"AREA"}
    assert "AREA" not in calibration["keywords"]
    assert calibration["keyword_factors"].get("AREA", 1.0) >= 1
    # The weights are the same, and so is the record of their training.
    assert model.sha256 == load_model().sha256
    assert model.config["training"] == load_model().config["training"]
    # The card says what it was trained on and what was measured.
    assert "harp377" in model.card
    assert "| RMSE mean (G) | " in model.card
    before = (tmp_path / "model" / "config.json").read_bytes()
    with pytest.raises(FileExistsError, match="--overwrite"):
        export("default", tmp_path / "model", data, revision="other", progress=False)
    assert (tmp_path / "model" / "config.json").read_bytes() == before


def test_regions_of_the_training_are_not_scored(data, tmp_path, capsys):
    """Neither by a list that calls them test regions, nor without a list."""
    for name, harp in (("frame9", 377), ("frame5", TEST)):
        smap = sunpy.map.Map(data / f"{name}.fits")
        sunpy.map.Map(smap.data, dict(smap.meta, harpnum=harp)).save(tmp_path / f"{name}.fits")
    splits = tmp_path / "splits.json"
    splits.write_text(json.dumps({"test": ["harp377", f"harp{TEST}"]}))
    assert main(["evaluate", str(tmp_path), "--n-samples", "2", "--noise", "15"]) == 0
    out, err = capsys.readouterr()
    assert "note: HARP 377: not scored, because the model was trained on it." in err
    assert out.startswith(
        f"default: split 'test' of {tmp_path}, HARP {TEST} (frames: 1), 15 G of noise, 2 members\n"
    )
    assert "== HARP 377" not in out
    splits.write_text(json.dumps({"test": ["harp377"]}))
    with (
        pytest.warns(SuperResWarning, match="HARP 377: not scored"),
        pytest.raises(ValueError, match="regions for it that default was not trained on"),
    ):
        evaluate(tmp_path, n_samples=2, progress=False)
    assert split_region("harp377") == "train"


@pytest.fixture(scope="module")
def enhanced(tmp_path_factory):
    """A deterministic model that adds nothing to the interpolated frame."""
    import torch

    from sunpy_superres.models.deterministic import Deterministic, DeterministicConfig
    from sunpy_superres.models.loading import save_model
    from sunpy_superres.sampling.schedule import SolverSettings

    network = Deterministic(DeterministicConfig("enhance", 4, (1,) * 6))
    torch.nn.init.zeros_(network.network.head.weight)
    torch.nn.init.zeros_(network.network.head.bias)
    folder = tmp_path_factory.mktemp("models") / "nothing"
    calibration = {"field": [0.0, 1.0], "factor": [10.0, 10.0], "mean_weight": 1.0}
    save_model(
        folder, network, sampler=SolverSettings(1).to_dict(), calibration=calibration,
        training={}, revision="t", architecture="enhance",
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
