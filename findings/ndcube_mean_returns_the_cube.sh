#!/usr/bin/env bash
# numpy.mean, median and nanmean of an NDCube return the cube itself, with all its members.
#
# Expected: np.nanmean(cube, axis=0) of a cube (member, y, x) averages over the members, or raises an
# error, as np.sum and np.std do ("does not support ufuncs").
# Found: NumPy sees a scalar object, since an NDCube is no array and has no mean method; it divides
# the one object by the count 1 and hands it back.  np.nanmean does so even with axis=0; np.mean and
# np.median without an axis.  The result has the shape of the cube, and nothing is said.
# Matters here: super_resolve returns an ensemble as an NDCube.  Its "mean" by NumPy would be passed
# on as a field although it is the whole ensemble; cube.data has to be averaged.
#
# Seen with ndcube 2.4.2 and numpy 2.4.6 (Python 3.11).  Fails if one of these changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check "ndcube==2.4.2" "numpy==2.4.6"
"$scratch/venv/bin/python" <<'PYTHON'
import ndcube
import numpy as np
from astropy.wcs import WCS

wcs = WCS(naxis=3)
wcs.wcs.ctype = ["HPLN-TAN", "HPLT-TAN", "SAMPLE"]
wcs.wcs.cunit = ["arcsec", "arcsec", ""]
wcs.wcs.cdelt = [0.5, 0.5, 1.0]
cube = ndcube.NDCube(np.arange(24.0).reshape(2, 3, 4), wcs=wcs)
print("ndcube", ndcube.__version__, "numpy", np.__version__)
for name, function, options in (
    ("mean", np.mean, {}),
    ("median", np.median, {}),
    ("nanmean", np.nanmean, {}),
    ("nanmean, axis=0", np.nanmean, {"axis": 0}),
):
    found = function(cube, **options)
    print(f"{name}: {type(found).__name__} of shape {found.shape}")
    assert isinstance(found, ndcube.NDCube)
    assert found.shape == (2, 3, 4)
for function in (np.sum, np.std):
    try:
        function(cube)
    except TypeError as error:
        print(f"{function.__name__}: {error}")
    else:
        raise AssertionError(f"{function.__name__} raises nothing")
PYTHON
