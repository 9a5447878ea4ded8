"""What may not change the result does not; nothing grows in a long run.  All of it is slow."""

import os
import warnings

import numpy as np
import psutil
import pytest
import sunpy.map
from fault_tools import assert_sound

from sunpy_superres import SuperResWarning, load_model, read_map, super_resolve
from sunpy_superres.data import example_mdi_map

pytestmark = pytest.mark.faults

HOW = {"n_samples": 4, "num_steps": 4, "seed": 3, "progress": False, "dtype": "float32"}
SIDE = 48


def cut(smap, column, row, side=SIDE):
    """A cut-out with the coordinates of its pixels."""
    meta = dict(smap.meta)
    meta["crpix1"] -= column
    meta["crpix2"] -= row
    return sunpy.map.Map(np.array(smap.data[row : row + side, column : column + side]), meta)


@pytest.fixture(scope="module", params=["example", "real"])
def frame(request):
    """An active region of 64 x 64 pixels."""
    if request.param == "example":
        return cut(example_mdi_map(), 24, 32, 64)
    folder = request.getfixturevalue("real_data")
    smap = read_map(next((folder / "mdi_fulldisk").glob("*19991211*")))
    strength = np.nan_to_num(np.abs(np.asarray(smap.data)))[200:800, 200:800]
    row, column = (int(n) + 200 for n in np.unravel_index(strength.argmax(), strength.shape))
    return cut(smap, column - 32, row - 32, 64)


def resolved(smap, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SuperResWarning)
        return super_resolve(smap, **{**HOW, **options})


def deviation(one, other, uncertainty):
    """Of two maps, in the standard error; root mean square."""
    return float(np.sqrt(np.nanmean(((one - other) / uncertainty) ** 2)))


@pytest.fixture(scope="module")
def mean(frame):
    return resolved(frame, estimate="mean")


def test_cut_out(frame, mean, tally):
    """Inside of the receptive field, the same within the ensemble's spread."""
    small = resolved(cut(frame, 8, 8), estimate="mean")
    whole = mean.hmi_like.data[32 : 32 + 4 * SIDE, 32 : 32 + 4 * SIDE]
    off = deviation(small.hmi_like.data, whole, small.uncertainty.data)
    tally("metamorphic: cut out", f"{off:.2f} standard errors")
    assert off < 1


def test_shift_by_whole_pixels(frame, tally):
    """The grid moves with the data, and the field stays on its place in the sky."""
    here, there = (resolved(cut(frame, c, r), estimate="mean") for c, r in ((4, 6), (9, 8)))
    one, other = here.hmi_like.data[8:, 20:], there.hmi_like.data[:-8, :-20]
    off = deviation(one, other, here.uncertainty.data[8:, 20:])
    sky = here.hmi_like.wcs.pixel_to_world_values(20.0, 8.0)
    np.testing.assert_allclose(sky, there.hmi_like.wcs.pixel_to_world_values(0.0, 0.0), atol=1e-7)
    tally("metamorphic: shift by whole pixels", f"{off:.2f} standard errors")
    assert off < 1


def test_border_of_missing_pixels(frame, mean, tally):
    meta = dict(frame.meta)
    meta["crpix1"] += 6
    meta["crpix2"] += 6
    padded = sunpy.map.Map(np.pad(frame.data, 6, constant_values=np.nan), meta)
    wide = resolved(padded, estimate="mean")
    assert_sound(padded, wide)
    off = deviation(wide.hmi_like.data[24:-24, 24:-24], mean.hmi_like.data, mean.uncertainty.data)
    tally("metamorphic: NaN border", f"{off:.2f} standard errors")
    assert off < 1


def test_polarity(frame, mean, tally):
    minus = resolved(sunpy.map.Map(-frame.data, dict(frame.meta)), estimate="mean")
    off = deviation(-minus.hmi_like.data, mean.hmi_like.data, mean.uncertainty.data)
    tally("metamorphic: polarity", f"{off:.2f} standard errors")
    assert off < 1


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns(frame, mean, turns, tally):
    from test_super_resolution import rotated

    turned = resolved(rotated(frame, turns), estimate="mean")
    back = np.rot90(turned.hmi_like.data, -turns)
    off = deviation(back, mean.hmi_like.data, mean.uncertainty.data)
    tally("metamorphic: quarter turns", f"{off:.2f} standard errors")
    assert off < 1


@pytest.mark.parametrize("options", [{"tile_size": 16}, {"tile_size": 26}, {"batch_size": 4}])
def test_tiles_and_batches(frame, mean, options, tally):
    other = resolved(frame, estimate="mean", **options)
    largest = float(np.abs(other.hmi_like.data - mean.hmi_like.data).max())
    tally("metamorphic: tiles and batches", f"within {0.01 if largest < 0.01 else 0.1} G")
    assert largest < 0.1


def test_threads(frame, mean, tally):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        other = resolved(frame, estimate="mean")
    finally:
        torch.set_num_threads(before)
    largest = float(np.abs(other.hmi_like.data - mean.hmi_like.data).max())
    tally("metamorphic: threads", f"within {0.01 if largest < 0.01 else 0.1} G")
    assert largest < 0.1


def test_bfloat16(frame, tally):
    """Well inside the standard error; every number finite."""
    full, half = (resolved(frame, dtype=dtype) for dtype in ("float32", "bfloat16"))
    off = deviation(half.hmi_like.data, full.hmi_like.data, full.uncertainty.data)
    tally("numbers: bfloat16 against float32", f"{off:.2f} standard errors")
    assert np.isfinite(half.hmi_like.data).all()
    assert off < 0.3


@pytest.mark.parametrize("peak", [3600.0, 8000.0, 19000.0])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_fields_above_the_range(peak, dtype, tally):
    """Flagged, finite, and no larger than MDI's largest reading."""
    smap = cut(example_mdi_map(), 40, 40)
    rows, columns = np.indices(smap.data.shape)
    spot = np.exp(-((rows - 24) ** 2 + (columns - 24) ** 2) / 50)
    strong = sunpy.map.Map(np.clip(smap.data + 1.2 * peak * spot, -peak, peak), dict(smap.meta))
    result = super_resolve(strong, **{**HOW, "dtype": dtype}) if peak < 3800 else None
    if result is None:
        with pytest.warns(SuperResWarning, match="above 3500 G"):
            result = super_resolve(strong, **{**HOW, "dtype": dtype})
    assert np.isfinite(result.hmi_like.data).all()
    largest = float(np.abs(result.hmi_like.data).max())
    said = "result" if peak < 3800 else "flagged"
    tally(f"numbers: spot of {peak:.0f} G", f"{said}, largest {largest:.0f} G ({dtype})")
    assert largest < 5000


@pytest.mark.parametrize("count", [200, int(os.environ.get("SUNPY_SUPERRES_LONG", "2000"))])
def test_a_long_run_does_not_grow(count, tiny_model, mdi_header, bipole, tmp_path, tally):
    """Neither memory nor open files, over reading, resolving and writing small cut-outs."""
    shapes = [(16, 16), (24, 20), (17, 31)]
    for number, shape in enumerate(shapes):
        smap = sunpy.map.Map(bipole(shape), mdi_header(shape, corner=(540, 500)))
        smap.save(tmp_path / f"{number}.fits")
    model, process = load_model(tiny_model), psutil.Process()
    memory, handles = [], []
    for number in range(count):
        smap = read_map(tmp_path / f"{number % 3}.fits")
        result = resolved(smap, model=model, n_samples=2, num_steps=1)
        result.hmi_like.save(tmp_path / "out.fits", overwrite=True)
        if number >= 50:
            memory.append(process.memory_info().rss / 2**20)
            handles.append(process.num_fds())
    part = len(memory) // 4
    growth = np.median(memory[-part:]) - np.median(memory[:part])
    tally(f"long run of {count} cut-outs", f"{growth:+.0f} MiB, {handles[-1] - handles[0]:+} files")
    assert growth < 20
    assert handles[-1] <= handles[0]
