"""
Physics of a magnetogram, before and after
==========================================

Flux, active regions and polarity inversion lines of an MDI frame, of the HMI-like map
made from it, and of what HMI would have seen.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import sunpy.map
from matplotlib.colors import Normalize

from sunpy_superres import metrics, super_resolve
from sunpy_superres.data import example_hmi_map, example_mdi_map
from sunpy_superres.instruments import MDI

###############################################################################
# The example is simulated, and so the truth is known. MDI reads higher than HMI by a
# factor; without taking it off, every flux would be too large.

truth = example_hmi_map()
mdi_map = example_mdi_map()
calibrated = sunpy.map.Map(mdi_map.data / MDI.gain, mdi_map.meta)
result = super_resolve(mdi_map, n_samples=4, seed=1, return_samples=True)

###############################################################################
# One table says it all. ``value`` is the map's, ``reference`` that of a perfect map.

table = metrics.compare(
    result.hmi_like, truth, uncertainty=result.uncertainty, samples=result.samples
)
print("\n".join(table.pformat(max_lines=-1, max_width=-1)))

###############################################################################
# Single figures are Quantities. Fluxes count the area on the sphere that each pixel sees.
# In weak field noise counts as flux; in the active region it does not matter.

region = metrics.active_regions(truth).mask
coarse = region[2::4, 2::4]
print("truth", metrics.unsigned_flux(truth, region=region).to(1e21 * u.Mx))
print("MDI", metrics.unsigned_flux(calibrated, region=coarse).to(1e21 * u.Mx))
print("HMI-like", metrics.unsigned_flux(result.hmi_like, region=region).to(1e21 * u.Mx))

###############################################################################
# The polarity inversion line is where MDI's resolution costs most: its gradients are
# blurred away, and with them most of Schrijver's R.

fig = plt.figure(figsize=(13, 5.4))
panels = {"MDI / 1.4": calibrated, "HMI-like, one sample": result.hmi_like, "truth": truth}
for number, (title, panel) in enumerate(panels.items(), start=1):
    line = metrics.polarity_inversion_line(panel)
    ax = fig.add_subplot(1, 3, number, projection=panel)
    panel.plot(
        axes=ax,
        cmap="gray",
        norm=Normalize(-600, 600),
        interpolation="nearest",
        title=f"{title}: {line.length:.0f}, R = {line.r_value:.1e}",
    )
    for piece in line.lines:
        ax.plot(*piece.T, color="tab:orange", lw=1.2)
    ax.grid(False)
    if number > 1:
        ax.coords[1].set_axislabel(" ")
fig.tight_layout()

plt.show()
