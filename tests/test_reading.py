import gzip
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import sunpy.map
from astropy.io import fits

from sunpy_superres import SuperResWarning, read_map, super_resolve
from sunpy_superres.files import write_atomically
from sunpy_superres.maps.headers import repair_map


@pytest.fixture
def frame(bipole):
    return np.round(bipole((40, 48))).astype(np.int16)


@pytest.fixture
def header(mdi_header):
    """Header of ``frame`` for astropy, with a HISTORY and a COMMENT."""
    cards = mdi_header((40, 48), corner=(540, 500))
    header = fits.Header([(k.upper(), v) for k, v in cards.items() if not k.startswith("naxis")])
    header.add_history("Boxcar bin by 1")
    header.add_comment("Data from the Solar Oscillations Investigation")
    return header


@pytest.fixture
def plain(tmp_path, frame, header):
    path = tmp_path / "mdi frame é.fits"
    fits.PrimaryHDU(frame, header).writeto(path)
    return path


def assert_same(smap, frame):
    assert isinstance(smap, sunpy.map.GenericMap)
    np.testing.assert_array_equal(smap.data, frame)
    assert smap.meta["crpix1"] == 512.5771484375 - 540
    assert smap.meta["content"] == "MDI Full Disk 96m Magnetogram"
    assert "Boxcar" in smap.meta["history"]


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_plain(plain, frame, kind):
    assert_same(read_map(kind(plain)), frame)


def test_gzip(plain, frame, tmp_path):
    path = tmp_path / "mdi.fits.gz"
    path.write_bytes(gzip.compress(plain.read_bytes()))
    assert_same(read_map(path), frame)


def test_rice_behind_an_empty_primary(tmp_path, frame, header):
    """As the JSOC delivers."""
    path = tmp_path / "mdi.fits"
    image = fits.CompImageHDU(frame, header, compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
    smap = read_map(path)
    assert_same(smap, frame)
    assert not {"zimage", "zcmptype", "zbitpix"} & set(smap.meta)


def test_scaled_integers_with_blank_become_gauss_and_nan(tmp_path, header, frame):
    stored = frame.astype(np.int32) * 10
    stored[0, 0] = -(2**31)
    path = tmp_path / "scaled.fits"
    image = fits.PrimaryHDU(stored, header)
    image.header["BSCALE"], image.header["BLANK"] = 0.1, -(2**31)
    image.writeto(path)
    data = read_map(path).data
    assert np.isnan(data[0, 0])
    np.testing.assert_allclose(data[1:], frame[1:], atol=1e-3)


def test_byte_order_of_the_machine_does_not_matter(plain, tmp_path, header, frame):
    path = tmp_path / "float.fits"
    fits.PrimaryHDU(frame.astype(">f4"), header).writeto(path)
    np.testing.assert_array_equal(read_map(path).data, read_map(plain).data)


def test_the_file_is_closed(plain, tmp_path, frame):
    """No handle and no memory map is left: the file may be replaced."""
    smap = read_map(plain)
    plain.write_bytes(b"")
    np.testing.assert_array_equal(smap.data, frame)


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*nowhere\.fits; check the path"):
        read_map(tmp_path / "nowhere.fits")


@pytest.mark.filterwarnings("ignore:File may have been truncated")
@pytest.mark.filterwarnings("ignore:Error validating header")
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_truncated(plain, share):
    content = plain.read_bytes()
    plain.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="not a readable FITS image .*download it again"):
        read_map(plain)


def test_truncated_gzip(plain, tmp_path):
    path = tmp_path / "mdi.fits.gz"
    path.write_bytes(gzip.compress(plain.read_bytes())[:-2000])
    with pytest.raises(ValueError, match="not a readable FITS image"):
        read_map(path)


@pytest.mark.parametrize("content", [b"", b"<html>404 Not Found</html>\n" * 200, b"SIMPLE"])
def test_not_fits(tmp_path, content):
    path = tmp_path / "mdi.fits"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"mdi\.fits is not a readable FITS image"):
        read_map(path)


@pytest.mark.parametrize(
    "number", ["0", "1", 1.0, 0.0, True, False, np.float32(0), np.bool_(0), [0]]
)
def test_a_frame_is_an_integer(plain, number):
    with pytest.raises(TypeError, match="frame must be an integer, such as 0"):
        read_map(plain, frame=number)


def test_a_frame_may_be_any_integer(plain, frame):
    assert_same(read_map(plain, frame=np.int16(0)), frame)


@pytest.mark.parametrize("path", [3, None, ["a.fits"], b"a.fits", fits.HDUList()])
def test_what_is_no_path_is_refused(path):
    name = type(path).__name__
    with pytest.raises(TypeError, match=f"needs the path of one FITS file, not {name}; give"):
        read_map(path)


def test_a_folder(tmp_path):
    with pytest.raises((ValueError, IsADirectoryError), match=tmp_path.name):
        read_map(tmp_path)


def test_no_image(tmp_path):
    path = tmp_path / "table.fits"
    table = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])])
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    with pytest.raises(ValueError, match="no image in it"):
        read_map(path)


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
def test_a_card_that_cannot_be_parsed(plain, frame):
    """As the WAVELNTH of some lev1.8 files, and the BUNIT of Mt Wilson's."""
    content = plain.read_bytes()
    card = b"BUNIT   = 'Gauss   '".ljust(80)
    assert card in content
    plain.write_bytes(content.replace(card, b"BUNIT   = gauss".ljust(80)))
    smap = read_map(plain)
    assert_same(smap, frame)
    assert smap.meta["bunit"] == "gauss"


@pytest.mark.parametrize("compressed", [False, True])
def test_an_export_without_keywords(tmp_path, frame, compressed):
    path = tmp_path / "as_is.fits"
    raw = np.round(frame).astype(np.int32)
    hdu = fits.CompImageHDU(raw) if compressed else fits.PrimaryHDU(raw)
    hdu.writeto(path)
    with pytest.raises(ValueError, match=r"as_is\.fits has no keywords .*export the record again"):
        read_map(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_of_a_card_that_occurs_twice_the_first_counts(tmp_path, frame, header, compressed):
    path = tmp_path / "once.fits"
    header["HISTORY"] = "last"
    hdu = fits.CompImageHDU(frame, header) if compressed else fits.PrimaryHDU(frame, header)
    hdu.writeto(path)
    twice = tmp_path / "twice.fits.gz"
    with fits.open(path, disable_image_compression=True) as file:
        file[-1].header.append(("CROTA2", 180.0))
        # The same, in other words, or nothing: nothing is said.
        file[-1].header.append(("TELESCOP", header["TELESCOP"]))
        file[-1].header.append(("CRVAL1", int(header["CRVAL1"])))
        file[-1].header.append(("CRVAL2", None))
        file.writeto(twice)
    with pytest.warns(SuperResWarning, match="CROTA2 occurs twice, .* the first is used") as said:
        smap = read_map(twice)
    assert len(said) == 1
    assert smap.meta["crota2"] == header["CROTA2"] == sunpy.map.Map(twice).meta["crota2"]
    assert smap.meta["history"] == "\n".join(header["HISTORY"])


def test_the_cards_and_comments_are_those_of_sunpy(tmp_path, frame, header):
    header.comments["CRPIX1"] = "[pix] where"
    header["WAVELNTH"] = (6768, "[Angstrom] For MDI")
    header["COMMENT"] = "from the archive"
    header["SAMPLE"] = None
    path = tmp_path / "commented.fits"
    fits.PrimaryHDU(frame, header).writeto(path)
    ours, theirs = dict(read_map(path).meta), dict(sunpy.map.Map(path).meta)
    assert ours["keycomments"]["CRPIX1"] == "[pix] where"
    assert ours == theirs


def test_a_chart_is_refused(tmp_path, frame, header):
    """Its units are none that sunpy reads; it need not be corrected."""
    header["CTYPE1"], header["CTYPE2"] = "CRLN-CEA", "CRLT-CEA"
    header["CUNIT1"], header["CUNIT2"] = "Degree", "Sine Latitude"
    header["INSTRUME"], header["CONTENT"] = "MDI", "Synoptic chart"
    path = tmp_path / "chart.fits"
    fits.PrimaryHDU(frame, header).writeto(path)
    with pytest.raises(TypeError, match="a synoptic chart .*super-resolve the frames"):
        read_map(path)


def test_a_header_without_wcs(tmp_path, frame):
    path = tmp_path / "bare.fits"
    header = fits.Header({"CAMERA": "MDI", "CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN"})
    header["CUNIT1"] = header["CUNIT2"] = "furlong"
    fits.PrimaryHDU(frame, header).writeto(path)
    with pytest.raises(ValueError, match=r"header of .*bare\.fits describes no usable Map"):
        read_map(path)


@pytest.mark.parametrize(
    ("card", "value", "said"),
    [
        ("CONTENT", "MDI Full Disk Intensity Continuum", "not a magnetogram"),
        ("HISTORY", "The data is uncalibrated and is not suitable for analysis", "quick-look"),
    ],
)
def test_another_observable(tmp_path, frame, header, card, value, said):
    header[card] = value
    path = tmp_path / "other.fits"
    fits.PrimaryHDU(frame, header).writeto(path)
    with pytest.raises(TypeError, match=said):
        read_map(path)


def test_old_header_is_repaired(tmp_path, frame, header):
    del header["CROTA2"]
    header["SOLAR_P0"] = 180.0
    header["CTYPE1"], header["CTYPE2"] = "solar_x", "solar_y"
    header["CUNIT1"] = header["CUNIT2"] = "arcsecs"
    path = tmp_path / "old.fits"
    fits.PrimaryHDU(frame, header).writeto(path)
    smap = read_map(path)
    assert smap.rotation_matrix == pytest.approx(np.diag([-1, -1]), abs=1e-12)
    assert smap.coordinate_system.axis1 == "HPLN-TAN"
    lines = smap.meta["history"].splitlines()
    repairs = [line for line in lines if line.startswith("input header repaired: ")]
    assert [
        line.split()[3] for line in repairs
    ] == "CTYPE1: CUNIT1: CTYPE2: CUNIT2: CROTA2:".split()
    # Nothing is left for the next in line, and a sound header gives no new Map.
    again, changes = repair_map(smap)
    assert again is smap
    assert changes == []


def test_hmi_is_read(tmp_path, frame, header):
    del header["CAMERA"]
    header["TELESCOP"], header["INSTRUME"] = "SDO/HMI", "HMI_SIDE1"
    path = tmp_path / "hmi.fits"
    fits.PrimaryHDU(frame, header).writeto(path)
    np.testing.assert_array_equal(read_map(path).data, frame)
    np.testing.assert_array_equal(read_map(path, instrument="HMI").data, frame)
    with pytest.raises(TypeError, match=r"HMI magnetogram, which needs no super-resolution"):
        read_map(path, instrument="MDI")
    with pytest.raises(TypeError, match=r"HMI magnetogram, which needs no super-resolution"):
        super_resolve(read_map(path))


def test_mdi_is_not_read_as_hmi(plain):
    with pytest.raises(TypeError, match=r"not from HMI .*CAMERA = 'MDI'.*; give one of SDO/HMI"):
        read_map(plain, instrument="HMI")


@pytest.mark.parametrize("instrument", [None, "MDI", "HMI"])
def test_other_instruments_are_refused(tmp_path, frame, header, instrument):
    del header["CAMERA"]
    header["TELESCOP"] = "NSO-GONG"
    path = tmp_path / "gong.fits"
    fits.PrimaryHDU(frame, header).writeto(path)
    expected = instrument or "neither MDI nor HMI"
    with pytest.raises(TypeError, match=f"from {expected} .TELESCOP = 'NSO-GONG'"):
        read_map(path, instrument=instrument)


def test_two_instruments_are_refused(tmp_path, frame, header):
    header["INSTRUME"] = "HMI_SIDE1"
    path = tmp_path / "both.fits"
    fits.PrimaryHDU(frame, header).writeto(path)
    with pytest.raises(TypeError, match=r"names two instruments .*; correct TELESCOP, INSTRUME"):
        read_map(path)


def test_an_unknown_instrument_is_refused(plain):
    with pytest.raises(ValueError, match="instrument must be 'MDI', 'HMI' or None, not 'GONG'"):
        read_map(plain, instrument="GONG")


def test_a_file_without_an_instrument_is_taken_for_mdi_only_on_demand(tmp_path, frame, header):
    del header["CAMERA"], header["TELESCOP"]
    path = tmp_path / "nobody.fits"
    fits.PrimaryHDU(frame, header).writeto(path)
    read_map(path)
    with pytest.warns(SuperResWarning, match="taken for SOHO/MDI"):
        read_map(path, instrument="MDI")


def test_a_sound_header_has_no_repair(plain, frame):
    assert "repaired" not in read_map(plain).meta.get("history", "")


# Writing


def names(folder):
    return [path.name for path in folder.iterdir()]


def put(text):
    def write(name):
        Path(name).write_text(text)

    return write


def test_written_whole(tmp_path):
    path = tmp_path / "result.txt"
    write_atomically(path, put("field"))
    assert path.read_text() == "field"
    assert names(tmp_path) == ["result.txt"]


def test_the_temporary_file_has_the_suffix(tmp_path):
    """By which `GenericMap.save` and `Figure.savefig` choose the format."""
    seen = []
    write_atomically(tmp_path / "a.fits", lambda name: (seen.append(name), put("x")(name)))
    assert seen[0].endswith(".fits")
    assert Path(seen[0]).parent == tmp_path


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("before", [None, "old"])
def test_a_failure_leaves_all_as_it_was(tmp_path, error, before):
    path = tmp_path / "result.txt"
    if before:
        path.write_text(before)

    def write(name):
        put("half")(name)
        raise error

    with pytest.raises(type(error)):
        write_atomically(path, write)
    assert names(tmp_path) == (["result.txt"] if before else [])
    assert not before or path.read_text() == before


def test_old_file_is_replaced(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old and longer")
    write_atomically(path, put("new"))
    assert path.read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_umask_is_respected(tmp_path, umask):
    path = tmp_path / "result.txt"
    before = os.umask(umask)
    try:
        write_atomically(path, put("x"))
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
