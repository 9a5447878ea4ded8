#!/usr/bin/env bash
# Taking every fourth pixel of a CCDData moves its coordinates by one and a half pixels.
#
# Expected: image[::4, ::4] keeps the pixels 0, 4, 8, ... and a WCS in which each of them has the
# coordinates that it had before.
# Found: the data are every fourth pixel, but WCS.slice sets CRPIX as for means over 4 x 4 pixels.
# The first pixel, which was pixel 0, is said to lie where pixel 1.5 was; nothing is said about it.
# The same slice of an NDDataRef or an NDCube raises an error instead.
# Matters here: the way to compare a super-resolved field with a coarse one, or to compute R_VALUE as
# JSOC does, is to take every fourth pixel.  At HMI's 0.5 arcsec the pointing is then off by
# 0.75 arcsec along both axes, more than the pixel of the finer image.
#
# Seen with astropy 8.0.2 (Python 3.11).  Fails if the shift changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check "astropy==8.0.2" "numpy==2.4.6"
"$scratch/venv/bin/python" <<'PYTHON'
import astropy
import numpy as np
from astropy.nddata import CCDData
from astropy.wcs import WCS

wcs = WCS(naxis=2)
wcs.wcs.ctype = ["HPLN-TAN", "HPLT-TAN"]
wcs.wcs.cunit = ["arcsec", "arcsec"]
wcs.wcs.cdelt = [0.5, 0.5]
wcs.wcs.crpix = [1.0, 1.0]
wcs.wcs.crval = [100.0, 200.0]
wcs.wcs.set()  # otherwise the units are mixed as well and the pixels become 2 degrees wide
image = CCDData(np.arange(256.0).reshape(16, 16), unit="G", wcs=wcs)
taken = image[::4, ::4]
before = np.array(image.wcs.wcs_pix2world(4, 4, 0)) * 3600
after = np.array(taken.wcs.wcs_pix2world(1, 1, 0)) * 3600
print("astropy", astropy.__version__)
print("same value:", taken.data[1, 1] == image.data[4, 4])
print("coordinates before, after (arcsec):", before, after)
assert taken.data[1, 1] == image.data[4, 4]
assert np.allclose(after - before, 1.5 * 0.5, atol=1e-3)
PYTHON
