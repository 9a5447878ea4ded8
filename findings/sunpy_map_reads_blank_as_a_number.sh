#!/usr/bin/env bash
# sunpy reads the missing pixels of an uncompressed integer FITS file as numbers.
#
# Expected: one array of 16-bit integers with BSCALE = 0.1 and BLANK = -32768 has NaN in its missing
# pixels, whether the file is compressed by Rice or not, and whether astropy or sunpy reads it.
# Found: sunpy opens files with ignore_blank=True.  In an image HDU the missing pixels then come as
# -3276.8 G, with no warning; in a compressed HDU, where astropy does not heed this option, they are
# NaN.  astropy's own fits.getdata gives NaN for both.
# Matters here: magnetograms of MDI and HMI are stored as such integers, and off-disk pixels are
# missing.  A frame that was decompressed before it is read has a ring of -3276.8 G, which looks like
# a strong field, is inside MDI's range of values and spoils fluxes and everything near the limb.
#
# Seen with sunpy 7.0.5 and astropy 8.0.2 (Python 3.11).  Fails if one of the four values changes.
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

warnings.simplefilter("ignore")
folder = Path(sys.argv[1])
cards = {
    "CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CUNIT1": "arcsec", "CUNIT2": "arcsec",
    "CDELT1": 2.0, "CDELT2": 2.0, "CRPIX1": 4.5, "CRPIX2": 4.5, "CRVAL1": 0.0, "CRVAL2": 0.0,
    "DATE-OBS": "1999-12-11T00:00:00", "BUNIT": "Gauss", "HGLN_OBS": 0.0, "HGLT_OBS": 0.0,
    "DSUN_OBS": 1.47e11, "BSCALE": 0.1, "BZERO": 0.0, "BLANK": -32768,
}
counts = np.arange(64, dtype=np.int16).reshape(8, 8)
counts[0, 0] = -32768
print("sunpy", sunpy.__version__, "astropy", astropy.__version__)
found = {}
for kind in (fits.PrimaryHDU, fits.CompImageHDU):
    image = kind(counts.copy())
    image.header.update(cards)
    hdus = [image] if kind is fits.PrimaryHDU else [fits.PrimaryHDU(), image]
    path = folder / f"{kind.__name__}.fits"
    fits.HDUList(hdus).writeto(path)
    found[kind] = fits.getdata(path)[0, 0], sunpy.map.Map(path).data[0, 0]
    print(f"{kind.__name__}: astropy {found[kind][0]}, sunpy {found[kind][1]}")
assert np.isnan(found[fits.PrimaryHDU][0])
assert np.isclose(found[fits.PrimaryHDU][1], -3276.8)
assert np.isnan(found[fits.CompImageHDU]).all()
PYTHON
