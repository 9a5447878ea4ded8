"""Cut the package's real example out of the full-disk MDI magnetogram of 1999-12-11."""

import argparse
from pathlib import Path

import numpy as np
from astropy.io import fits

#: First column and row of the cut-out, and its side in pixels.
CORNER, SIDE = (424, 336), 128
#: Cards about the values of the whole disk, which are not those of the cut-out.
STATISTICS = (
    "DATAVALS", "MISSVALS", "DATAMIN", "DATAMAX", "DATAMEDN", "DATAMEAN", "DATARMS", "DATASKEW",
    "DATAKURT", "TOT_FLUX", "AVG_FLUX", "MEAN_FLD", "CHECKSUM", "DATASUM",
)  # fmt: skip
CREDIT = "SOHO/MDI: ESA & NASA, SOI/MDI team; the data are free to use with this credit."


def cut(disk, out):
    """Write the cut-out of a full-disk file; its values are kept to float32."""
    with fits.open(disk) as file:
        image = next(hdu for hdu in file if hdu.is_image and hdu.data is not None)
        header, (x, y) = image.header.copy(), CORNER
        data = image.data[y : y + SIDE, x : x + SIDE].astype(np.float32)
    for name in STATISTICS:
        header.remove(name, ignore_missing=True)
    for card, first in zip(("CRPIX1", "CRPIX2", "X0", "Y0"), (x, y, x, y), strict=True):
        header[card] -= first
    header["HISTORY"] = f"columns {x}-{x + SIDE - 1}, rows {y}-{y + SIDE - 1} of the full disk"
    header["COMMENT"] = CREDIT
    fits.PrimaryHDU(data, header).writeto(out, overwrite=True, checksum=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("disk", type=Path, help="mdi.fd_M_96m_lev182 of 1999-12-11 00:00 TAI")
    parser.add_argument("out", type=Path, help="file to write")
    options = parser.parse_args()
    cut(options.disk, options.out)
