"""
An active region, super-resolved
================================

Turn an MDI magnetogram of an active region into an HMI-like one, and show it with
its uncertainty.
"""

import matplotlib.pyplot as plt
from matplotlib.colors import Normalize

from sunpy_superres import super_resolve
from sunpy_superres.data import example_mdi_map

###############################################################################
# The input is simulated: a bipole and network, drawn in code and observed through
# the model of the MDI instrument, with the header of a real MDI frame. It was never
# observed. For a real frame, use ``sunpy.map.Map("mdi.fits")`` instead.

mdi_map = example_mdi_map()

###############################################################################
# Four draws are enough to look at; the seed makes the result repeatable. The map
# that comes back is one of the draws.

hmi_like, uncertainty = super_resolve(mdi_map, n_samples=4, seed=1)

###############################################################################
# Input, result and uncertainty on the same colour scale, each with its own
# coordinates. MDI reads about 1.4 times higher than HMI, so the input looks
# stronger than the result where both resolve the field.

limit = 1000
panels = [
    (mdi_map, "MDI (simulated)"),
    (hmi_like, "HMI-like, one sample"),
    (uncertainty, "Uncertainty, 1 sigma"),
]

fig = plt.figure(figsize=(13, 4.8), layout="constrained")
axes = []
for number, (panel, title) in enumerate(panels, start=1):
    ax = fig.add_subplot(1, 3, number, projection=panel)
    image = panel.plot(
        axes=ax,
        cmap="gray",
        norm=Normalize(-limit, limit),
        interpolation="nearest",
        title=title,
    )
    ax.grid(False)
    if number > 1:
        ax.coords[1].set_axislabel(" ")
    axes.append(ax)
fig.colorbar(image, ax=axes, extend="both", shrink=0.8, label="Line-of-sight field [G]")

plt.show()
