#!/usr/bin/env bash
# An NDCube times a factor multiplies its variance by the factor, not by the square of it.
#
# Expected: a cube of 1 G with a variance of 4 G2 (2 G) has after cube * 10 a variance of 400 G2, and
# in tesla 4e-8 T2; the uncertainty stays twice the field.
# Found: the array of the uncertainty is multiplied once, whatever its kind: the variance becomes
# 40 G2, and 4e-4 T2 after cube.to("T"), which is an uncertainty of 0.02 T on a field of 0.0001 T.
# Its unit is squared all the same.  Nothing is said.  A StdDevUncertainty is scaled rightly, but
# cube * -1 makes a negative one, although -cube does not.
# Matters here: MDI fields are divided by 1.4 to be compared with HMI, and gauss become tesla.  An
# ensemble whose spread is kept as a variance is then wrong, by 1.4 or by a factor of 10000.
#
# Seen with ndcube 2.4.2 and astropy 8.0.2 (Python 3.11).  Fails if one of the values changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check "ndcube==2.4.2" "astropy==8.0.2" "numpy==2.4.6"
"$scratch/venv/bin/python" <<'PYTHON'
import astropy
import ndcube
import numpy as np
from astropy.nddata import StdDevUncertainty, VarianceUncertainty
from astropy.wcs import WCS

wcs = WCS(naxis=2)
wcs.wcs.ctype = ["HPLN-TAN", "HPLT-TAN"]
wcs.wcs.cunit = ["arcsec", "arcsec"]
wcs.wcs.cdelt = [0.5, 0.5]
print("ndcube", ndcube.__version__, "astropy", astropy.__version__)


def make(uncertainty):
    return ndcube.NDCube(np.ones((2, 2)), wcs=wcs, unit="G", uncertainty=uncertainty)


cube = make(VarianceUncertainty(np.full((2, 2), 4.0)))
for name, result, right, found in (
    ("cube * 10", cube * 10, 400.0, 40.0),
    ("cube.to('T')", cube.to("T"), 4e-8, 4e-4),
):
    variance = result.uncertainty
    print(f"{name}: variance {variance.array[0, 0]:g} {variance.unit}, right would be {right:g}")
    assert np.allclose(variance.array, found)
cube = make(StdDevUncertainty(np.full((2, 2), 2.0)))
print("cube * -1: standard deviation", (cube * -1).uncertainty.array[0, 0])
print("-cube: standard deviation", (-cube).uncertainty.array[0, 0])
assert np.allclose((cube * -1).uncertainty.array, -2.0)
assert np.allclose((-cube).uncertainty.array, 2.0)
PYTHON
