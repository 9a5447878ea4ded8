"""
Uncertainty, coarse and fine
============================

Where the uncertainty of a result comes from: from structure that MDI resolved, or from
structure finer than that, which is drawn.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import sunpy.map

from sunpy_superres import metrics, super_resolve
from sunpy_superres.data import example_hmi_map, example_mdi_map

###############################################################################
# The example is simulated, so that the truth is known. With ``return_samples=True`` the
# ensemble comes back too. The returned map is the mean here, which has the smallest error.

truth = example_hmi_map()
result = super_resolve(
    example_mdi_map(),
    estimate="mean",
    n_samples=12,
    seed=1,
    progress=False,
    return_samples=True,
)

###############################################################################
# Each member is split at 2 arcsec, as :cite:t:`ramunno2025` do: the coarse part is the
# member after a Gaussian filter that halves the amplitude of a wave of 2 arcsec, the fine part is
# the rest. The scatter of each part over the members is the uncertainty of that part.

parts = {"coarse": [], "fine": []}
for member in result.samples.data:
    smap = sunpy.map.Map(member, result.hmi_like.meta)
    for part, split in zip(parts.values(), metrics.split_scales(smap, 2 * u.arcsec), strict=True):
        part.append(split.data)
scatter = {
    name: sunpy.map.Map(np.std(part, axis=0, ddof=1), result.uncertainty.meta)
    for name, part in parts.items()
}

fig = plt.figure(figsize=(14, 4.4), layout="constrained")
panels = {
    "Total (calibrated)": result.uncertainty,
    'Coarser than 2"': scatter["coarse"],
    'Finer than 2"': scatter["fine"],
}
for number, (title, panel) in enumerate(panels.items(), start=1):
    ax = fig.add_subplot(1, 3, number, projection=panel)
    image = panel.plot(
        axes=ax,
        cmap="viridis",
        norm=plt.Normalize(0, 150),
        interpolation="nearest",
        title=title,
    )
    ax.grid(False)
    if number > 1:
        ax.coords[1].set_axislabel(" ")
fig.colorbar(image, ax=fig.axes, extend="max", shrink=0.85, label="Standard deviation [G]")

###############################################################################
# The first panel is smoother: there the variance is pooled over neighbouring pixels, and scaled
# by the calibration. MDI's image is blurred to about 3.3 arcsec, so that it loses much structure
# that is coarser than its pixel: most of the spread of the members is coarser than 2 arcsec.
# Strong field is more uncertain than weak field on both scales, except in umbrae, which are smooth.

strength = np.abs(result.hmi_like.data)
edges = [0, 30, 100, 300, 700, 3000]
print("|B| of the mean [G]   coarse [G]   fine [G]")
for low, high in zip(edges[:-1], edges[1:], strict=True):
    chosen = (strength >= low) & (strength < high)
    coarse, fine = (np.sqrt(np.mean(m.data[chosen] ** 2)) for m in scatter.values())
    print(f"{low:8} to {high:4}      {coarse:8.1f}   {fine:8.1f}")

###############################################################################
# Is the uncertainty right? The share of pixels whose truth lies within 1 and 2 sigma should be 68
# and 95 percent. It is less here: the calibration was made on HMI's Sun, and this truth is drawn in
# code, with finer clumps. The uncertainty is right only for data like those of the calibration; the
# page about the :doc:`model </model>` has the shares for real regions.

table = metrics.coverage(result.hmi_like, result.uncertainty, truth)
for row in table:
    print(f"within {row['sigma']:.2f} sigma: {row['coverage']:.1%}, expected {row['level']:.1%}")

###############################################################################
# The error against the uncertainty, in bins of the field: on the diagonal the uncertainty is
# right, above it too small.

fig, ax = plt.subplots(figsize=(5, 4.6), layout="constrained")
metrics.plot_reliability(metrics.reliability(result.hmi_like, result.uncertainty, truth), ax)

plt.show()
