"""The packed training file: what is taken from a folder, by the headers."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from test_training import field

from sunpy_superres import SuperResWarning
from sunpy_superres.cli import main
from sunpy_superres.datasets.packed import Frame, load_pack, save_pack
from sunpy_superres.datasets.packing import PackConfig, frames_of_maps, squeeze_to_ccd


def test_squeezing_follows_foreshortening():
    wide = field(shape=(60, 200))
    wide[:5] = np.nan
    squeezed = squeeze_to_ccd(wide, 60.0, 0.0)
    assert squeezed.shape == (60, 100)
    assert np.isnan(squeezed[:5]).all()
    assert np.nanmean(squeezed) == pytest.approx(np.nanmean(wide), abs=2.0)


def sharp_header(longitude, latitude=10.0):
    """Of a SHARP patch of 80 x 60 pixels, as far as its geometry goes."""
    return fits.Header(
        {
            "ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "degree", "cunit2": "degree",
            "cdelt1": 0.03, "cdelt2": 0.03, "crpix1": 40.5, "crpix2": 30.5,
            "crval1": 100.0 + longitude, "crval2": latitude, "crln_obs": 100.0, "crlt_obs": 0.0,
            "dsun_obs": 1.496e11, "rsun_ref": 6.96e8, "rsun_obs": 960.0, "bunit": "Gauss",
            "date-obs": "2011-02-15T00:00:00", "telescop": "SDO/HMI", "instrume": "HMI_SIDE1",
            "content": "MAGNETOGRAM",
        }
    )  # fmt: skip


def test_frames_of_a_folder_with_splits(tmp_path, capsys):
    for number, (harp, longitude, noise) in enumerate(
        [
            (377, 0, 7),
            (377, 1, 7),
            (21, -20, 9),
            (22, 69, 9),
            (9, 50, 9),
            (10, 80, 9),
            (11, 0, 50),
            (12, 0, 7),
        ]
    ):
        header = sharp_header(longitude)
        if harp == 12:
            header["quality"] = "0x00000200"  # an eclipse
        header.update({"harpnum": harp, "lon_fwt": longitude, "lat_fwt": 10.0})
        values = np.random.default_rng(number).normal(0, noise, (60, 80)).astype(np.float32)
        fits.writeto(tmp_path / f"frame{number}.fits", values, header)
    (tmp_path / "pairs").mkdir()
    fits.writeto(tmp_path / "pairs" / "hmi.fits", values, header)
    (tmp_path / "splits.json").write_text('{"test": ["harp21"], "validation": ["harp22"]}')
    with pytest.warns(SuperResWarning) as caught:
        frames = list(frames_of_maps(tmp_path, PackConfig(thinning=((377, 2),))))
    reasons = [str(w.message).partition(" is left out: ")[::2] for w in caught]
    assert [name for name, _ in reasons] == ["frame5.fits", "frame6.fits", "frame7.fits"]
    for (_, reason), part in zip(
        reasons, ("80 degrees", "noise is 49.4 G", "eclipse"), strict=True
    ):
        assert part in reason
    assert [(f.name, f.split) for f in frames] == [
        ("frame1.fits", "train"),
        ("frame2.fits", "test"),
        ("frame3.fits", "validation"),
        ("frame3.fits#ccd", "validation"),
        ("frame4.fits", "train"),
        ("frame4.fits#ccd", "train"),  # also as the CCD saw it
    ]
    sides = {f.name: f.foreshortening for f in frames}
    assert sides["frame4.fits#ccd"] is None
    assert sides["frame4.fits"].shape == (2, 3, 4)
    # The projection's equator goes through the patch: along x the cosine of the longitude.
    along_x, along_y = sides["frame4.fits"][:, 1, 1]
    assert along_x == pytest.approx(np.cos(np.radians(50)), abs=0.01)
    assert along_y == pytest.approx(1, abs=0.02)
    with pytest.warns(SuperResWarning):
        few = list(frames_of_maps(tmp_path, PackConfig(oversampled_from=40.0)))
    assert [f.name for f in few][-1:] == ["frame4.fits#ccd"]
    assert "frame4.fits" not in [f.name for f in few]
    assert main(["pack", str(tmp_path), "-o", str(tmp_path / "out" / "p.safetensors")]) == 0
    out, err = capsys.readouterr()
    assert "train: 3 files of 2 regions; 4 frames, of them 1 as they looked on the CCD" in out
    assert "note: frame6.fits is left out: its noise is 49.4 G" in err
    assert len(load_pack(tmp_path / "out" / "p.safetensors", "train")) == 4


def test_frames_of_a_folder_without_splits(tmp_path):
    """Regions by HARPNUM, disks by rotation; what is no HMI magnetogram is said and left out."""
    import sunpy.map

    from sunpy_superres.data import example_hmi_map, example_mdi_map

    hmi_map = example_hmi_map()
    for name, cards in (
        ("a", {"harpnum": 1449}),
        ("b", {"harpnum": 5, "lon_fwt": 80.0}),
        ("c", {"harpnum": 5, "lon_fwt": 10.0}),
        ("eclipse", {"harpnum": 5, "quality": "0x00010000"}),
    ):
        sunpy.map.Map(hmi_map.data, dict(hmi_map.meta, **cards)).save(tmp_path / f"{name}.fits")
    sunpy.map.Map(
        hmi_map.data, dict(hmi_map.meta, instrume="HMI_SIDE1", camera=1, harpnum=71)
    ).save(tmp_path / "side.fits")
    example_mdi_map().save(tmp_path / "coarse.fits")
    (tmp_path / "broken.fits").write_bytes(b"no FITS")
    config = PackConfig(shares=())
    with pytest.warns(SuperResWarning) as caught:
        frames = list(frames_of_maps(tmp_path, config))
    assert [(f.name, f.region, f.split) for f in frames] == [
        ("a.fits", "harp1449", "test"), ("c.fits", "harp5", "train"),
        ("side.fits", "harp71", "test"),
    ]  # fmt: skip
    assert {Path(str(w.message).split(" is left")[0]).name for w in caught} == {
        "coarse.fits", "broken.fits", "eclipse.fits", "b.fits",
    }  # fmt: skip
    smap = sunpy.map.Map(tmp_path / "a.fits")
    frames = list(frames_of_maps([smap, str(tmp_path / "c.fits")], config))
    assert [f.name for f in frames] == ["map0000", str(tmp_path / "c.fits")]
    np.testing.assert_array_equal(frames[0].field, smap.data.astype(np.float32))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no FITS file"):
        list(frames_of_maps(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        list(frames_of_maps(tmp_path / "nothing"))


def test_splits_of_a_folder_follow_the_region_alone_with_a_buffer():
    import sunpy.map

    from sunpy_superres.data import example_hmi_map
    from sunpy_superres.datasets.splits import assign_split, split_region

    splits = [split_region(f"harp{n}") for n in range(20000, 24000)]
    assert splits.count("test") / 4000 == pytest.approx(0.2, abs=0.03)
    assert splits.count("validation") / 4000 == pytest.approx(0.1, abs=0.02)
    hmi_map = example_hmi_map()
    found = {}
    for day in range(400):
        stamp = str(np.datetime64("2011-01-01") + np.timedelta64(day, "D"))
        meta = dict(hmi_map.meta, **{"date-obs": stamp, "t_obs": stamp})
        region, split = assign_split(sunpy.map.Map(hmi_map.data, meta))
        found[day] = (region, split)
    for day, (region, split) in found.items():
        if split is not None:
            near = {found[d][1] for d in range(max(day - 2, 0), min(day + 3, 400))}
            assert near <= {split, None}
            assert all(s in (split, None) for r, s in found.values() if r == region)
    assert {split for _, split in found.values()} >= {"train", None}


def test_a_pack_is_thinned_to_its_limit(tmp_path):
    from sunpy_superres.datasets.packing import thin_frames

    frames = [Frame(f"l{i}", "long", "train", field(i)) for i in range(8)]
    frames.insert(3, Frame("s", "short", "train", field(9)))
    assert thin_frames(frames) == frames
    limit = 0.3
    kept = thin_frames(frames, limit)
    assert [f.name for f in kept] == ["l0", "l2", "s", "l4", "l6"]
    save_pack(kept, tmp_path / "p.safetensors")
    assert (tmp_path / "p.safetensors").stat().st_size <= limit * 2**20
    with pytest.raises(ValueError, match="larger limit"):
        thin_frames(frames, 0.05)


@pytest.mark.filterwarnings("ignore:.*is left out")
def test_a_pack_of_nothing_usable_is_an_error(tmp_path, capsys):
    (tmp_path / "bad.fits").write_bytes(b"cut short")
    assert main(["pack", str(tmp_path), "-o", str(tmp_path / "pack")]) == 1
    assert "can be used, so nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "pack").exists()
