"""Scores of any system's file: metrics of the Maps, the baseline, and the agreement with MDI."""

import json

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.io import fits
from astropy.table import Table

from sunpy_superres import metrics
from sunpy_superres.cli import main
from sunpy_superres.data import example_hmi_map, example_mdi_map
from sunpy_superres.evaluation.evaluate import interpolated_map
from sunpy_superres.evaluation.result_files import (
    check_consistency,
    compare_files,
    compare_result,
)
from sunpy_superres.files import write_table

SIGMA = 25.0


@pytest.fixture(scope="module")
def truth():
    """The example as an HMI Map."""
    smap = example_hmi_map()
    cards = {"instrume": "HMI_COMBINED", "telescop": "SDO/HMI"}
    meta = {k: v for k, v in smap.meta.items() if k not in ("camera", "siminst")}
    return sunpy.map.Map(smap.data.astype(np.float32), meta | cards)


@pytest.fixture(scope="module")
def result(truth):
    """HMI with an error of 25 G: a result whose uncertainty is known."""
    error = np.random.default_rng(4).normal(0, SIGMA, truth.data.shape)
    return sunpy.map.Map((truth.data + error).astype(np.float32), example_hmi_map().meta)


@pytest.fixture(scope="module")
def files(truth, result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    truth.save(folder / "hmi.fits")
    result.save(folder / "result.fits")
    example_mdi_map().save(folder / "mdi.fits")
    sigma = np.full(truth.data.shape, SIGMA, np.float32)
    sunpy.map.Map(sigma, result.meta).save(folder / "sigma.fits")
    moved = dict(truth.meta, crpix1=truth.meta["crpix1"] + 3)
    sunpy.map.Map(truth.data, moved).save(folder / "moved.fits")
    return folder


def rows(table, column="value"):
    return dict(zip(table["metric"], table[column], strict=True))


def test_rows_are_those_of_the_metrics(result, truth):
    table = compare_result(result, truth)
    expected = metrics.compare(result, truth)
    assert table.colnames == ["metric", "value", "reference", "relative_error", "unit"]
    assert list(table["metric"]) == ["pixels", *expected["metric"]]
    for name in ("value", "reference", "relative_error"):
        found = np.ma.filled(table[name][1:], np.nan)
        np.testing.assert_allclose(found, expected[name], rtol=1e-6, err_msg=name)
    assert list(table["unit"][1:]) == list(expected["unit"])
    assert table["value"][0] == truth.data.size


def test_the_baseline_is_scored_on_the_same_pixels(result, truth):
    missing = result.data.copy()
    missing[:100] = np.nan
    part = sunpy.map.Map(missing, result.meta)
    mdi_map = example_mdi_map()
    table = compare_result(part, truth, mdi_map=mdi_map)
    known = np.isfinite(missing)
    baseline = interpolated_map(mdi_map)
    found = rows(table, "bicubic")
    assert rows(table)["pixels"] == found["pixels"] == known.sum()
    expected = metrics.rmse(baseline, truth, region=known).value
    assert found["RMSE"] == pytest.approx(expected, rel=1e-4)
    assert rows(table)["RMSE / bicubic's"] == pytest.approx(SIGMA / expected, rel=0.02)
    # The whole frame is another number.
    assert abs(metrics.rmse(baseline, truth).value / expected - 1) > 0.01


def test_consistency_with_the_frame(truth):
    mdi_map = example_mdi_map()
    good = check_consistency(truth, mdi_map)
    assert 0.6 < good < 1.1
    stronger = sunpy.map.Map(truth.data * 1.5, truth.meta)
    assert check_consistency(stronger, mdi_map) > 3 * good
    # Where the frame's pixels are not seen, they do not count.
    part = truth.submap([120, 80] * u.pix, width=239 * u.pix, height=199 * u.pix)
    assert check_consistency(part, mdi_map) == pytest.approx(good, abs=0.25)
    # On another grid: an average over 2 x 2 pixels, interpolated back.
    coarse = truth.resample([256, 256] * u.pix)
    assert check_consistency(coarse, mdi_map) == pytest.approx(good, abs=0.05)
    elsewhere = dict(truth.meta, crval1=-700.0)
    with pytest.raises(ValueError, match="no known pixel in common"):
        check_consistency(sunpy.map.Map(truth.data, elsewhere), mdi_map)


def test_an_uncertainty_of_the_right_size(files):
    table = rows(compare_files(files / "result.fits", files / "hmi.fits",
                               uncertainty=files / "sigma.fits"))  # fmt: skip
    assert table["spread / skill"] == pytest.approx(1, abs=0.01)
    assert table["coverage, 1 sigma"] == pytest.approx(0.683, abs=0.01)
    assert table["error / uncertainty, rms"] == pytest.approx(1, abs=0.01)


def test_a_result_on_another_grid(files, tmp_path, truth):
    truth.resample([200, 200] * u.pix).save(tmp_path / "coarse.fits")
    table = compare_files(tmp_path / "coarse.fits", files / "hmi.fits", mdi=files / "mdi.fits")
    assert rows(table)["pixels"] > 190**2
    assert rows(table)["correlation"] > 0.99
    assert rows(table)["correlation"] > rows(table, "bicubic")["correlation"]
    assert table.meta["result"] == "coarse.fits"


def test_pointing_is_corrected_only_if_asked_for(files):
    common = {"mdi": files / "mdi.fits"}
    as_is = compare_files(files / "result.fits", files / "moved.fits", **common)
    registered = compare_files(files / "result.fits", files / "moved.fits", register=True, **common)
    assert rows(as_is)["correlation"] < 0.95
    assert rows(registered)["correlation"] > 0.97
    assert (as_is.meta["registered"], registered.meta["registered"]) == (False, True)
    with pytest.raises(ValueError, match="name it by --mdi"):
        compare_files(files / "result.fits", files / "moved.fits", register=True)


def test_the_command_prints_all_rows_and_writes_the_table(files, tmp_path, capsys):
    names = [str(files / f"{name}.fits") for name in ("result", "hmi", "mdi", "sigma")]
    command = ["compare", *names[:2], "--mdi", names[2], "--uncertainty", names[3]]
    tables = []
    for suffix in ("csv", "ecsv"):
        path = tmp_path / f"table.{suffix}"
        assert main([*command, "-o", str(path)]) == 0
        tables.append(Table.read(path, format=f"ascii.{suffix}"))
    printed = capsys.readouterr()
    assert printed.err == ""
    for name in tables[0]["metric"]:
        assert name in printed.out
    assert "spread / skill" in printed.out
    assert main([*command, "-o", str(tmp_path / "table.JSON")]) == 0
    content = json.loads((tmp_path / "table.JSON").read_text(encoding="utf-8"))
    assert (content["result"], content["registered"]) == ("result.fits", False)
    assert dict(tables[1].meta)["mdi"] == "mdi.fits"
    by_name = {row["metric"]: row for row in content["rows"]}
    for table in tables:
        assert rows(table)["RMSE"] == pytest.approx(by_name["RMSE"]["value"])
        assert rows(table, "bicubic")["RMSE"] == pytest.approx(by_name["RMSE"]["bicubic"])
    assert by_name["coverage, 1 sigma"]["bicubic"] is None
    assert by_name["RMSE"]["value"] == pytest.approx(SIGMA, rel=0.01)


def test_other_times_are_named(files, truth, tmp_path, capsys):
    later = dict(truth.meta, crpix1=truth.meta["crpix1"] + 0.5)
    later["date-obs"] = "2010-10-15T01:00:26.000"
    sunpy.map.Map(truth.data, later).save(tmp_path / "later.fits")
    assert main(["compare", str(files / "result.fits"), str(tmp_path / "later.fits")]) == 0
    assert "note: The maps are 60 minutes apart" in capsys.readouterr().err


def test_what_cannot_be_compared_is_refused(files, truth, tmp_path, capsys):
    def fails(message, *arguments):
        assert main(["compare", *map(str, arguments)]) == 1
        error = capsys.readouterr().err
        assert error.startswith("sunpy-superres compare: ")
        assert message in error

    result, hmi = files / "result.fits", files / "hmi.fits"
    continuum = tmp_path / "continuum.fits"
    sunpy.map.Map(truth.data, dict(truth.meta, content="CONTINUUM INTENSITY")).save(continuum)
    fails("not a magnetogram", continuum, hmi)
    fails("not a magnetogram", result, continuum)
    fails("missing.fits", tmp_path / "missing.fits", hmi)
    (tmp_path / "text.fits").write_text("no FITS")
    fails("not a readable FITS image", tmp_path / "text.fits", hmi)
    fails("not from HMI", result, _as_mdi(files, tmp_path))
    elsewhere = tmp_path / "elsewhere.fits"
    sunpy.map.Map(truth.data, dict(truth.meta, crval1=-700.0)).save(elsewhere)
    fails("no known pixel in common", elsewhere, hmi)
    other = tmp_path / "other.fits"
    truth.submap([0, 0] * u.pix, width=99 * u.pix, height=99 * u.pix).save(other)
    fails("uncertainty has another grid", result, hmi, "--uncertainty", other)
    fails("needs no super-resolution", result, hmi, "--mdi", hmi)
    for wrong in (["-o", "table.txt"], ["--register"]):
        with pytest.raises(SystemExit) as exit_:
            main(["compare", str(result), str(hmi), *wrong])
        assert exit_.value.code == 2
    with pytest.raises(ValueError, match=r"must end in \.csv, \.ecsv, \.fits or \.json"):
        write_table(Table(), tmp_path / "table.txt")


def _as_mdi(files, folder):
    """A file that says it is MDI's."""
    data, header = fits.getdata(files / "hmi.fits", header=True)
    header["INSTRUME"], header["TELESCOP"] = "MDI", "SOHO"
    fits.writeto(folder / "mdi.fits", data, header)
    return folder / "mdi.fits"
