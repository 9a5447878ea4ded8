#!/usr/bin/env bash
# An alternate WCS of a file is no target for sunpy's reproject_to, and the error blames the header
# of the image.
#
# Expected: GenericMap.reproject_to(WCS(header, key="A")) gives the Map on that grid, as it does if
# the same cards are those of the main WCS.
# Found: it raises MapMetaValidationError, "Image coordinate units for axis 1 not present in
# metadata", though the Map and the target both have units.  WCS.to_header writes a WCS that was read
# by a letter with that letter (CTYPE1A, CUNIT1A), and sunpy makes the header of the new Map by it,
# which so has no main WCS.  A copy of the WCS whose letter is set to a blank works.
# Matters here: headers of solar files carry a second WCS under A, helioprojective beside
# heliographic for example, and target_wcs takes whatever grid a user reads from a file.  A header
# written by to_header without a look at the letter places a field by defaults.
#
# Seen with sunpy 7.0.5, astropy 8.0.2, reproject 0.21.0 (Python 3.11).  Fails if either changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check \
    "sunpy[map]==7.0.5" "astropy==8.0.2" "reproject==0.21.0" "numpy==2.4.6"
"$scratch/venv/bin/python" -W ignore <<'PYTHON'
import astropy
import numpy as np
import reproject
import sunpy
import sunpy.map
from astropy.io import fits
from astropy.wcs import WCS
from sunpy.map import MapMetaValidationError

grid = {
    "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec",
    "cdelt1": 2.0, "cdelt2": 2.0, "crval1": 0.0, "crval2": 0.0, "crpix1": 20.5, "crpix2": 20.5,
}
observer = {"date-obs": "2010-10-15T00:00:00", "dsun_obs": 1.49e11, "hgln_obs": 0.0,
            "hglt_obs": 5.9, "rsun_ref": 6.957e8}
smap = sunpy.map.Map(np.ones((40, 40)), grid | observer)
target = WCS(fits.Header(observer | {f"{card}a": value for card, value in grid.items()}), key="A")
target.array_shape = (40, 40)
print("sunpy", sunpy.__version__, "astropy", astropy.__version__, "reproject", reproject.__version__)
print("axes of the target:", list(target.wcs.ctype), list(map(str, target.wcs.cunit)))
print("cards that to_header writes:", [c for c in target.to_header() if c.startswith("CTYPE")])
try:
    smap.reproject_to(target)
except MapMetaValidationError as error:
    print("reproject_to:", str(error).splitlines()[0])
    assert "units for axis 1 not present" in str(error)
else:
    raise SystemExit("reproject_to takes it now")
main = target.deepcopy()
main.wcs.alt = " "
main.array_shape = (40, 40)
moved = smap.reproject_to(main)
print("with a blank letter:", list(moved.wcs.wcs.ctype), moved.data.shape)
assert moved.meta["ctype1"] == "HPLN-TAN"
PYTHON
