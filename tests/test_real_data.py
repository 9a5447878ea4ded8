"""Real MDI frames, HMI regions and pairs; skipped where SUNPY_SUPERRES_DATA is not set."""

import warnings

import numpy as np
import pytest
import sunpy.map

import project_data
from sunpy_superres import SuperResWarning, read_map, super_resolve
from sunpy_superres.evaluation.evaluate import evaluate
from sunpy_superres.evaluation.truth import frames_with_truth
from sunpy_superres.maps.geometry import on_disk_mask
from sunpy_superres.maps.magnetogram import read_magnetogram

pytestmark = pytest.mark.real_data
QUICK = {"n_samples": 2, "num_steps": 3, "seed": 1, "progress": False}


@pytest.mark.parametrize("name", ["19991211", "20101015"])
def test_disk_mask_is_that_of_real_frames(real_data, name):
    """The level 1.8.2 pipeline blanks what lies off the limb; ours agrees to the pixel."""
    path = next((real_data / "mdi_fulldisk").glob(f"*{name}*"))
    smap = read_map(path)
    assert smap.data.shape == (1024, 1024)
    assert (on_disk_mask(smap) != np.isfinite(smap.data)).sum() <= 20


def test_part_of_a_real_full_disk(real_data):
    """Across the limb: finite on the disk, plausible chi-square, no halo, flux kept."""
    import astropy.units as u

    path = next((real_data / "mdi_fulldisk").glob("*19991211*"))
    mdi_map = read_map(path).submap([840, 420] * u.pix, width=183 * u.pix, height=159 * u.pix)
    hmi_like, uncertainty = super_resolve(mdi_map, **QUICK)
    inside = on_disk_mask(hmi_like)
    # A pixel or two on the limb are blank in the file; they stay missing.
    assert not np.isfinite(hmi_like.data[~inside]).any()
    assert (~np.isfinite(hmi_like.data[inside])).sum() <= 4 * 16
    assert 0.5 < hmi_like.meta["srchisq"] < 1.5
    blocks = hmi_like.data.reshape(160, 4, 184, 4).mean(axis=(1, 3))
    # Where the field stands out of the frame's noise (23-34 G here), which the result leaves
    # out; a fixed 100 G would choose, near the limb, pixels that their noise has lifted.
    noise = read_magnetogram(mdi_map).noise
    strong = np.isfinite(blocks) & (np.abs(np.nan_to_num(mdi_map.data)) > 4 * noise)
    assert strong.sum() > 100
    assert np.corrcoef(blocks[strong], mdi_map.data[strong])[0, 1] > 0.9
    assert np.nanmedian(uncertainty.data[inside]) > 5


def test_a_cutout_is_a_part_of_a_larger_one(real_data):
    """An active region, as on the full disk, which would take minutes."""
    import astropy.units as u

    smap = read_map(next((real_data / "mdi_fulldisk").glob("*19991211*")))
    options = QUICK | {"num_steps": 4, "dtype": "float32", "return_samples": True}
    larger = smap.submap([544, 502] * u.pix, width=207 * u.pix, height=207 * u.pix)
    cut = smap.submap([584, 542] * u.pix, width=127 * u.pix, height=127 * u.pix)
    whole, part = (super_resolve(m, **options).samples.data for m in (larger, cut))
    inside = slice(64, -64)  # 16 MDI pixels
    whole = whole[:, 160 : 160 + 512, 160 : 160 + 512][:, inside, inside]
    part = part[:, inside, inside]
    spread = np.sqrt(np.mean((part[0] - part[1]) ** 2) / 2)
    assert np.sqrt(np.mean((whole - part) ** 2)) < 0.1 * spread


RIGHT = {"20000101_1247_mdiB_1_8809.fits": (460, 480), "mdi.smarp_cea_96m": (564, 968)}
WRONG = {
    "bbbqa090905t1854": (TypeError, "from neither MDI nor HMI"),
    "m991211_1896_0na1": (TypeError, "from neither MDI nor HMI"),
    "mdi.fd_Ic.": (TypeError, "not a magnetogram"),
    "mdi.fd_M_96m_lev182.20101015": (ValueError, "31.78 arcsec/pixel"),
    "mdi_fd_M_96m_01d": (ValueError, "15.88 arcsec/pixel"),
    "smdi_maglc_fd": (TypeError, "uncalibrated"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_odd_files_that_are_right(real_data, name):
    path = next(p for p in (real_data / "quirks").iterdir() if p.name.startswith(name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SuperResWarning)
        smap = read_map(path)
        hmi_like, _ = super_resolve(smap, **QUICK)
    assert hmi_like.data.shape == RIGHT[name]
    pixel = smap.wcs.pixel_to_world_values(10.0, 20.0)
    np.testing.assert_allclose(hmi_like.wcs.pixel_to_world_values(41.5, 81.5), pixel, rtol=1e-9)
    assert np.isfinite(hmi_like.data).mean() > 0.99


@pytest.mark.filterwarnings("ignore::sunpy_superres.SuperResWarning")
@pytest.mark.parametrize("name", WRONG)
def test_odd_files_that_are_refused(real_data, name):
    path = next(p for p in (real_data / "quirks").iterdir() if p.name.startswith(name))
    error, message = WRONG[name]
    with pytest.raises(error, match=message):
        super_resolve(read_map(path), **QUICK)


@pytest.fixture(scope="module")
def prepared(real_data, tmp_path_factory):
    """The project's files as the commands read them, made by the tool."""
    folder = tmp_path_factory.mktemp("prepared")
    project_data.prepare(real_data, folder)
    return folder


#: Held-out frames of the published figures, by their HARP, in the order of time.
HELD_OUT_FRAMES = {
    "test": [71, 1449, 1449, 1449, 1455, 1449, 1455, 1449, 1455, 13171, 13561],
    "validation": [1425, 13866],
}


def test_held_out_frames_are_those_of_the_published_figures(prepared):
    for split, numbers in HELD_OUT_FRAMES.items():
        found = [frame.region for frame in frames_with_truth(prepared, split)]
        assert found == [f"HARP {number}" for number in numbers]


def test_better_than_bicubic_on_a_held_out_region(prepared, tmp_path):
    """The smallest test regions, one frame each; the full table is in the docs."""
    for number in (13561, 71):
        (file,) = prepared.rglob(f"*720s.{number}.*")
        (tmp_path / file.name).symlink_to(file.resolve())
    (tmp_path / "splits.json").write_text('{"test": ["harp13561", "harp71"]}')
    table = evaluate(tmp_path, n_samples=4, progress=False)["all"].table()
    assert table["RMSE mean / bicubic"] < 0.85
    assert table["RMSE sample (G)"] < 1.15 * table["RMSE bicubic (G)"]
    assert 0.75 < table["gradient ratio sample"] < 1.3
    assert table["gradient ratio bicubic"] < 0.7
    assert table["unsigned flux ratio sample"] == pytest.approx(1, abs=0.08)
    assert table["spread / skill of mean"] == pytest.approx(1, abs=0.2)
    assert 0.55 < table["within 1 sigma, mean"] < 0.8
    assert 0.88 < table["within 2 sigma, mean"] < 0.99
    assert 0.5 < table["reduced chi-square"] < 1.5


# One frame shows less noise than MDI has, since its source had resampled it.
@pytest.mark.filterwarnings("ignore::sunpy_superres.SuperResWarning")
def test_better_than_bicubic_on_real_pairs(prepared):
    table = evaluate(prepared, "pairs", n_samples=4, progress=False)["all"].table()
    # Registered by a shift alone it would be 0.88, and 0.0045.
    assert table["RMSE mean (G)"] < 0.85 * table["RMSE bicubic (G)"]
    assert table["correlation mean"] > table["correlation bicubic"] + 0.006
    assert 0.75 < table["spread / skill of mean"] < 1.2


def test_simulated_from_a_rolled_hmi_map_is_read_as_mdi(real_data):
    from sunpy_superres import simulate_mdi

    path = next((real_data / "hmi_ccd").glob("sdo-hmi_2011*"))
    mdi_map = simulate_mdi(sunpy.map.Map(path), seed=1)
    hmi_like, _ = super_resolve(mdi_map, **QUICK)
    assert hmi_like.data.shape == (496, 492)
    assert hmi_like.meta["instrume"].startswith("HMI")
    assert hmi_like.meta["siminst"] == "MDI"
