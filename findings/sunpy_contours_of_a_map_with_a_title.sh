#!/usr/bin/env bash
# The title that sunpy's plot takes from a Map's plot_settings makes draw_contours fail.
#
# Expected: plot_settings["title"], which GenericMap.plot shows as the title, does not matter for
# GenericMap.draw_contours, as "cmap", "norm", "interpolation" and "origin" do not, which it takes out.
# Found: draw_contours gives the title to matplotlib's contour, and this raises AttributeError:
# "QuadContourSet.set() got an unexpected keyword argument 'title'".  The error names neither the Map
# nor its plot settings.
# Matters here: plots of results should say by themselves that they are no observation.  A title in
# the plot settings does that, until somebody draws contours of the result.  A class of its own with
# latex_name does both.
#
# Seen with sunpy 7.0.5, matplotlib 3.11.2 (Python 3.11).  Fails if that changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check \
    "sunpy[map]==7.0.5" "matplotlib==3.11.2" "astropy==8.0.2" "numpy==2.4.6"
MPLBACKEND=agg "$scratch/venv/bin/python" -W ignore <<'PYTHON'
import astropy.units as u
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import sunpy
import sunpy.map

header = {
    "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec",
    "cdelt1": 2.0, "cdelt2": 2.0, "crval1": 0.0, "crval2": 0.0, "crpix1": 20.5, "crpix2": 20.5,
    "date-obs": "2010-10-15T00:00:00", "dsun_obs": 1.49e11, "hgln_obs": 0.0, "hglt_obs": 5.9,
    "rsun_ref": 6.957e8, "bunit": "G",
}
data = np.zeros((40, 40))
data[10:20, 10:20] = 500
smap = sunpy.map.Map(data, header)
axes = plt.figure().add_subplot(projection=smap)
drawn = smap.draw_contours([250] * u.G, axes=axes)
print("sunpy", sunpy.__version__, "matplotlib", matplotlib.__version__)
print("without a title:", len(drawn.get_paths()), "contour")
smap.plot_settings["title"] = "not an observation"
smap.plot(axes=axes)
print("plot shows:", axes.get_title())
assert axes.get_title() == "not an observation"
try:
    smap.draw_contours([250] * u.G, axes=axes)
except AttributeError as error:
    print("draw_contours:", error)
    assert "'title'" in str(error)
else:
    raise SystemExit("draw_contours takes it now")
PYTHON
