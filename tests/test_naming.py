"""Files found in folders, whatever their suffix, and names of results that differ."""

import re
import shutil
from pathlib import Path

import pytest
import sunpy.map

from sunpy_superres.batch import read_report, super_resolve_files
from sunpy_superres.batch.frames import locate_model
from sunpy_superres.batch.keywords import find_measurable
from sunpy_superres.batch.naming import name_results
from sunpy_superres.batch.sequence import find_frames
from sunpy_superres.batch.sources import ExampleSource, find_files, find_sources
from sunpy_superres.cli import main
from sunpy_superres.data import example_hmi_map, example_mdi_map
from sunpy_superres.datasets.packed import read_index
from sunpy_superres.datasets.splits import find_hmi_maps
from sunpy_superres.files import find_fits, remove_suffixes

QUICK = {"n_samples": 2, "num_steps": 1, "progress": False}
#: Names of FITS files, without their suffixes.
STEMS = {
    "a.fits": "a", "b.FITS": "b", "c.FTS": "c", "d.fit": "d", "e.FIT": "e", "f.fits.gz": "f",
    "g.fts.gz": "g", "h.FITS.Z": "h", "i.Fits.GZ": "i", "j.fits.fz": "j", "k.fits.bz2": "k",
    "sub/l.fits": "l", "Sub 2/deep/m.FTS": "m", "n.fit.gz": "n", "o.2010.fits": "o.2010",
    "p.fz": "p", "q.FZ": "q",
}  # fmt: skip
OTHERS = ["a.png", "b.txt", "fits", ".hidden.fits", ".part-x-1-y/half.fits", "c.gz", "d.fits.txt"]


@pytest.fixture
def archive(tmp_path):
    folder = tmp_path / "archive"
    for name in (*STEMS, *OTHERS):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_all_fits_files_of_a_folder_are_found(archive):
    found = {path.relative_to(archive).as_posix() for path in find_fits(archive)}
    assert found == set(STEMS)
    assert {name: remove_suffixes(name) for name in STEMS} == STEMS
    assert find_files(str(archive)) == sorted(str(archive / name) for name in STEMS)


def test_every_list_of_a_folder_is_the_same(archive):
    (archive / "x_hmi_like.fits.gz").touch()  # a result
    wanted = {str(archive / name) for name in STEMS}
    assert {source.name for source in find_sources(archive)} == wanted
    assert set(map(str, find_frames(archive))) == wanted
    assert set(find_measurable(archive)) == wanted | {str(archive / "x_hmi_like.fits.gz")}
    with pytest.warns(match="is left out") as caught:  # the files are empty
        assert not list(find_hmi_maps(archive))
    assert len(caught) == len(STEMS) + 1


def test_links_are_followed_once(archive, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "z.fits").touch()
    (archive / "link").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(archive)
    names = [path.name for path in find_fits(archive)]
    assert names.count("z.fits") == 1
    assert len(names) == len(STEMS) + 1


def test_a_pattern_may_stand_for_folders(archive):
    assert find_files(str(archive / "[sS]ub*")) == [
        str(archive / "Sub 2/deep/m.FTS"),
        str(archive / "sub/l.fits"),
    ]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (
            {"/in/D1/S0/data.fits": "/in", "/in/D2/S0/data.fits": "/in"},
            ["D1/S0/data", "D2/S0/data"],
        ),
        ({"/in/a.fits": "/in", "/in/s/a.fits": "/in", "/in/s/b.fits": "/in"}, ["a", "s/a", "b"]),
        ({"/A/d.fits": "/A", "/B/d.fits": "/B"}, ["A/d", "B/d"]),
        ({"/A/C/d.fits": "/A", "/B/d.fits": None}, ["C/d", "B/d"]),
        ({"/a.fits": None, "/a.fts": None, "/a.fits.gz": None}, ["a.fits", "a.fts", "a.fits.gz"]),
        ({"/x/a.fits": None, "/y/A.FITS": None}, ["x/a", "y/A"]),
        ({"/x/example.fits": "/x", "/x/b.fits": "/x"}, ["example.fits", "b"]),
        ({}, []),
    ],
)
def test_names_of_results_differ(paths, names):
    assert list(name_results(paths, taken=["example"]).values()) == names


def test_names_that_differ_by_capitals_are_told_apart():
    first, second = name_results({"/a.fits": None, "/A.fits": None}).values()
    assert first.startswith("a.fits-")
    assert second.startswith("A.fits-")
    assert first.casefold() != second.casefold()


def test_a_file_that_is_named_twice_is_one(archive, monkeypatch):
    monkeypatch.chdir(archive)
    names = ["a.fits", "./a.fits", archive / "a.fits", archive, "sub/../a.fits", ExampleSource()]
    sources = find_sources(names)
    assert len(sources) == len(STEMS) + 1
    assert (sources[0].name, sources[0].path) == ("a.fits", str(archive / "a.fits"))
    assert find_sources(sources) == sources


def test_a_model_folder_is_found_from_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    assert locate_model("model") == str(tmp_path / "model")
    assert locate_model(Path("model")) == str(tmp_path / "model")
    assert [locate_model(name) for name in ("default", "a/b@c")] == ["default", "a/b@c"]


def test_an_archive_with_one_name_keeps_its_folders(tmp_path, tiny_model, mdi_header, bipole):
    """As JSOC's storage units are laid; a second run keeps all."""
    archive, out = tmp_path / "in", tmp_path / "out"
    for number in (1, 2):
        place = archive / f"D{number}" / "S00000"
        place.mkdir(parents=True)
        smap = sunpy.map.Map(bipole((24, 32), seed=number), mdi_header((24, 32), corner=(540, 500)))
        smap.save(place / "data.fits")
    shutil.copy(place / "data.fits", archive / "D2" / "data.FTS")
    first = super_resolve_files(archive, out, model=tiny_model, **QUICK)
    assert [record["state"] for record in first.values()] == ["done"] * 3
    written = {path.relative_to(out).as_posix() for path in out.rglob("*_hmi_like.fits")}
    assert written == {
        f"{name}_hmi_like.fits" for name in ("D1/S00000/data", "D2/S00000/data", "D2/data")
    }
    outputs = [name for record in first.values() for name in record["outputs"]]
    assert len(set(outputs)) == 6
    assert all(Path(name).is_file() for name in outputs)
    assert not [path for path in out.rglob(".part-*")]
    second = super_resolve_files(archive, out, model=tiny_model, **QUICK)
    assert [record["state"] for record in second.values()] == ["kept"] * 3
    assert read_report(out) == second


def test_one_bad_file_does_not_stop_the_pairs(tmp_path, capsys):
    mdi, hmi = example_mdi_map(), example_hmi_map()
    hmi.data[:3, :3] = -9999.0
    (tmp_path / "mdi").mkdir()
    mdi.save(tmp_path / "mdi" / "good.fits")
    hmi.save(tmp_path / "hmi.fits")
    whole = (tmp_path / "mdi" / "good.fits").read_bytes()
    (tmp_path / "mdi" / "short.FTS").write_bytes(whole[:1000])
    command = ["pairs", "--mdi", str(tmp_path / "mdi"), "--hmi", str(tmp_path / "hmi.fits")]
    assert main([*command, "-o", str(tmp_path / "pairs")]) == 1
    printed = capsys.readouterr()
    assert f"failed: {tmp_path / 'mdi' / 'short.FTS'} is left out: " in printed.err
    assert re.findall("note: .*(9 pixels are above 6500 G)", printed.err)
    assert "1 pairs of 2 MDI files; 1 files failed." in printed.out
    assert len(read_index(tmp_path / "pairs", "pairs", "")) == 1
