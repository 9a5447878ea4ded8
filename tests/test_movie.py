"""Movies: one scale for all frames, whole or nothing, bad files named and left out."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from matplotlib import animation
from matplotlib.image import imread
from PIL import Image
from sunpy.coordinates import propagate_with_solar_surface

from sunpy_superres import SuperResWarning
from sunpy_superres.batch import movie, write_movie
from sunpy_superres.batch.movie import find_writer
from sunpy_superres.cli import main
from sunpy_superres.maps.plotting import ResultPanels
from sunpy_superres.maps.regridding import same_grid

QUICK = {"n_samples": 2, "num_steps": 1, "progress": False}
FAST = ["--n-samples", "2", "--num-steps", "1"]


@pytest.fixture
def frames(tmp_path, mdi_header):
    """Folder of three frames, two hours apart, with a spot that the rotation carries along."""
    folder = tmp_path / "frames"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :48]
    for number in range(3):
        middle = (
            12 + 9.3 * number
        )  # MDI pixels: at disk centre the rotation carries 4.65 in an hour
        field = 800 * np.exp(-((rows - 15) ** 2 + (columns - middle) ** 2) / 18)
        field += 12 * rng.standard_normal(field.shape)
        header = mdi_header(
            (32, 48),
            corner=(496, 460),
            crln_obs=203.4617 - 1.1 * number,
            t_obs=f"2010.10.15_{2 * number:02d}:03:30.000_TAI",
            **{"date-obs": f"2010-10-15T{2 * number:02d}:00:26.000"},
        )
        sunpy.map.Map(field, header).save(folder / f"mdi{number}.fits")
    return folder


@pytest.fixture
def shown(monkeypatch):
    """What is shown in each panel of each frame: Map data and time."""
    frames = []

    class Watched(ResultPanels):
        def __init__(self, mdi_map, result, limit=None, time=None, several=False):
            super().__init__(mdi_map, result, limit, time, several)
            frames.append((mdi_map, result, time, self._look()))

        def show(self, mdi_map, result, time=None):
            super().show(mdi_map, result, time)
            frames.append((mdi_map, result, time, self._look()))

        def _look(self):
            axes = [axes for axes in self.figure.axes if hasattr(axes, "wcs")]
            return [
                (a.images[0].get_clim(), a.get_title(), np.asarray(a.images[0].get_array()))
                for a in axes
            ]

    monkeypatch.setattr(movie, "ResultPanels", Watched)
    return frames


def test_a_gif_of_all_frames(frames, tiny_model, tmp_path, shown):
    path = tmp_path / "sun.gif"
    assert write_movie(frames, path, model=tiny_model, seed=1, **QUICK) == []
    with Image.open(path) as image:
        assert (image.n_frames, image.size) == (3, (1700, 540))
    assert [time.isot[11:16] for *_, time, _ in shown] == ["00:00", "02:00", "04:00"]
    looks = [look for *_, look in shown]
    for number, (smap, result, _, look) in enumerate(shown):
        assert [clim for clim, *_ in look] == [clim for clim, *_ in looks[0]]
        assert all(title.endswith(f"2010-10-15 {2 * number:02d}:00") for _, title, _ in look)
        np.testing.assert_array_equal(look[1][2], result.hmi_like.data)
        np.testing.assert_array_equal(look[2][2], result.uncertainty.data)
        assert look[0][2].shape == smap.data.shape
        assert result.hmi_like.meta["srseed"] == 1
    assert not list(tmp_path.glob(".part-*"))


def test_a_folder_of_pictures(frames, tiny_model, tmp_path):
    folder = tmp_path / "pictures"
    assert write_movie(frames, folder, model=tiny_model, **QUICK) == []
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"frame_{number:04d}.png" for number in (1, 2, 3)]
    pictures = [imread(folder / name) for name in names]
    assert {picture.shape for picture in pictures} == {(540, 1700, 4)}
    # The panels, whose frames are black, stay where they are.
    dark = [(p[..., :3].max(axis=-1) < 0.2).sum(axis=0) > 240 for p in pictures]
    assert dark[0].sum() >= 6
    for other in dark[1:]:
        np.testing.assert_array_equal(other[:1100], dark[0][:1100])
    with pytest.raises(FileExistsError, match="not empty; name a new folder"):
        write_movie(frames, folder, model=tiny_model, **QUICK)


def test_follow_keeps_the_region_where_it_is(frames, tiny_model, tmp_path, shown):
    assert write_movie(frames, tmp_path / "a.gif", model=tiny_model, follow=True, **QUICK) == []
    first = sunpy.map.Map(frames / "mdi0.fits")
    for number, (smap, result, _, look) in enumerate(shown):
        assert smap.data.shape == (32, 48)
        assert result.hmi_like.data.shape == result.uncertainty.data.shape == (128, 192)
        assert same_grid(smap, first)
        known = np.where(np.isfinite(smap.data), smap.data, 0)
        row, column = np.unravel_index(known.argmax(), known.shape)
        assert abs(row - 15) <= 1
        assert abs(column - 12) <= 1
        assert look[0][1].endswith(f"2010-10-15 {2 * number:02d}:00")


def test_follow_is_that_of_super_resolve(frames, tiny_model, tmp_path, shown):
    """The noise does not depend on the grid that the result is put on, nor on how it is turned."""
    from sunpy_superres import super_resolve

    names = [frames / f"mdi{number}.fits" for number in (0, 1)]
    write_movie(names, tmp_path / "a.gif", model=tiny_model, follow=True, seed=4, **QUICK)
    options = QUICK | {"model": tiny_model, "seed": 4, "return_samples": True}
    smap = sunpy.map.Map(names[1])
    with propagate_with_solar_surface():
        inside = super_resolve(smap, **options).samples.data
    np.testing.assert_array_equal(inside, super_resolve(smap, **options).samples.data)
    field = shown[1][1].hmi_like
    assert field.meta["srseed"] == 4
    assert 0.7 < np.isfinite(field.data).mean() < 0.9  # the rest was not in the second frame


def test_bad_frames_are_left_out(frames, tiny_model, tmp_path, shown):
    (frames / "mdi00.fits").write_bytes(b"SIMPLE  = nothing of the kind")
    with pytest.warns(SuperResWarning, match="mdi00.fits is left out: .* is not a readable"):
        left_out = write_movie(frames, tmp_path / "a.gif", model=tiny_model, follow=True, **QUICK)
    assert [frame.name for frame in left_out] == [str(frames / "mdi00.fits")]
    assert len(shown) == 3


@pytest.mark.parametrize("name", ["a.gif", "folder"])
def test_a_movie_of_nothing_leaves_nothing(frames, tiny_model, tmp_path, name):
    path = tmp_path / name
    with (
        pytest.warns(SuperResWarning, match="left out"),
        pytest.raises(ValueError, match="No frame is left, so nothing was written. .*gone"),
    ):
        write_movie([frames / "gone.fits"], path, model=tiny_model, **QUICK)
    assert [p.name for p in tmp_path.iterdir() if p.name != "frames"] == []


def test_an_interrupted_movie_leaves_the_old_one(frames, tiny_model, tmp_path, monkeypatch):
    path = tmp_path / "a.gif"
    path.write_bytes(b"the old one")

    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(ResultPanels, "show", stop)
    with pytest.raises(KeyboardInterrupt):
        write_movie(frames, path, model=tiny_model, **QUICK)
    assert path.read_bytes() == b"the old one"
    assert not list(tmp_path.glob(".part-*"))


def test_one_frame_is_in_memory_at_a_time(frames, tiny_model, tmp_path, monkeypatch):
    events = []
    read, save = movie.read_frame, movie.write_atomically
    monkeypatch.setattr(movie, "read_frame", lambda f: events.append("read") or read(f))
    monkeypatch.setattr(movie, "write_atomically", lambda *a: events.append("write") or save(*a))
    write_movie(frames, tmp_path / "folder", model=tiny_model, **QUICK)
    assert events == ["read", "write"] * 3


def test_a_writer_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(animation.writers, "is_available", lambda name: name == "pillow")
    with pytest.raises(ImportError, match=r"\.mp4 needs ffmpeg.*install.*or name a \.gif"):
        write_movie([], tmp_path / "a.mp4")
    assert find_writer(tmp_path / "a.gif") is animation.PillowWriter
    assert find_writer(tmp_path / "new") is find_writer(tmp_path) is None
    with pytest.raises(ValueError, match="suffix of no movie"):
        find_writer(tmp_path / "a.fits")
    monkeypatch.setattr(animation.writers, "is_available", lambda name: True)
    monkeypatch.setitem(animation.writers._registered, "ffmpeg", animation.FFMpegWriter)
    assert find_writer(tmp_path / "a.MP4") is animation.FFMpegWriter


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ({"n_samples": 0}, ValueError), ({"noise": "moon"}, ValueError),
        ({"estimate": "mode"}, ValueError), ({"lifetime": 3}, ValueError),
        ({"return_samples": True}, TypeError), ({"target_wcs": None}, TypeError),
    ],
)  # fmt: skip
def test_wrong_options_are_refused_before_any_work(frames, tiny_model, tmp_path, option, error):
    with pytest.raises(error, match=next(iter(option))):
        write_movie(frames, tmp_path / "a.gif", model=tiny_model, progress=False, **option)


def test_a_limit_without_its_unit_is_refused(frames, tiny_model, tmp_path):
    with pytest.raises(ValueError, match="limit must be a non-negative quantity in G"):
        write_movie(frames, tmp_path / "a.gif", model=tiny_model, limit=300, **QUICK)
    assert not list(tmp_path.glob("*.gif"))
    write_movie(frames, tmp_path / "a.gif", model=tiny_model, limit=300 * u.G, **QUICK)


def test_the_command(frames, tiny_model, tmp_path, capsys):
    options = ["--model", str(tiny_model), *FAST, "--seed", "2", "--lifetime", "none"]
    out = tmp_path / "a.gif"
    assert main(["movie", str(frames / "mdi*.fits"), *options, "-o", str(out), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    bad = frames / "bad.fits"
    bad.write_bytes(b"nothing")
    folder = tmp_path / "pictures"
    assert main(["movie", str(frames), *options, "--follow", "-o", str(folder)]) == 1
    printed = capsys.readouterr()
    assert f"left out: {bad}: {bad} is not a readable FITS image" in printed.err
    assert f"done: {folder}" in printed.out
    assert len(list(folder.iterdir())) == 3
    assert main(["movie", str(bad), *options, "-o", str(tmp_path / "b.gif"), "--quiet"]) == 1
    assert "No frame is left" in capsys.readouterr().err
    assert main(["movie", str(frames), *options, "-o", str(tmp_path / "b.txt")]) == 1
    assert "suffix of no movie" in capsys.readouterr().err
    before = out.read_bytes()
    again = ["movie", str(frames / "mdi*.fits"), *options, "--quiet"]
    for place in (out, folder):  # frames of two movies must not mix
        assert main([*again, "-o", str(place)]) == 1
        assert str(place) in capsys.readouterr().err
    assert main([*again, "--overwrite", "-o", str(folder)]) == 1
    assert main([*again, "--overwrite", "--device", "abacus", "-o", str(out)]) == 1
    assert "abacus" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert main([*again, "--overwrite", "--device", "cpu", "--seed", "3", "-o", str(out)]) == 0
    assert out.read_bytes() != before
