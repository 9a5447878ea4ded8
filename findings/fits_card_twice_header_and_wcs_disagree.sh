#!/usr/bin/env bash
# Of a card that stands twice in a FITS header, astropy's Header reads the first and its WCS the last.
#
# Expected: header["CRVAL1"] and WCS(header).wcs.crval[0] are the same number, or an error or a
# warning says that the card stands there twice.
# Found: Header (and with it a sunpy Map) takes the first card, wcslib the last, and neither warns.
# Matters here: a program that corrects a pointing may append the new card and leave the old one in
# place.  A Map of such a file points to the old place and a WCS of the same header to the new one; a
# cut-out by the one, compared with a cut-out by the other, shows another part of the Sun.
#
# Seen with astropy 8.0.2 and sunpy 7.0.5 (Python 3.11).  Fails if one of the three changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check "sunpy[map]==7.0.5" "astropy==8.0.2" "numpy==2.4.6"
"$scratch/venv/bin/python" - "$scratch" <<'PYTHON'
import sys
import warnings
from pathlib import Path

import astropy
import numpy as np
import sunpy
import sunpy.map
from astropy.io import fits
from astropy.wcs import WCS

path = Path(sys.argv[1]) / "twice.fits"
image = fits.PrimaryHDU(np.zeros((8, 8), dtype=np.float32))
image.header.update({
    "CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CUNIT1": "arcsec", "CUNIT2": "arcsec",
    "CDELT1": 2.0, "CDELT2": 2.0, "CRPIX1": 4.5, "CRPIX2": 4.5, "CRVAL1": 0.0, "CRVAL2": 0.0,
    "DATE-OBS": "1999-12-11T00:00:00", "BUNIT": "G", "HGLN_OBS": 0.0, "HGLT_OBS": 0.0,
    "DSUN_OBS": 1.47e11,
})
image.header.append(("CRVAL1", 100.0), end=True)
image.writeto(path)
header = fits.getheader(path)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    by_header = header["CRVAL1"]
    by_wcs = WCS(header).wcs.crval[0] * 3600
    by_map = sunpy.map.Map(path).reference_coordinate.Tx.to_value("arcsec")
print("sunpy", sunpy.__version__, "astropy", astropy.__version__)
print(f"CRVAL1 in arcsec: Header {by_header}, Map {by_map}, WCS {by_wcs:.6g}")
assert header.count("CRVAL1") == 2
assert by_header == by_map == 0.0
assert np.isclose(by_wcs, 100.0)
assert not any("CRVAL1" in str(warning.message) for warning in caught)
PYTHON
