"""The tools beside the package: interpolated frames, and the project's own data folder."""

import json

import numpy as np
import pytest
import sunpy.map
from astropy.io import fits
from astropy.table import Table
from scipy import ndimage
from test_pack import sharp_header
from test_training import field

import pairs_figure
import public_benchmark
from interpolated_frames import recover_native_frame
from project_data import frames_of_manifest, main, pair_header
from sunpy_superres.data import example_hmi_map
from sunpy_superres.datasets.packed import load_pack
from sunpy_superres.datasets.splits import read_splits
from sunpy_superres.evaluation.truth import frames_with_truth


def interpolate(frame, size, period, phase):
    """Bilinear interpolation of ``frame`` to finer pixels."""
    where = [(np.arange(size) - phase[axis]) / period for axis in (0, 1)]
    return ndimage.map_coordinates(frame, np.meshgrid(*where, indexing="ij"), order=1)


@pytest.mark.parametrize("phase", [(-1.2, -0.4), (0.0, 0.0)])
@pytest.mark.parametrize("period", [1.5, 2.0, 2.7317, 3.3, 4.0])
def test_native_pixels_are_recovered_from_an_interpolated_frame(period, phase):
    """At any period, and where a fine pixel lies exactly on each of MDI's."""
    rng = np.random.default_rng(0)
    frame = rng.normal(0, 30, (90, 90))
    fine = interpolate(frame, 120, period, phase)
    found, periods, origin, misfit = recover_native_frame(fine)
    np.testing.assert_allclose(periods, period, atol=1e-4)
    assert misfit < 1e-2
    # Pixel 0 of the result is some pixel of the frame: the first one that is seen.
    first = np.round((origin - phase) / periods).astype(int)
    inner = found[3:-3, 3:-3]
    rows, columns = (slice(f + 3, f + 3 + n) for f, n in zip(first, inner.shape, strict=True))
    np.testing.assert_allclose(inner, frame[rows, columns], atol=0.5)


def test_axes_have_periods_of_their_own_and_rounded_values_do_no_harm():
    rng = np.random.default_rng(1)
    frame = 8 * ndimage.gaussian_filter(rng.normal(0, 30, (60, 60)), 1.0)
    fine = interpolate(frame.T, 110, 2.2, (0.3, 0.3)), interpolate(frame, 110, 5.1, (-1.0, 0.5))
    for image, period in zip(fine, (2.2, 5.1), strict=True):
        found = recover_native_frame(np.round(image, 1))[1]
        np.testing.assert_allclose(found, period, atol=5e-3)
    columns = (np.arange(110) - 0.3) / 3.3
    both = ndimage.map_coordinates(
        frame, np.meshgrid((np.arange(110) + 1.0) / 2.2, columns, indexing="ij"), order=1
    )
    np.testing.assert_allclose(recover_native_frame(both)[1], (2.2, 3.3), atol=1e-4)


@pytest.mark.parametrize("image", [np.random.default_rng(0).normal(0, 9, (80, 80)),
                                   np.zeros((80, 80))], ids=["noise", "nothing"])  # fmt: skip
def test_a_frame_that_was_not_interpolated_is_refused(image):
    with pytest.raises(ValueError, match="not interpolated linearly"):
        recover_native_frame(image)


@pytest.mark.real_data
def test_real_frames_of_the_pairs_are_explained(real_data):
    """The periods are ratios of whole numbers, by which the source had resized the frames."""
    for name, ratio in (("AR11101", 128 / 47), ("AR11117", 512 / 187)):
        image = fits.getdata(next((real_data / "pairs").glob(f"mdi_*{name}.fits")))
        _, period, _, misfit = recover_native_frame(image)
        np.testing.assert_allclose(period, ratio, atol=1e-5)
        assert misfit < 1e-4


def test_headers_of_a_pair_put_hmi_where_the_frame_lies():
    matrix, origin = np.array([[2.74, 0.02], [-0.01, 2.71]]), np.array([4.0, -3.0])
    middle, place, stamp = np.array([9.5, 14.5]), (379.2, 254.4), "2010-10-27T22:24:00"
    mdi = sunpy.map.Map(np.zeros((20, 30)), pair_header(middle, stamp, place))
    reference = origin + matrix @ middle
    header = pair_header(reference, stamp, place, np.linalg.inv(matrix))
    hmi = sunpy.map.Map(np.zeros((60, 90)), header)
    index = np.array([[0, 3, 19], [2, 25, 11]])
    row, column = origin[:, None] + matrix @ index
    expected = mdi.wcs.pixel_to_world_values(index[1], index[0])
    np.testing.assert_allclose(hmi.wcs.pixel_to_world_values(column, row), expected, atol=1e-10)
    there = mdi.pixel_to_world(*(middle[::-1] * mdi.dimensions[0].unit))
    assert (there.Tx.value, there.Ty.value) == pytest.approx(place)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A folder as the project's: magnetograms, a pair without headers, and a manifest."""
    folder = tmp_path_factory.mktemp("shared")
    records = []
    kinds = [
        ("hmi_sharp_cea_los", 377, 0, 7), ("hmi_sharp_cea_los", 377, 1, 7),
        ("hmi_sharp_cea_los", 1449, -20, 9), ("hmi_sharp_cea_los", 1425, 69, 9),
        ("hmi_sharp_cea_los", 9, 50, 9), ("hmi_sharp_cea_los", 10, 80, 9),
        ("hmi_sharp_cea_los", 11, 0, 50), ("hmi_sharp_cea_projected", 12, 0, 50),
        ("hmi_sharp_cea_br", 12, 0, 9),
    ]  # fmt: skip
    for number, (kind, harp, longitude, noise) in enumerate(kinds):
        name, header = f"frame{number}.fits", sharp_header(longitude)
        header["harpnum"] = harp
        header["lon_fwt"] = longitude
        values = np.full((60, 80), -1360.0, np.float32) if harp == 12 else field(number, (60, 80))
        fits.writeto(folder / name, values, header)
        records.append({"file": name, "kind": kind, "harpnum": harp, "lon_fwt": longitude,
                        "lat_fwt": 10.0, "mad_sigma": noise})  # fmt: skip
    for name, noise in (("ar12470_spot.fits", 129.0), ("cutout.fits", 8.0)):
        fits.writeto(folder / name, field(9, (60, 80)))
        records.append({"file": name, "kind": "hmi_ccd_cutout_los", "mad_sigma": noise})
    records.append({"file": "missing.fits", "kind": "mdi_fulldisk"})
    (folder / "MANIFEST.json").write_text(json.dumps(records))
    hmi = example_hmi_map().data[150:290, 150:290]
    seen = ndimage.uniform_filter(ndimage.gaussian_filter(hmi, 1.7), 3)
    native = np.mgrid[:53, :53] * 2.75 - 1.0
    native = 1.4 * ndimage.map_coordinates(seen, native, mode="nearest")
    fine = interpolate(native, 140, 2.75, (-1.0, -1.0))
    (folder / "pairs").mkdir()
    fits.writeto(folder / "pairs" / "mdi_20101027_222400_AR11117.fits", fine)
    fits.writeto(folder / "pairs" / "hmi.b_720s.20101027_222400_TAI.los.fits", hmi)
    return folder


def test_the_projects_files_are_packed(shared, tmp_path, capsys):
    frames = list(frames_of_manifest(shared))
    assert [(f.name, f.region, f.split) for f in frames] == [
        ("frame1.fits", "harp377", "train"),
        ("frame2.fits", "harp1449", "test"),
        ("frame3.fits", "harp1425", "validation"),
        ("frame3.fits#ccd", "harp1425", "validation"),
        ("frame4.fits", "harp9", "train"),
        ("frame4.fits#ccd", "harp9", "train"),
        ("frame7.fits", "harp12", "train"),
        ("ar12470_spot.fits", "ar12470", "train"),
        ("cutout.fits", "harp377", "train"),
    ]
    # Projected field of 1360 G was 1019 G: between 800 G, read as 1008, and 1200 G, read as 1632.
    expected = -(800 + 400 * (1360 - 1008) / (1632 - 1008))
    np.testing.assert_allclose(frames[6].field, expected, rtol=1e-5)
    assert main(["pack", str(shared), str(tmp_path / "p.safetensors")]) == 0
    assert "train: 6 frames, 4 regions" in capsys.readouterr().out
    assert len(load_pack(tmp_path / "p.safetensors", "train")) == 6


def test_the_projects_folder_is_prepared(shared, tmp_path):
    for _ in range(2):  # the second time it is there
        assert main(["prepare", str(shared), str(tmp_path)]) == 0
    links = sorted(path.name for path in tmp_path.glob("*.fits"))
    assert links == [f"frame{n}.fits" for n in range(7)]
    assert read_splits(tmp_path) == read_splits()
    assert [f.region for f in frames_with_truth(tmp_path, "test")] == ["HARP 1449"]
    (pair,) = frames_with_truth(tmp_path, "pairs")
    assert pair.name == "mdi_20101027_222400_AR11117"
    centre = pair.hmi_map.center
    assert (centre.Tx.value, centre.Ty.value) == pytest.approx((379.2, 254.4), abs=0.1)
    # What HMI shows at MDI's pixels is what they hold.
    index = np.mgrid[8:42, 8:42].reshape(2, -1)
    world = pair.mdi_map.wcs.pixel_to_world_values(*index[::-1])
    column, row = pair.hmi_map.wcs.world_to_pixel_values(*world)
    seen = ndimage.uniform_filter(ndimage.gaussian_filter(pair.hmi_map.data, 1.7), 3)
    there = ndimage.map_coordinates(seen, [row, column])
    assert np.corrcoef(there, pair.mdi_map.data[tuple(index)])[0, 1] > 0.995


def test_the_page_of_systems_is_made_of_the_table_of_the_pairs():
    """It is up to date, and has each score of each system."""
    made = public_benchmark.build()
    kept = Table.read(public_benchmark.TABLES / "public_benchmark.csv", format="ascii.csv")
    advice = "run python tools/public_benchmark.py"
    assert made.colnames == kept.colnames, advice
    pairs = Table.read(public_benchmark.TABLES / "pairs_comparison.csv", format="ascii.csv")
    assert len(made) == len(pairs.colnames) - 1
    (rmse,) = (row for row in pairs if row["score"] == "RMSE (G)")
    assert list(made["RMSE (G)"]) == [rmse[name] for name in pairs.colnames[1:]]
    assert not any(name.startswith(("parameters", "seconds")) for name in made.colnames)
    for row, other in zip(made.iterrows(), kept.iterrows(), strict=True):
        for name, value, written in zip(made.colnames, row, other, strict=True):
            empty = value is np.ma.masked
            assert (written is np.ma.masked) if empty else (written == value), f"{name}: {advice}"


def test_a_system_of_somebody_else_is_pooled_over_its_pairs(tmp_path):
    folder = tmp_path / "contributed" / "theirs"
    folder.mkdir(parents=True)
    for name, pixels, rmse, flux, reference, correlation in (
        ("AR11101", 100, 30.0, 9.0, 10.0, 0.96),
        ("AR11117", 300, 50.0, 25.0, 30.0, 0.98),
    ):
        (folder / f"{name}.csv").write_text(
            "metric,value,bicubic,reference,relative_error,unit\n"
            f"pixels,{pixels},{pixels},,,\nRMSE,{rmse},60,0,,G\n"
            f"unsigned flux,{flux},1,{reference},,Mx\ncorrelation,{correlation},,1,,\n"
        )
    (tmp_path / "systems.csv").write_text(
        "column,system,trained,scored,configuration\n"
        "bicubic,Bicubic,,2026-11-26,none\ntheirs,A network,2026-01-02,2026-11-27,large\n"
    )
    pairs = tmp_path / "pairs_comparison.csv"
    scores = "RMSE (G),44.0\ncorrelation,0.97\nunsigned flux ratio,0.95\nCRPS (G),\n"
    pairs.write_text(f"score,bicubic\n{scores}parameters (M),\n")
    table = public_benchmark.build(tmp_path)
    assert table.colnames == [
        "system", "trained", "scored", "configuration", "RMSE (G)", "correlation",
        "unsigned flux ratio", "CRPS (G)",
    ]  # fmt: skip
    theirs = table[1]
    assert theirs["system"] == "A network"
    assert theirs["RMSE (G)"] == pytest.approx(np.sqrt((100 * 900 + 300 * 2500) / 400))
    assert theirs["unsigned flux ratio"] == pytest.approx(34 / 40)
    assert theirs["correlation"] == pytest.approx(0.97)
    assert theirs["CRPS (G)"] is np.ma.masked
    assert table["RMSE (G)"][0] == 44.0
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="no column theirs, and contributed/theirs no table"):
        public_benchmark.build(tmp_path)
    pairs.write_text(f"score,bicubic,new\n{scores.replace(chr(10), ',1' + chr(10))}")
    with pytest.raises(ValueError, match="systems.csv lacks new"):
        public_benchmark.build(tmp_path)


def test_windows_of_a_pair_show_a_spot_and_network():
    """The spot's window holds it; that of the network holds field, but none of the spot's."""
    truth = np.zeros((380, 380))
    row, column = np.mgrid[:380, :380]
    truth[np.hypot(row - 250, column - 120) < 20] = -1800.0
    network = (np.abs(row - 100) < 30) & (np.abs(column - 290) < 30)
    truth[network & (row % 6 < 2)] = 250.0
    windows = pairs_figure.choose_windows(truth)
    side = pairs_figure.SIDE
    parts = {n: np.abs(truth[r : r + side, c : c + side]) for n, (r, c) in windows.items()}
    assert (parts["spot"] > 1000).sum() == (truth < -1000).sum()
    assert parts["network"].max() == 250.0
    assert (parts["network"] > 0).sum() == (truth > 0).sum()
    assert all(n % 4 == 0 for corner in windows.values() for n in corner)
