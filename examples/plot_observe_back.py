"""
Observe the result back
=======================

A super-resolved magnetogram, observed through the model of the MDI instrument, should
give the MDI frame back within its noise. This example does that by hand.
"""

import matplotlib.pyplot as plt
import numpy as np
from astropy.stats import mad_std
from matplotlib.colors import Normalize

from sunpy_superres import super_resolve
from sunpy_superres.data import example_mdi_map
from sunpy_superres.instruments import simulate_mdi

###############################################################################
# The input is an active region that is simulated in code.

mdi_map = example_mdi_map()
hmi_like, _ = super_resolve(mdi_map, n_samples=4, seed=1)

###############################################################################
# `~sunpy_superres.instruments.simulate_mdi` blurs the field, averages 4 x 4 pixels,
# applies the gain and the saturation of MDI, and adds noise, which is left out here.
# Its result lies on the pixels of the input.

observed = simulate_mdi(hmi_like, noise=0.0)

###############################################################################
# What remains is the noise of the input. Pixels close to the edge are left out, since
# the blur reaches beyond the map there.

edge = 4
inner = (slice(edge, -edge), slice(edge, -edge))
difference = (mdi_map.data - observed.data)[inner]
print(f"scatter of the difference: {mad_std(difference, ignore_nan=True):.1f} G")
print(f"mean of the difference:    {np.nanmean(difference):.1f} G")

###############################################################################
# The difference should look like noise. A pattern that follows the active region would
# mean that the result does not agree with the frame it came from.

limit = 1000
fig = plt.figure(figsize=(13, 4.8), layout="constrained")
for number, (panel, title) in enumerate(
    [(mdi_map, "MDI (simulated)"), (observed, "Result, observed back")], start=1
):
    ax = fig.add_subplot(1, 3, number, projection=panel)
    panel.plot(axes=ax, cmap="gray", norm=Normalize(-limit, limit), title=title)
    ax.grid(False)

ax = fig.add_subplot(1, 3, 3)
image = ax.imshow(difference, origin="lower", cmap="gray", vmin=-100, vmax=100)
ax.set(title="Difference", xlabel="pixel", ylabel="pixel")
fig.colorbar(image, ax=ax, extend="both", shrink=0.8, label="Difference [G]")

plt.show()
