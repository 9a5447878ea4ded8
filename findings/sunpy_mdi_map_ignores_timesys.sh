#!/usr/bin/env bash
# sunpy's MDIMap reads DATE-OBS as UTC even where TIMESYS says that it is TAI.
#
# Expected: one header with TIMESYS = 'TAI' gives one time, whichever class of Map reads it.
# Found: GenericMap heeds TIMESYS.  MDIMap has a reader of its own for DATE-OBS, which does not, so
# that the card INSTRUME = 'MDI' alone moves the time by the leap seconds: 32 s in 1999.
# Matters here: matching MDI with HMI frames, and rotating one to the time of the other, starts from
# these times.  The observer and the coordinates are computed for the wrong time as well, while
# TIMESYS stays in the metadata and seems to have been used.
#
# Seen with sunpy 7.0.5 and astropy 8.0.2 (Python 3.11).  Fails if the two times agree.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check "sunpy[map]==7.0.5" "astropy==8.0.2" "numpy==2.4.6"
"$scratch/venv/bin/python" <<'PYTHON'
import astropy
import numpy as np
import sunpy
import sunpy.map

cards = {
    "CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CUNIT1": "arcsec", "CUNIT2": "arcsec",
    "CDELT1": 2.0, "CDELT2": 2.0, "CRPIX1": 4.5, "CRPIX2": 4.5, "CRVAL1": 0.0, "CRVAL2": 0.0,
    "DATE-OBS": "1999-12-11T00:00:32", "TIMESYS": "TAI", "BUNIT": "G", "HGLN_OBS": 0.0,
    "HGLT_OBS": 0.0, "DSUN_OBS": 1.47e11,
}
image = np.zeros((8, 8), dtype=np.float32)
plain = sunpy.map.Map(image, cards)
mdi = sunpy.map.Map(image, {**cards, "INSTRUME": "MDI", "CAMERA": "MDI"})
print("sunpy", sunpy.__version__, "astropy", astropy.__version__)
for frame in (plain, mdi):
    print(type(frame).__name__, frame.date.utc.isot, "UTC; TIMESYS", frame.meta["timesys"])
assert type(mdi).__name__ == "MDIMap"
assert plain.date.utc.isot == "1999-12-11T00:00:00.000"
assert mdi.date.utc.isot == mdi.reference_date.utc.isot == "1999-12-11T00:00:32.000"
PYTHON
