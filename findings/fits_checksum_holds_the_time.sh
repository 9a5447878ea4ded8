#!/usr/bin/env bash
# A FITS file written with checksum=True is another file a second later.
#
# Expected: the same image and the same header, saved twice with astropy's checksum=True (or
# sunpy's Map.save(..., checksum=True)), give the same bytes: CHECKSUM and DATASUM describe the data
# and the header, and neither has changed.
# Found: astropy writes the time of writing into the comments of both cards ("HDU checksum updated
# 2026-11-27T22:17:40"), and since the checksum covers the header with these comments, the value of
# CHECKSUM differs as well.  DATASUM alone keeps its value.
# Matters here: a result is compared, cached and referred to by its SHA-256.  Two workers that make
# the same result would seem to disagree; the comments are taken out before the checksum is made.
#
# Seen with astropy 7.0.1 (Python 3.11).  Fails if the files become equal or differ elsewhere.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check "astropy==7.0.1" "numpy==2.2.6"
"$scratch/venv/bin/python" - "$scratch" <<'PYTHON'
import sys
import time
from pathlib import Path

import astropy
import numpy as np
from astropy.io import fits

folder = Path(sys.argv[1])
field = np.arange(64, dtype=np.float32).reshape(8, 8)
for name in ("first.fits", "second.fits"):
    header = fits.Header({"BUNIT": "Gauss", "DATE-OBS": "1999-12-11T00:00:00"})
    fits.PrimaryHDU(field, header).writeto(folder / name, checksum=True)
    time.sleep(1.1)
first, second = (fits.getheader(folder / name) for name in ("first.fits", "second.fits"))
changed = [
    card.keyword
    for card, other in zip(first.cards, second.cards, strict=True)
    if card.image != other.image
]
print("astropy", astropy.__version__)
print("same bytes:", (folder / "first.fits").read_bytes() == (folder / "second.fits").read_bytes())
print("cards that differ:", ", ".join(changed))
print("same value of DATASUM:", first["DATASUM"] == second["DATASUM"])
print("same value of CHECKSUM:", first["CHECKSUM"] == second["CHECKSUM"])
assert changed == ["CHECKSUM", "DATASUM"]
assert first["DATASUM"] == second["DATASUM"]
assert first["CHECKSUM"] != second["CHECKSUM"]
assert "updated" in first.comments["CHECKSUM"]
PYTHON
