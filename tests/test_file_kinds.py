"""Files that are no frames are named for what they are."""

import numpy as np
import pytest
from astropy.io import fits

from sunpy_superres import read_map


def _save_array(path, frame):
    np.save(path.with_suffix(".npy"), frame)
    path.with_suffix(".npy").rename(path)


def _save_zip(path, frame):
    np.savez(path.with_suffix(".npz"), field=frame)
    path.with_suffix(".npz").rename(path)


KINDS = {
    "image in it, only a table .LIST.": lambda path, frame: fits.HDUList(
        [fits.PrimaryHDU(), fits.BinTableHDU.from_columns([], name="LIST")]
    ).writeto(path),
    "image in it, only a header": lambda path, frame: fits.PrimaryHDU().writeto(path),
    "an array of numpy; give sunpy.map.Map": _save_array,
    "several numpy arrays; give sunpy.map.Map": _save_zip,
    "a PNG picture; .*FITS file": lambda path, frame: path.write_bytes(b"\x89PNG\r\n" + bytes(99)),
    "a web page.*download it again": lambda path, frame: path.write_text("\n<!DOCTYPE html>"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_another_kind_is_named(tmp_path, kind):
    path = tmp_path / "mdi.fits"
    KINDS[kind](path, np.zeros((40, 48), np.int16))
    with pytest.raises(
        ValueError, match=f"not a readable FITS image: (it is|there is no) .*{kind}"
    ) as e:
        read_map(path)
    assert ("download" in str(e.value)) == ("web page" in kind)
