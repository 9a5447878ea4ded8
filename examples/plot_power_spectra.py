"""
Power spectra and resolved scale
================================

How much structure a map has at each scale, and down to which scale it is in the right
place.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import sunpy.map

from sunpy_superres import metrics, super_resolve
from sunpy_superres.data import example_hmi_map, example_mdi_map

###############################################################################
# The example is simulated, so that the truth is known.

truth = example_hmi_map()
mdi_map = example_mdi_map()
sample, _, ensemble = super_resolve(mdi_map, seed=1, progress=False, return_samples=True)
mean = sunpy.map.Map(ensemble.data.mean(axis=0), sample.meta)

###############################################################################
# One draw keeps its power down to fine scales, where the mean loses what the draws do not
# agree on. (Below 5 arcsec the ratio departs from 1: this truth is drawn in code, and its
# finest texture is not the Sun's, which the model has learnt. The page on metrics shows
# real regions.) The coherence says that the draw's finest structure is not where the truth
# has it: it is drawn, not measured.

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
maps = {"one sample": sample, "mean of 8": mean}
metrics.plot_spectra({k: metrics.power_ratio(m, truth) for k, m in maps.items()}, left)
metrics.plot_spectra({k: metrics.coherence(m, truth) for k, m in maps.items()}, right)
left.set_ylim(1e-3, 5)

###############################################################################
# The scale at which the coherence falls below a half: that with the truth, and that between the
# members of the ensemble, which needs no truth.

for label, smap in maps.items():
    print(f"{label}: resolved down to {metrics.resolved_scale(smap, truth):.1f}")
print(f"members agree down to {metrics.resolved_scale(ensemble):.1f}")

###############################################################################
# Split at that scale, the coarse part is what the members largely agree on; the fine part is
# one of many.

coarse, fine = metrics.split_scales(sample, 4 * u.arcsec)
fig = plt.figure(figsize=(12, 4.8), layout="constrained")
for number, (panel, title, limit) in enumerate(
    ((coarse, 'Coarser than 4"', 600), (fine, 'Finer than 4"', 200)), start=1
):
    ax = fig.add_subplot(1, 2, number, projection=panel)
    image = panel.plot(
        axes=ax,
        cmap="gray",
        norm=plt.Normalize(-limit, limit),
        interpolation="nearest",
        title=title,
    )
    ax.grid(False)
    if number > 1:
        ax.coords[1].set_axislabel(" ")
    fig.colorbar(image, ax=ax, extend="both", shrink=0.9, label="Line-of-sight field [G]")

plt.show()
