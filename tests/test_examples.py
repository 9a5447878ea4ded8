import sys

import numpy as np
import pytest

from sunpy_superres import read_map
from sunpy_superres.data import example_hmi_map, example_mdi_map, fetch_mdi, sample_mdi_map
from sunpy_superres.maps.geometry import on_disk_mask
from sunpy_superres.maps.magnetogram import read_magnetogram


@pytest.fixture(scope="module")
def hmi_map():
    return example_hmi_map()


@pytest.fixture(scope="module")
def mdi_map():
    return example_mdi_map()


# The example


def test_example_is_the_same_every_time(mdi_map):
    np.random.seed(1)  # noqa: NPY002 - the global state must not matter
    again = example_mdi_map()
    assert again.data.tobytes() == mdi_map.data.tobytes()
    assert again.meta == mdi_map.meta


def test_examples_do_not_share_their_data(mdi_map):
    changed = example_mdi_map()
    changed.data[:] = 0
    changed.meta["content"] = "changed"
    assert example_mdi_map().data.tobytes() == mdi_map.data.tobytes()
    assert example_mdi_map().meta == mdi_map.meta


def test_example_says_that_it_is_simulated(hmi_map, mdi_map):
    for smap in (hmi_map, mdi_map):
        assert smap.meta["content"].startswith("Simulated active region")
        assert "not an observation" in smap.meta["content"]
    assert mdi_map.meta["siminst"] == "MDI"


def test_both_examples_show_the_same_region(hmi_map, mdi_map):
    assert hmi_map.data.shape == (512, 512)
    assert mdi_map.data.shape == (128, 128)
    world = hmi_map.wcs.pixel_to_world_values(1.5, 401.5)
    assert mdi_map.wcs.world_to_pixel_values(*world) == pytest.approx([0, 100], abs=1e-6)
    blocks = hmi_map.data.reshape(128, 4, 128, 4).mean((1, 3))
    assert np.corrcoef(blocks.ravel(), mdi_map.data.ravel())[0, 1] > 0.95


def test_example_is_on_the_disk(mdi_map):
    assert on_disk_mask(mdi_map).all()
    assert np.isfinite(mdi_map.data).all()


def test_example_has_a_bipole_with_spots_and_quiet_sun(hmi_map):
    field = hmi_map.data
    assert field.max() > 1500
    assert field.min() < -1500
    assert np.abs(field).max() < 3100
    # Two opposite polarities that balance within a factor of 1.5, to the east and the west.
    positive, negative = field.clip(min=0), -field.clip(max=0)
    assert 1 / 1.5 < positive.sum() / negative.sum() < 1.5
    columns = np.arange(512)
    strong = [np.where(part > 500, part, 0).sum(0) for part in (positive, negative)]
    east, west = ((part * columns).sum() / part.sum() for part in strong)
    assert west - east > 100
    corner = field[:80, :80]
    assert np.median(np.abs(corner)) < 30
    assert corner.max() > 50
    assert corner.min() < -50


def test_example_is_a_usable_input_without_a_warning(mdi_map):
    read = read_magnetogram(mdi_map)
    assert read.good.all()
    assert np.median(read.noise) == pytest.approx(12, rel=0.15)


# The sample


def test_the_sample_is_real_and_usable_without_a_warning():
    sample = sample_mdi_map()
    assert "simul" not in sample.meta["content"].lower()
    assert "ESA & NASA" in sample.meta["comment"]
    assert sample.data.shape == (128, 128)
    read = read_magnetogram(sample)
    assert read.good.all()
    assert not read.changes
    # The noise of a 30-second frame of level 1.8.2.
    assert np.median(read.noise) == pytest.approx(20.8, rel=0.15)


@pytest.mark.real_data
def test_the_sample_is_a_part_of_the_full_disk(real_data):
    (path,) = (real_data / "mdi_fulldisk").glob("*19991211*")
    disk, sample = read_map(path), sample_mdi_map()
    x, y = (round(float(v)) for v in disk.wcs.world_to_pixel(sample.bottom_left_coord))
    part = disk.data[y : y + 128, x : x + 128]
    assert np.array_equal(part.astype(np.float32), sample.data)


# Fido


class Response(list):
    """What Fido.fetch gives, as far as fetch_mdi looks."""

    errors = ()


class Table:
    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, item):
        return Table(self.rows[item]) if isinstance(item, slice) else self.rows[item]


class FakeFido:
    def __init__(self, found=(), files=(), errors=(), fails=None, fetch_fails=None):
        self.found, self.files, self.errors = found, files, errors
        self.fails, self.fetch_fails = fails, fetch_fails
        self.queries, self.fetched, self.options = [], [], {}

    def search(self, *query):
        if self.fails:
            raise self.fails
        self.queries.append(query)
        return [Table(rows) for rows in self.found]

    def fetch(self, found, **options):
        if self.fetch_fails:
            raise self.fetch_fails
        self.fetched, self.options = found.rows, options
        response = Response(self.files)
        response.errors = list(self.errors)
        return response


@pytest.fixture
def fido(monkeypatch):
    """``fido(...)`` puts a `FakeFido` in the place of sunpy's."""
    for module in ("drms", "parfive", "zeep", "bs4"):
        pytest.importorskip(module, reason="needs the extra fetch")
    import sunpy.net as net

    def put(**behaviour):
        fake = FakeFido(**behaviour)
        monkeypatch.setattr(net, "Fido", fake)
        return fake

    return put


@pytest.fixture
def frame(tmp_path, mdi_cutout):
    path = tmp_path / "mdi.fits"
    mdi_cutout.save(path)
    return str(path)


def test_fetch_gives_the_nearest_frame(fido, frame, mdi_cutout, tmp_path):
    fake = fido(found=[["nearest", "other"]], files=[frame])
    smap = fetch_mdi("2010-10-15 00:10", path=tmp_path, progress=False)
    np.testing.assert_array_equal(smap.data, mdi_cutout.data)
    assert fake.fetched == ["nearest"]
    assert fake.options == {"path": tmp_path, "progress": False}


def test_fetch_asks_for_mdi_magnetograms_about_the_time(fido, frame):
    from sunpy.net import attrs as a

    fake = fido(found=[["one"]], files=[frame])
    fetch_mdi("2010-10-15 00:10")
    ((time, *attributes),) = fake.queries
    assert isinstance(time, a.Time)
    assert time.start.isot == "2010-10-14T22:30:00.000"
    assert time.end.isot == "2010-10-15T01:50:00.000"
    assert time.near.isot == "2010-10-15T00:10:00.000"
    assert a.Instrument.mdi in attributes
    assert a.Physobs.los_magnetic_field in attributes


@pytest.mark.parametrize("found", [[], [[]]])
def test_no_frame_found(fido, found):
    fido(found=found)
    with pytest.raises(ValueError, match=r"100 minutes of 2012-01-01T00:00:00.*1996 to 2011"):
        fetch_mdi("2012-01-01")


@pytest.mark.parametrize("stage", ["fails", "fetch_fails"])
@pytest.mark.parametrize("error", [ConnectionRefusedError("refused"), OSError("name resolution")])
def test_no_network(fido, stage, error):
    fido(found=[["one"]], **{stage: error})
    with pytest.raises(ConnectionError, match="The archive does not answer .*read_map"):
        fetch_mdi("2010-10-15")


def test_archive_gives_an_error(fido):
    fido(found=[["one"]], errors=["HTTP 503"])
    with pytest.raises(ConnectionError, match="503.*try again later"):
        fetch_mdi("2010-10-15")


def test_archive_gives_nothing(fido):
    fido(found=[["one"]])
    with pytest.raises(ConnectionError, match="did not give the file"):
        fetch_mdi("2010-10-15")


def test_a_time_that_is_none(fido):
    fido()
    with pytest.raises(ValueError, match="yesterday"):
        fetch_mdi("yesterday")


def test_fetching_needs_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sunpy.net", None)
    with pytest.raises(ImportError, match=r"pip install 'sunpy_superres\[fetch\]'"):
        fetch_mdi("2010-10-15")
