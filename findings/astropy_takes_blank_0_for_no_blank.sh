#!/usr/bin/env bash
# Missing pixels of a scaled integer image become numbers if its BLANK is 0.
#
# Expected: BLANK is the stored integer of pixels without a value, of whatever size; astropy.io.fits gives NaN for
# them when it scales an image by BSCALE and BZERO, as it does for BLANK = -32768 and for BLANK = 1.
# Found: with BLANK = 0 the missing pixels come out as BZERO, -3000 G here, a strong field.  The header of the image
# that was read has lost BLANK, BSCALE and BZERO by then, so that nobody sees later that there were missing pixels.
# Matters here: magnetograms are kept as 16-bit integers, with missing pixels off the disk and in lost telemetry, and a
# program that writes positive integers has 0 to spare for them.
#
# Seen with astropy 8.0.2 (Python 3.11).  Fails if that changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check "astropy==8.0.2" "numpy==2.4.6"
cd "$scratch"
"$scratch/venv/bin/python" <<'PYTHON'
import astropy
import numpy as np
from astropy.io import fits

print("astropy", astropy.__version__)
found = {}
for blank in (1, 0):
    stored = np.full((4, 4), 30500, ">i2")
    stored[0, 0] = blank
    # As the standard has it, byte by byte: the cards, and the integers themselves.
    cards = [
        ("SIMPLE", True), ("BITPIX", 16), ("NAXIS", 2), ("NAXIS1", 4), ("NAXIS2", 4),
        ("BSCALE", 0.1), ("BZERO", -3000.0), ("BLANK", blank), ("BUNIT", "G"),
    ]
    name = f"blank{blank}.fits"
    with open(name, "wb") as file:
        file.write(fits.Header(cards).tostring().encode("ascii"))
        file.write(stored.tobytes().ljust(2880, b"\0"))
    fits.open(name)[0].verify("exception")
    with fits.open(name) as hdus:
        data = hdus[0].data
        kept = [card for card in ("BLANK", "BSCALE", "BZERO") if card in hdus[0].header]
    found[blank] = float(data[0, 0])
    print(f"BLANK = {blank}: missing pixel {data[0, 0]}, others {data[1, 1]:.1f} G; cards kept: {kept}")
assert np.isnan(found[1])
assert found[0] == -3000.0
PYTHON
