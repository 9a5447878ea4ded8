"""
A first super-resolution
========================

Turn an MDI magnetogram of an active region into an HMI-like one, and look at the two
together with the uncertainty.
"""

# sphinx_gallery_thumbnail_number = 2

import astropy.units as u
import matplotlib.pyplot as plt
from astropy.coordinates import SkyCoord

from sunpy_superres import super_resolve
from sunpy_superres.data import sample_mdi_map
from sunpy_superres.instruments import MDI

###############################################################################
# The input is real: two young active regions near disk centre, cut out of the full-disk
# magnetogram of 1999-12-11 (SOHO/MDI: ESA & NASA, SOI/MDI team). For a file of your own, use
# ``sunpy_superres.read_map("mdi.fits")`` instead.

mdi_map = sample_mdi_map()

###############################################################################
# Eight fields that agree with the frame are drawn. The map that comes back is one of
# them; the uncertainty says how far the truth may lie from it. The seed makes the
# result repeatable.

hmi_like, uncertainty = super_resolve(mdi_map, seed=1, progress=False)

###############################################################################
# The result has four times the pixels along each axis and covers the same sky.

for label, smap in (("MDI", mdi_map), ("HMI-like", hmi_like)):
    ny, nx = smap.data.shape
    scale, centre = smap.scale.axis1, smap.center
    print(f"{label:8} {nx} x {ny} pixels of {scale:.3f}, centre {centre.Tx:.2f}, {centre.Ty:.2f}")

###############################################################################
# The header says how it was made.

for card in ("content", "srvers", "srmodel", "srrev", "srseed", "srnsamp", "srestim", "srchisq"):
    print(f"{card.upper():8} {hmi_like.meta[card]}")

###############################################################################
# MDI reads about 1.4 times higher than HMI. Divided by that factor, the frame shares
# the colour scale of the result.

field = {"cmap": "gray", "norm": plt.Normalize(-1000, 1000)}
spread = {"cmap": "magma", "norm": plt.Normalize(0, 200)}
panels = {
    f"MDI / {MDI.gain}": (mdi_map / MDI.gain, field),
    "HMI-like, one sample": (hmi_like, field),
    "Uncertainty, 1 sigma": (uncertainty, spread),
}


def show(panels):
    fig = plt.figure(figsize=(14, 4.2), layout="constrained")
    axes, images = [], []
    for number, (title, (smap, style)) in enumerate(panels.items(), start=1):
        ax = fig.add_subplot(1, 3, number, projection=smap)
        images.append(smap.plot(axes=ax, interpolation="nearest", title=title, **style))
        ax.grid(False)
        if number > 1:
            ax.coords[1].set_axislabel(" ")
        axes.append(ax)
    fig.colorbar(images[1], ax=axes[:2], extend="both", label="Line-of-sight field [G]")
    fig.colorbar(images[2], ax=axes[2], extend="max", label="Uncertainty [G]")


show(panels)

###############################################################################
# A part of the same maps, around the spots of the northern region, where the difference is easy
# to see.

corners = SkyCoord([-140, -40] * u.arcsec, [-260, -160] * u.arcsec, frame=hmi_like.coordinate_frame)
show({t: (m.submap(corners[0], top_right=corners[1]), s) for t, (m, s) in panels.items()})

plt.show()
