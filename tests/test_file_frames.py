"""Several frames in a file: which are read, and what is said of them."""

import warnings

import numpy as np
import pytest
import sunpy.map
from astropy.io import fits

from sunpy_superres import SuperResWarning, read_map

SHAPE = (64, 72)


@pytest.fixture
def frame(mdi_header, bipole):
    data = bipole(SHAPE).astype(np.float32)
    return sunpy.map.Map(data, mdi_header(SHAPE, corner=(500, 480)))


def test_a_frame_of_several_is_named(frame, tmp_path):
    header = fits.Header({k: v for k, v in frame.fits_header.items() if v != ""})
    planes = np.stack([frame.data + 10 * n for n in range(3)]).astype(np.float32)
    fits.PrimaryHDU(planes, header).writeto(tmp_path / "cube.fits")
    images = [fits.ImageHDU(plane, header) for plane in planes[1:]]
    many = fits.HDUList([fits.PrimaryHDU(planes[0], header), *images])
    many.writeto(tmp_path / "many.fits")
    packed = [fits.CompImageHDU(p, header, compression_type="GZIP_2", quantize_level=0)
              for p in planes]  # fmt: skip
    fits.HDUList([fits.PrimaryHDU(), *packed]).writeto(tmp_path / "packed.fits")
    for name in ("cube.fits", "many.fits", "packed.fits"):
        with pytest.warns(SuperResWarning, match="holds 3 frames, and the first is taken"):
            assert np.array_equal(read_map(tmp_path / name).data, planes[0])
        with warnings.catch_warnings():
            # A plane has the time of its cube.
            warnings.filterwarnings("ignore", "Frame 2 of .*cube.fits is plane 3")
            assert np.array_equal(read_map(tmp_path / name, frame=2).data, planes[2])
        with pytest.raises(ValueError, match="3 frames, numbered from 0, and frame is 3; give"):
            read_map(tmp_path / name, frame=3)


def test_a_mask_beside_the_image_is_no_frame(frame, tmp_path):
    header = fits.Header({k: v for k, v in frame.fits_header.items() if v != ""})
    mask = fits.ImageHDU(np.ones(SHAPE, np.uint8), name="MASK")
    fits.HDUList([fits.PrimaryHDU(frame.data, header), mask]).writeto(tmp_path / "one.fits")
    assert np.array_equal(read_map(tmp_path / "one.fits").data, frame.data)


def write_beside(path, frame, data, cards):
    """Write a frame, and an image beside it."""
    header = fits.Header({k: v for k, v in frame.fits_header.items() if v != ""})
    beside = fits.ImageHDU(data, fits.Header(cards))
    fits.HDUList([fits.PrimaryHDU(frame.data, header), beside]).writeto(path)


def cards_without_time(frame):
    """Return the cards of a Map, but for those of its time."""
    left_out = ("date", "mjd", "t_obs", "t_rec", "history", "comment")
    return {k: v for k, v in frame.fits_header.items() if not k.lower().startswith(left_out)}


@pytest.mark.parametrize(
    "kind", ["bare", "header", "integers", "name", "denoised", "unit", "small"]
)
def test_images_without_a_time_count(frame, tmp_path, kind):
    """Their header may lack more; it is that of the first frame, as for planes of a cube."""
    data = {"integers": (7 - frame.data).astype(np.int16), "small": frame.data[:40, :50]}
    cards = {"header": cards_without_time(frame), "name": {"EXTNAME": "B2"}}
    cards |= {"denoised": {"EXTNAME": "DENOISED"}}
    cards |= {"unit": {"BUNIT": "Gauss"}, "small": cards["header"] | {"CRPIX1": 1.0}}
    data = data.get(kind, 7 - frame.data)
    write_beside(tmp_path / "two.fits", frame, data, cards.get(kind, {}))
    with pytest.warns(SuperResWarning, match="holds 2 frames, and the first is taken"):
        np.testing.assert_array_equal(read_map(tmp_path / "two.fits").data, frame.data)
    match = r"Frame 1 of .* \(HDU 1\) has no time of its own: .*Correct date-obs and t_obs"
    with pytest.warns(SuperResWarning, match=match):
        second = read_map(tmp_path / "two.fits", frame=1)
    np.testing.assert_array_equal(second.data, data)
    assert second.date == frame.date
    assert second.meta["crpix1"] == (1.0 if kind == "small" else frame.meta["crpix1"])


@pytest.mark.parametrize(
    ("kind", "cards"),
    [
        ("error", {}),
        ("error", "all"),
        ("filled error", {}),
        ("error", {"EXTNAME": "UNCERT"}),
        ("field", {"EXTNAME": "B_ERR"}),
        ("field", {"EXTNAME": "STDDEV"}),
        ("field", {"HDUCLAS2": "ERROR"}),
        ("field", {"SEGMENT": "inclination"}),
        ("field", {"BUNIT": "m/s"}),
        ("polarity", {}),
        ("longitude", {}),
        ("mask", {}),
        ("mask", "all"),
    ],
)
def test_what_lies_beside_a_frame_is_no_frame(frame, tmp_path, kind, cards):
    error = np.abs(frame.data) + 5
    filled = error.copy()
    filled[::7] = -1
    data = {"error": error, "filled error": filled, "field": 0.1 * frame.data}
    y, x = np.indices(SHAPE)
    data |= {"longitude": np.degrees(np.arcsin((x - 30 + 1e-3 * y**2) / 1000)).astype("f4")}
    data |= {"polarity": np.sign(frame.data), "mask": (frame.data > 0).astype("f4")}
    cards = {k: v for k, v in frame.fits_header.items() if v != ""} if cards == "all" else cards
    write_beside(tmp_path / "one.fits", frame, data[kind], cards)
    np.testing.assert_array_equal(read_map(tmp_path / "one.fits").data, frame.data)
    with pytest.raises(ValueError, match="1 frame, numbered from 0, and frame is 1"):
        read_map(tmp_path / "one.fits", frame=1)


def test_a_frame_behind_its_mask_is_read(frame, tmp_path):
    header = fits.Header({k: v for k, v in frame.fits_header.items() if v != ""})
    mask = fits.PrimaryHDU(np.ones(SHAPE, np.uint8))
    fits.HDUList([mask, fits.ImageHDU(frame.data, header)]).writeto(tmp_path / "one.fits")
    np.testing.assert_array_equal(read_map(tmp_path / "one.fits").data, frame.data)


def write_images(path, header, *changes, shape=(20, 24)):
    """Write an image for each change of the header."""
    images = [fits.PrimaryHDU()]
    for number, change in enumerate(changes):
        cards = {k.upper(): v for k, v in (header | change).items() if v is not None}
        images.append(fits.ImageHDU(np.full(shape, 10.0 * (number + 1), "f4"), fits.Header(cards)))
        shape = tuple(n + 4 for n in shape)
    fits.HDUList(images).writeto(path)


@pytest.mark.parametrize("card", ["date-avg", "date-beg", "t_obs", "date-end"])
def test_frames_of_any_size_with_any_time_count(mdi_header, tmp_path, card):
    none = dict.fromkeys(("date-obs", "t_obs", "t_rec"))
    header = mdi_header((20, 24), corner=(500, 500))
    times = [none | {card: f"2010-10-15T0{hour}:00:00"} for hour in (1, 2)]
    path = tmp_path / "two.fits"
    write_images(path, header, *times)
    with pytest.warns(SuperResWarning, match="holds 2 frames, and the first is taken"):
        read_map(path)
    second = read_map(path, frame=1)
    assert second.data.shape == (24, 28)
    assert second.date.isot == "2010-10-15T02:00:00.000"
    for frame in (-1, 2):
        with pytest.raises(ValueError, match=f"2 frames, numbered from 0, and frame is {frame}"):
            read_map(path, frame=frame)


def test_a_plane_of_a_cube_has_two_axes_and_a_time_that_is_not_its_own(mdi_header, tmp_path):
    header = mdi_header((20, 24), corner=(500, 500))
    header |= {"wcsaxes": 3, "ctype3": "TIME", "cunit3": "s", "crpix3": 1.0, "cdelt3": 5760.0}
    header |= {"crval3": 0.0, "pc3_3": 1.0}
    cube = np.arange(3, dtype="f4")[:, None, None] * np.ones((20, 24), "f4")
    cards = {k.upper(): v for k, v in header.items() if not k.startswith("naxis")}
    fits.writeto(tmp_path / "cube.fits", cube, fits.Header(cards))
    with pytest.warns(SuperResWarning, match="Frame 2 of .* is plane 3 of a cube.*Correct date"):
        smap = read_map(tmp_path / "cube.fits", frame=2)
    np.testing.assert_array_equal(smap.data, 2.0)
    assert smap.meta["wcsaxes"] == 2
    assert not [card for card in smap.meta if card.endswith("3") and card[:2] in ("ct", "cr", "cd")]
