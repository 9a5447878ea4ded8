"""What is saved and loaded is what was given, however the arrays lie in memory."""

import types

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
import torch
from astropy.io import fits
from astropy.utils.masked import Masked
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_tensors

from sunpy_superres import SuperResolution, SuperResWarning
from sunpy_superres.batch.results import Stamp, is_intact, name_outputs, save_result
from sunpy_superres.data import example_mdi_map
from sunpy_superres.datasets.packed import Frame, load_pack, read_index, save_pack
from sunpy_superres.datasets.pairs import PairRecord, save_pairs
from sunpy_superres.files import write_tensors
from sunpy_superres.models.folder import write_folder

SHAPE = (12, 20)
VALUES = np.random.default_rng(0).normal(0, 100, SHAPE).astype("f4")


def strided(values):
    wide = np.zeros((2 * values.shape[0], 3 * values.shape[1]), values.dtype)
    wide[::2, ::3] = values
    return wide[::2, ::3]


def read_only(values):
    values = values.copy()
    values.flags.writeable = False
    return values


LAYOUTS = {
    "C": lambda a: a,
    "Fortran": np.asfortranarray,
    "transposed": lambda a: a.T.copy().T,
    "flipped": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "turned": lambda a: np.rot90(np.rot90(a, -1).copy()),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "big-endian Fortran": lambda a: np.asfortranarray(a.astype(a.dtype.newbyteorder(">"))),
    "strided": strided,
    "read-only": read_only,
    "axes swapped": lambda a: np.moveaxis(np.moveaxis(a, 0, 1).copy(), 1, 0),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_in_any_layout(tmp_path, layout):
    kinds = [VALUES, VALUES.astype(np.int16), VALUES > 0, VALUES.astype(np.float16)]
    given = {str(n): LAYOUTS[layout](a) for n, a in enumerate(kinds)} | {"0d": np.float32(3)}
    write_tensors(tmp_path / "a", given, {})
    loaded = load_file(tmp_path / "a")
    for number, values in enumerate(kinds):
        np.testing.assert_array_equal(loaded[str(number)], values)
    assert loaded["0d"].shape == ()
    assert loaded["0d"] == 3


def test_broadcast_and_masked_arrays(tmp_path):
    row = np.arange(4, dtype="f4")
    write_tensors(tmp_path / "a", {"a": np.broadcast_to(row, (3, 4))}, {})
    np.testing.assert_array_equal(load_file(tmp_path / "a")["a"], [row] * 3)
    with pytest.raises(TypeError, match="masked"):
        write_tensors(tmp_path / "a", {"a": np.ma.masked_less(row, 2)}, {})


def test_tensors_in_any_layout(tmp_path):
    values = torch.from_numpy(VALUES)
    images = values.reshape(1, 3, 4, 20)
    given = {
        "turned": values.T.contiguous().T, "twice": values, "part": values[2:, ::2],
        "last": images.to(memory_format=torch.channels_last), "one": values[:1].expand(5, 20),
    }  # fmt: skip
    write_tensors(tmp_path / "a", given, {})
    loaded = load_tensors(tmp_path / "a")
    assert all(torch.equal(loaded[name], tensor) for name, tensor in given.items())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_pack_holds_what_was_given(tmp_path, layout):
    sides = np.linspace(0.5, 1, 4).reshape(2, 1, 2).astype("f4")
    frame = Frame("a", "r", "train", LAYOUTS[layout](VALUES), LAYOUTS[layout](sides[:, 0])[:, None])
    save_pack([frame], tmp_path / "pack")
    (loaded,) = load_pack(tmp_path / "pack")
    np.testing.assert_allclose(loaded.field, VALUES, atol=0.101)
    np.testing.assert_allclose(loaded.foreshortening, sides, atol=1e-3)


def test_what_is_missing_from_a_pack_is_missing(tmp_path):
    field = np.ma.masked_array(VALUES.copy(), np.zeros(SHAPE, bool))
    field.data[0, :3] = np.inf, -np.inf, np.nan
    field[1, 0] = np.ma.masked
    save_pack([Frame("a", "r", "train", field)], tmp_path / "pack")
    (loaded,) = load_pack(tmp_path / "pack")
    assert np.argwhere(np.isnan(loaded.field)).tolist() == [[0, 0], [0, 1], [0, 2], [1, 0]]


@pytest.mark.parametrize(
    ("kind", "fill"),
    [("i2", -32768), (">i2", -32768), ("i4", -(2**31)), ("f4", -32768), ("f8", 1e30)],
)
def test_fill_values_are_missing_from_a_pack(tmp_path, kind, fill):
    """Whoever reads an integer file past its BLANK has it as -32768 G."""
    field = VALUES.astype(kind)
    field[2, 3:6] = fill
    save_pack([Frame("a", "r", "train", field)], tmp_path / "pack")
    (loaded,) = load_pack(tmp_path / "pack")
    assert np.argwhere(np.isnan(loaded.field)).tolist() == [[2, 3], [2, 4], [2, 5]]
    known = np.isfinite(loaded.field)
    np.testing.assert_allclose(loaded.field[known], field[known], atol=0.101)


def test_a_scaled_fill_value_gives_a_warning(tmp_path):
    field = VALUES.copy()
    field[4:8, 4:8] = -3276.8  # BLANK = -32768, BSCALE = 0.1
    with pytest.warns(SuperResWarning, match=r"a: 16 pixels hold exactly .* \(-3276.8 G"):
        save_pack([Frame("a", "r", "train", field)], tmp_path / "pack")


def test_a_pack_of_arrays_with_units_is_in_gauss(tmp_path):
    fields = [VALUES / 1e3 * u.kG, VALUES * u.Mx / u.cm**2, Masked(VALUES * 1e-4 * u.T, VALUES < 0)]
    save_pack([Frame(str(n), "r", "train", f) for n, f in enumerate(fields)], tmp_path / "pack")
    *plain, masked = (frame.field for frame in load_pack(tmp_path / "pack"))
    for loaded in plain:
        np.testing.assert_allclose(loaded, VALUES, atol=0.101)
    np.testing.assert_allclose(masked, np.where(VALUES < 0, np.nan, VALUES), atol=0.101)
    for field, error, message in (
        (VALUES * u.m, TypeError, "field of a is in m, not a magnetic field; give"),
        (VALUES + 1j, TypeError, "field of a holds no real numbers, but ndarray of complex64"),
        (VALUES[None], ValueError, r"field of a has the shape \(1, 12, 20\); it must have two"),
    ):
        with pytest.raises(error, match=message):
            save_pack([Frame("a", "r", "train", field)], tmp_path / "none")
    assert not (tmp_path / "none").exists()


def save_pair(path, **changes):
    """Write one pair, and return what the file holds."""
    arrays = {"frame": VALUES, "noise": np.full(SHAPE, 12.0), "good": np.ones(SHAPE, bool)}
    arrays |= {"target": np.kron(VALUES, np.ones((4, 4), "f4"))} | changes
    record = PairRecord("", "", (0, 0), (0, 0, 0, 0), 1.0)
    save_pairs([types.SimpleNamespace(record=record, **arrays)], path)
    return {name.removesuffix("0000"): values for name, values in load_file(path).items()}


def test_pairs_with_units_are_in_gauss(tmp_path):
    target = np.kron(VALUES, np.ones((4, 4)))
    given = {"frame": VALUES / 1e3 * u.kG, "noise": np.full(SHAPE, 1.2) * u.mT}
    loaded = save_pair(tmp_path / "a", target=target * u.Mx / u.cm**2, **given)
    for name, values in (("frame", VALUES), ("noise", 12.0), ("target", target)):
        np.testing.assert_allclose(loaded[name], np.broadcast_to(values, loaded[name].shape), 1e-5)
    with pytest.raises(TypeError, match="noise of pair 0 is in %, not a magnetic field"):
        save_pair(tmp_path / "b", noise=VALUES * u.percent)


@pytest.mark.parametrize(
    ("name", "values", "shape"),
    [
        ("target", VALUES, r"\(12, 20\)"),
        ("target", np.kron(VALUES, np.ones((2, 2))), r"\(24, 40\)"),
        ("target", np.kron(VALUES, np.ones((4, 4))).T, r"\(80, 48\)"),
        ("good", np.ones((48, 80), bool), r"\(48, 80\)"),
        ("good", np.ones(20, bool), r"\(20,\)"),
        ("noise", np.ones((20, 12)), r"\(20, 12\)"),
        ("noise", 12.0, r"\(\)"),
        ("frame", VALUES[None], r"\(1, 12, 20\)"),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(tmp_path, name, values, shape):
    with pytest.raises(ValueError, match=f"{name} of pair 0 has the shape {shape}"):
        save_pair(tmp_path / "a", **{name: values})


def test_a_pair_is_not_good_where_its_frame_is_missing(tmp_path):
    frame, noise = VALUES.copy(), np.full(SHAPE, 12.0)
    frame[0, :3] = np.nan, np.inf, -32768
    noise[0] = np.nan
    good = np.ones(SHAPE, bool)
    good[0, 3:] = False
    target = np.kron(VALUES, np.ones((4, 4))).astype(np.int16)
    target[5, 6] = -32768
    loaded = save_pair(tmp_path / "a", frame=frame, noise=noise, target=target, good=good)
    assert loaded["good"].sum() == good.sum() - 3
    np.testing.assert_array_equal(loaded["frame"][0, :4], [0, 0, 0, VALUES[0, 3]])
    np.testing.assert_array_equal(loaded["noise"], 12.0)
    assert np.argwhere(np.isnan(loaded["target"])).tolist() == [[5, 6]]
    for changes, message in (
        ({"noise": np.zeros(SHAPE)}, "noise of pair 0 is not positive in all good pixels"),
        ({"good": VALUES}, "good of pair 0 holds more than True and False"),
    ):
        with pytest.raises(ValueError, match=message):
            save_pair(tmp_path / "a", **changes)


@pytest.mark.parametrize("name", ["frame", "target"])
@pytest.mark.parametrize("value", [0.0, -3276.8, -9999.0])
def test_fills_of_a_pair_are_told_where_it_is_good(tmp_path, name, value):
    rng = np.random.default_rng(0)
    pair = {"frame": rng.normal(0, 12, (24, 20)), "target": rng.normal(0, 8, (96, 80))}
    pair |= {"noise": np.full((24, 20), 12.0), "good": np.ones((24, 20), bool)}
    pair[name][:8, :6] = value
    with pytest.warns(SuperResWarning) as told:
        save_pair(tmp_path / "a", **pair)
    assert f"{name} of pair 0: 48 pixels hold exactly" in str(told[0].message)
    beyond = [str(w.message) for w in told if "48 pixels are above 6500 G" in str(w.message)]
    assert len(beyond) == len(told) - 1 == (value < -9000)
    # What is not good, or NaN, is no field; warnings are errors here.
    pair["good"][:8, :6] = name != "frame"
    pair["target"][pair["target"] == value] = np.nan
    save_pair(tmp_path / "b", **pair)


def test_a_field_that_the_sun_does_not_have_is_told_of_a_pack(tmp_path):
    field = np.random.default_rng(0).normal(0, 8, (24, 20))
    field[3, 4] = 6530.0
    with pytest.warns(SuperResWarning, match="^a: 1 pixels are above 6500 G"):
        save_pack([Frame("a", "r", "train", field)], tmp_path / "a")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pairs_hold_what_was_given(tmp_path, layout):
    lay = LAYOUTS[layout]
    record = PairRecord("", "", (0, 0), (0, 0, 0, 0), 1.0)
    given = {"frame": VALUES, "noise": np.abs(VALUES) + 1}
    given["target"] = np.kron(VALUES, np.ones((4, 4)))
    good = VALUES > 10
    pair = types.SimpleNamespace(
        good=lay(good), record=record, **{name: lay(values) for name, values in given.items()}
    )
    save_pairs([pair], tmp_path / "pairs")
    loaded = load_file(tmp_path / "pairs")
    for name, values in given.items():
        np.testing.assert_array_equal(loaded[f"{name}0000"], values.astype("f4"))
    np.testing.assert_array_equal(loaded["good0000"], good)


@pytest.mark.parametrize("name", ["frame", "noise", "target"])
def test_a_pair_with_a_mask_is_refused(tmp_path, name):
    """The file has no place for it; a fill value would be taken for field."""
    pair = {"frame": VALUES, "noise": VALUES, "target": VALUES, "good": VALUES > 10}
    pair[name] = np.ma.masked_less(VALUES, 2)
    record = PairRecord("", "", (0, 0), (0, 0, 0, 0), 1.0)
    with pytest.raises(TypeError, match=f"{name}0000 is masked; fill it"):
        save_pairs([types.SimpleNamespace(record=record, **pair)], tmp_path / "pairs")
    assert not list(tmp_path.iterdir())


def test_a_model_folder_holds_the_weights(tmp_path):
    network = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    write_folder(tmp_path, network, {})
    loaded = load_tensors(tmp_path / "model.safetensors")
    assert torch.equal(loaded["weight"], network.weight.half())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_results_hold_what_was_given(tmp_path, layout):
    smap = example_mdi_map()
    meta = dict(smap.meta, srseed=1)
    values = np.array(smap.data, "f4")
    outputs = name_outputs(tmp_path, "a")
    result = SuperResolution(*(sunpy.map.Map(LAYOUTS[layout](values), meta) for _ in outputs))
    save_result(outputs, result, Stamp("s"), lossless=True)
    np.testing.assert_array_equal(fits.getdata(outputs["hmi_like"]), values)


@pytest.mark.parametrize("lossless", [True, False])
def test_the_clock_is_not_in_the_bytes(tmp_path, monkeypatch, lossless):
    """Neither in comments of cards nor in the headers of gzip, which constant tiles have."""
    smap = example_mdi_map()
    values = np.array(smap.data, "f4")
    values[:10], values[20:40] = np.nan, 3.0
    result = SuperResolution(*[sunpy.map.Map(values, dict(smap.meta, srseed=1))] * 2)
    written = []
    for clock in (1.0e9, 1.7e9):
        monkeypatch.setattr("gzip.time.time", lambda clock=clock: clock)
        outputs = name_outputs(tmp_path / str(clock), "a")
        outputs["hmi_like"].parent.mkdir()
        save_result(outputs, result, Stamp("s"), lossless=lossless)
        assert all(is_intact(path) for path in outputs.values())
        written.append([path.read_bytes() for path in outputs.values()])
    assert written[0] == written[1]
    if lossless:
        np.testing.assert_array_equal(fits.getdata(outputs["hmi_like"]), values)


def test_a_file_of_another_kind_is_named(tmp_path):
    save_pack([Frame("a", "r", "train", VALUES)], tmp_path / "pack")
    (tmp_path / "text").write_text("no tensors")
    for path, message in (
        ("pack", "holds no pairs; it holds frames; give a file of 'sunpy-superres pairs'"),
        ("text", "is no file of 'sunpy-superres pairs'"),
        (".", "is a folder; make a file of it"),
    ):
        with pytest.raises(ValueError, match=message):
            read_index(tmp_path / path, "pairs", "sunpy-superres pairs")
    with pytest.raises(FileNotFoundError, match="There is no file"):
        load_pack(tmp_path / "none")
