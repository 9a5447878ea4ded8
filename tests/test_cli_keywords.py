"""The command ``keywords``: many files, one table, and what becomes of a bad one."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.table import QTable, Table

from sunpy_superres import metrics, read_map
from sunpy_superres.batch.keywords import find_measurable
from sunpy_superres.cli import main

FAST = ["--samples", "2", "--num-steps", "1", "--quiet"]


@pytest.fixture(scope="module")
def region_file(tmp_path_factory, mdi_header):
    """An MDI frame with one bipole that is large enough to be found."""
    shape = (64, 72)
    y, x = np.mgrid[: shape[0], : shape[1]]
    data = 12 * np.random.default_rng(0).standard_normal(shape)
    for sign, column in ((1, 28), (-1, 42)):
        data += sign * 900 * np.exp(-((x - column) ** 2 + (y - 32) ** 2) / (2 * 5**2))
    path = tmp_path_factory.mktemp("region") / "region.fits"
    sunpy.map.Map(np.round(data, 1), mdi_header(shape, corner=(480, 470))).save(path)
    return path


@pytest.fixture
def sharp(tmp_path):
    """Magnetogram and bitmap of a patch."""
    shape = (60, 80)
    header = {
        "ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "deg", "cunit2": "deg",
        "cdelt1": 0.03, "cdelt2": 0.03, "crpix1": 40.5, "crpix2": 30.5, "crval1": 110.0,
        "crval2": 5.0, "crln_obs": 100.0, "crlt_obs": 0.0, "date-obs": "2011-02-14T00:00:00",
        "dsun_obs": 1.48e11, "rsun_ref": 6.96e8, "bunit": "Gauss", "telescop": "SDO/HMI",
        "instrume": "HMI_SIDE1", "harpnum": 377,
    }  # fmt: skip
    data = np.full(shape, 300.0)
    data[:, 40:] *= -1
    path = tmp_path / "hmi.sharp.377.magnetogram.fits"
    sunpy.map.Map(data, header).save(path)
    bits = np.full(shape, 1, np.int16)
    bits[10:50, 20:60] = 34
    return path, lambda: sunpy.map.Map(bits, dict(header, bunit="")).save(
        tmp_path / "hmi.sharp.377.bitmap.fits"
    )


@pytest.mark.parametrize("suffix", [".ecsv", ".csv", ".fits"])
def test_table_is_that_of_the_function(region_file, tmp_path, capsys, suffix):
    path = tmp_path / f"table{suffix}"
    assert main(["keywords", str(region_file), "-o", str(path)]) == 0
    assert "regions: 1; files that failed: 0" in capsys.readouterr().out
    table = (QTable if suffix == ".ecsv" else Table).read(path)
    expected = metrics.region_keywords(read_map(region_file))
    assert table.colnames == ["file", "date", "instrument", *expected.colnames]
    assert str(table["file"][0]) == str(region_file)
    for name in ("R_VALUE", "USFLUXL", "AREA_ACR"):
        values = u.Quantity([table[name][0], expected[name][0]]) if suffix == ".ecsv" else [
            float(table[name][0]), float(getattr(expected[name][0], "value", expected[name][0]))
        ]  # fmt: skip
        assert float(values[0] / values[1]) == pytest.approx(1, rel=1e-6)
    if suffix == ".ecsv":
        assert table["USFLUXL"].unit == u.Mx
        assert "sunpy_superres" in table.meta["software"]


@pytest.mark.needs_torch
def test_samples_give_error_bars(region_file, tmp_path):
    path = tmp_path / "table.ecsv"
    assert main(["keywords", str(region_file), *FAST, "-o", str(path)]) == 0
    table = QTable.read(path)
    assert len(table) == 1
    assert table["instrument"][0] == "MDI, super-resolved"
    assert table["USFLUXL_err"][0] > 0 * u.Mx
    assert table["USFLUXL_p16"][0] < table["USFLUXL_p84"][0]
    assert table.meta["members"] == 2
    # HMI's scale: the flux is smaller by the ratio of the instruments.
    raw = metrics.region_keywords(read_map(region_file))
    assert 1.2 < float(raw["USFLUXL"][0] / table["USFLUXL"][0]) < 1.7


def test_a_bad_file_does_not_stop_the_rest(region_file, tmp_path, capsys):
    bad = tmp_path / "bad.fits"
    bad.write_bytes(b"SIMPLE")
    path = tmp_path / "table.csv"
    assert main(["keywords", str(bad), str(region_file), "--quiet", "-o", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"failed: {bad}: {bad} is not a readable FITS image")
    assert len(Table.read(path)) == 1
    assert main(["keywords", str(bad), "-o", str(tmp_path / "none.csv")]) == 1
    assert "No file could be measured" in capsys.readouterr().err
    assert not (tmp_path / "none.csv").exists()


def test_a_patch_is_one_region_by_its_bitmap(sharp, tmp_path):
    magnetogram, save_bitmap = sharp
    path = tmp_path / "table.ecsv"
    for number, save in ((60 * 80, lambda: None), (40 * 40, save_bitmap)):
        save()
        command = ["keywords", str(magnetogram), "--quiet", "--overwrite", "-o", str(path)]
        assert main(command) == 0
        assert QTable.read(path)["CMASKL"].tolist() == [number]
    # In a folder, the bitmap is no file to be measured.
    assert find_measurable(tmp_path) == [str(magnetogram)]
    assert main([*command, "--whole"]) == 0
    assert QTable.read(path)["CMASKL"].tolist() == [60 * 80]


@pytest.mark.needs_torch
def test_results_of_a_batch_are_measured(region_file, tmp_path, capsys):
    results = tmp_path / "results"
    options = ["--n-samples", "2", "--num-steps", "1", "--quiet"]
    assert main(["run", str(region_file), *options, "-o", str(results)]) == 0
    path = tmp_path / "table.ecsv"
    assert main(["keywords", str(results), "--quiet", "-o", str(path)]) == 0
    table = QTable.read(path)
    assert len(table) == 1
    assert table["file"][0].endswith("region_hmi_like.fits")
    assert table.meta["model"]
    assert main(["keywords", str(results), *FAST, "--overwrite", "-o", str(path)]) == 1
    assert "its members are not on disk; give the MDI file" in capsys.readouterr().err


def test_a_table_is_not_replaced_unasked(region_file, tmp_path, capsys):
    path = tmp_path / "table.csv"
    path.write_text("mine")
    assert main(["keywords", str(region_file), "-o", str(path)]) == 1
    assert f"{path} exists; give --overwrite to replace it, or" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert main(["keywords", str(region_file), "--overwrite", "-o", str(path)]) == 0
    assert len(Table.read(path)) == 1


@pytest.mark.needs_torch
def test_the_device_is_that_of_the_model(region_file, tmp_path, capsys):
    options = [*FAST, "-o", str(tmp_path / "table.csv")]
    assert main(["keywords", str(region_file), *options, "--device", "abacus"]) == 1
    assert "abacus" in capsys.readouterr().err
    assert main(["keywords", str(region_file), *options, "--device", "cpu"]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [(["-o", "x.txt"], "must end in .csv, .ecsv, .fits or .json"),
     (["-o", "x.csv", "--samples", "1"], "at least 2")],
)  # fmt: skip
def test_wrong_use(region_file, options, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["keywords", str(region_file), *options])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err
