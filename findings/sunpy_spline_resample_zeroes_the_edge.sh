#!/usr/bin/env bash
# Map.resample with method="spline" puts zeros along the edges of a refined image.
#
# Expected: an image of 1000 G everywhere is 1000 G everywhere after it is resampled to four times as
# many pixels, as with the methods "linear" and "nearest".
# Found: the outermost two fine pixels on each side lie beyond the centres of the outermost coarse
# pixels.  "linear" extends the field there; "spline" gives exactly 0 G, and values that fall off to
# 0 in the pixels next to them where the field is not constant.  These are not NaN.
# Matters here: a cubic spline of the coarse image is a natural baseline for super-resolution by four.
# Its error is then dominated by a frame of zeros around every patch, and any method looks better.
#
# Seen with sunpy 7.0.5 and scipy 1.17.1 (Python 3.11).  Fails if the edge changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check "sunpy[map]==7.0.5" "astropy==8.0.2" "numpy==2.4.6" "scipy==1.17.1"
"$scratch/venv/bin/python" <<'PYTHON'
import astropy.units as u
import numpy as np
import scipy
import sunpy
import sunpy.map

cards = {
    "CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CUNIT1": "arcsec", "CUNIT2": "arcsec",
    "CDELT1": 2.0, "CDELT2": 2.0, "CRPIX1": 8.5, "CRPIX2": 8.5, "CRVAL1": 0.0, "CRVAL2": 0.0,
    "DATE-OBS": "1999-12-11T00:00:00", "BUNIT": "G", "HGLN_OBS": 0.0, "HGLT_OBS": 0.0,
    "DSUN_OBS": 1.47e11,
}
frame = sunpy.map.Map(np.full((16, 16), 1000.0), cards)
print("sunpy", sunpy.__version__, "scipy", scipy.__version__)
fine = {name: frame.resample([64, 64] * u.pix, method=name).data
        for name in ("nearest", "linear", "spline")}
for name, field in fine.items():
    print(f"{name}: row 32 begins {field[32, :4].round(3)}, {np.mean(field == 0):.1%} zeros")
assert np.allclose(fine["nearest"], 1000.0)
assert np.allclose(fine["linear"], 1000.0)
edge = np.ones((64, 64), dtype=bool)
edge[2:-2, 2:-2] = False
assert (fine["spline"][edge] == 0.0).all()
assert np.allclose(fine["spline"][32, 16:48], 1000.0)
PYTHON
