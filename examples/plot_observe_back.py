"""
Observe the result back
=======================

A super-resolved magnetogram, observed through the model of the MDI instrument, should
give the MDI frame back within its noise. This example does that by hand.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import sunpy.map
from astropy.stats import mad_std

from sunpy_superres import super_resolve
from sunpy_superres.data import example_mdi_map
from sunpy_superres.maps.simulation import simulate_mdi

###############################################################################
# The input is an active region that is simulated in code.

mdi_map = example_mdi_map()
hmi_like, _ = super_resolve(mdi_map, n_samples=4, seed=1, progress=False)

###############################################################################
# `~sunpy_superres.simulate_mdi` blurs the field, averages 4 x 4 pixels,
# applies the gain and the saturation of MDI, and adds noise, which is left out here.
# Its result lies on the pixels of the input.

observed = simulate_mdi(hmi_like, noise=0 * u.G)

###############################################################################
# What remains is the noise of the input. Pixels close to the edge are left out, since
# the blur reaches beyond the map there.

difference = sunpy.map.Map(mdi_map.data - observed.data, observed.meta)
difference = difference.submap([4, 4] * u.pix, top_right=[123, 123] * u.pix)
print(f"scatter of the difference: {mad_std(difference.data, ignore_nan=True):.1f} G")
print(f"mean of the difference:    {np.nanmean(difference.data):.1f} G")

###############################################################################
# The difference should look like noise. A pattern that follows the active region would
# mean that the result does not agree with the frame it came from. In the spots some remains:
# a misfit of 3 percent of the field is tolerated, since the ratio of the two instruments is not
# known better. Single knots of a pixel or two keep 10 to 20 percent of their field, and a few keep
# more: the misfit is smoothed by a filter as wide as MDI's point-spread function, in which a single
# pixel counts little.

field = {"cmap": "gray", "norm": plt.Normalize(-1400, 1400)}
panels = {
    "MDI (simulated)": (mdi_map, field),
    "Result, observed back": (observed, field),
    "Difference": (difference, {"cmap": "gray", "norm": plt.Normalize(-100, 100)}),
}
fig = plt.figure(figsize=(14, 4.2), layout="constrained")
axes, images = [], []
for number, (title, (panel, style)) in enumerate(panels.items(), start=1):
    ax = fig.add_subplot(1, 3, number, projection=panel)
    images.append(panel.plot(axes=ax, interpolation="nearest", title=title, **style))
    ax.grid(False)
    if number > 1:
        ax.coords[1].set_axislabel(" ")
    axes.append(ax)
fig.colorbar(images[0], ax=axes[:2], extend="both", label="Line-of-sight field [G]")
fig.colorbar(images[2], ax=axes[2], extend="both", label="Difference [G]")

plt.show()
