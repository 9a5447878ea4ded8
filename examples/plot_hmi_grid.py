"""
Onto the grid of an HMI magnetogram
===================================

Put a result on the pixels of an HMI frame, and draw one instrument over the other.
"""

# sphinx_gallery_thumbnail_number = 2

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import sunpy.map
from astropy.coordinates import SkyCoord
from sunpy.coordinates import Helioprojective, get_earth

from sunpy_superres import super_resolve
from sunpy_superres.data import example_mdi_map
from sunpy_superres.instruments import HMI, MDI

###############################################################################
# The input is simulated, with the header of a real frame. SOHO is at L1, one percent closer
# to the Sun than the Earth.

mdi_map = example_mdi_map()

###############################################################################
# With an HMI file, its WCS is all that is needed: ``sunpy.map.Map("hmi.fits").wcs``. Here a
# header is made that looks like one: 0.5043 arcsec per pixel, seen from the Earth, and
# upside down, as HMI's camera is.

observer = get_earth(mdi_map.date)
centre = SkyCoord(
    220 * u.arcsec, 300 * u.arcsec, frame=Helioprojective(observer=observer, obstime=mdi_map.date)
)
header = sunpy.map.make_fitswcs_header(
    (520, 520),
    centre,
    scale=[HMI.plate_scale, HMI.plate_scale] * u.arcsec / u.pix,
    rotation_angle=180 * u.deg,
    instrument="HMI",
)
hmi_grid = sunpy.map.Map(np.zeros((520, 520)), header)

###############################################################################
# ``target_wcs`` resamples each member of the ensemble, and takes the spread afterwards, so
# that the uncertainty is that of the new pixels. The observer is then that of the target.

hmi_like, uncertainty = super_resolve(mdi_map, seed=1, target_wcs=hmi_grid.wcs, progress=False)
print("pixels  ", hmi_like.data.shape, hmi_like.scale.axis1)
print("rotation", np.round(hmi_like.rotation_matrix, 3).tolist())
print("observer", hmi_like.observer_coordinate.radius.to(u.au).round(5))

###############################################################################
# Both in their own orientation. Pixels for which MDI has nothing are NaN, and white here.

fig = plt.figure(figsize=(13, 5), layout="constrained")
panels = {f"MDI / {MDI.gain}": mdi_map / MDI.gain, "HMI-like, on HMI's pixels": hmi_like}
for number, (title, panel) in enumerate(panels.items(), start=1):
    ax = fig.add_subplot(1, 2, number, projection=panel)
    image = panel.plot(
        axes=ax,
        cmap="gray",
        norm=plt.Normalize(-1000, 1000),
        interpolation="nearest",
        title=title,
    )
    ax.grid(False)
fig.colorbar(image, ax=fig.axes, extend="both", shrink=0.85, label="Line-of-sight field [G]")

###############################################################################
# Since both carry their coordinates, contours of one can be drawn over the other, whatever
# the orientation: the result at -300 G and 300 G over a part of the frame.

corners = SkyCoord([140, 300] * u.arcsec, [250, 350] * u.arcsec, frame=mdi_map.coordinate_frame)
part = (mdi_map / MDI.gain).submap(corners[0], top_right=corners[1])

fig = plt.figure(figsize=(9, 5), layout="constrained")
ax = fig.add_subplot(projection=part)
image = part.plot(
    axes=ax,
    cmap="gray",
    norm=plt.Normalize(-1000, 1000),
    interpolation="nearest",
    title="MDI, and contours of the HMI-like map",
)
limits = ax.axis()
for level, colour in ((-300, "tab:cyan"), (300, "tab:orange")):
    hmi_like.draw_contours(
        [level] * u.G, axes=ax, colors=colour, linewidths=1.2, linestyles="solid"
    )
    ax.plot([], [], color=colour, label=f"{level:+d} G")
ax.axis(limits)
ax.legend(loc="lower right")
ax.grid(False)
fig.colorbar(image, ax=ax, extend="both", shrink=0.9, label="Line-of-sight field [G]")

plt.show()
