#!/usr/bin/env bash
# A magnetic flux in maxwell comes back from a FITS table in another unit.
#
# Expected: astropy.units knows Mx, so a column of magnetic flux in Mx that QTable.write saves as a FITS
# table has TUNIT "Mx", and QTable.read gives it back in Mx, as from ECSV.
# Found: the FITS standard has the weber but no maxwell, so astropy writes TUNIT "10**-8 Wb" (and
# "10**-8 Wb cm-2" for Mx/cm2, where "G" would be the same), without a warning.  The column that is read has
# the unit "1e-08 Wb": equal to Mx, but its name is gone, for readers of the card and in each printed table.
# Matters here: fluxes of SHARP, SMARP and of this package are in Mx.  A program that looks for the text
# "Mx" in TUNIT or in a column's unit finds none; column.to("Mx") brings the name back, or ECSV keeps it.
#
# Seen with astropy 8.0.2 (Python 3.11).  Fails if that changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check "astropy==8.0.2" "numpy==2.4.6"
cd "$scratch"
"$scratch/venv/bin/python" -W error <<'PYTHON'
import astropy
import astropy.units as u
from astropy.io import fits
from astropy.table import QTable

table = QTable({"flux": [1.5e22] * u.Mx, "density": [20.0] * u.Mx / u.cm**2, "field": [20.0] * u.G})
table.write("flux.fits")
table.write("flux.ecsv")
header = fits.getheader("flux.fits", 1)
units = [header[f"TUNIT{n}"] for n in (1, 2, 3)]
print("astropy", astropy.__version__, "TUNIT:", units)
back, text = QTable.read("flux.fits"), QTable.read("flux.ecsv")
print("from FITS:", back["flux"][0], "  from ECSV:", text["flux"][0])
assert units == ["10**-8 Wb", "10**-8 Wb cm-2", "G"]
assert str(back["flux"].unit) == "1e-08 Wb" and back["flux"].unit == u.Mx
assert str(text["flux"].unit) == "Mx"
PYTHON
