"""
An ensemble as an NDCube
========================

What a single map cannot say: how probable it is that the field exceeds a threshold, and how
certain a flux is.
"""

# sphinx_gallery_thumbnail_number = 2

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import sunpy.map
from ndcube import NDCube

from sunpy_superres import metrics, super_resolve
from sunpy_superres.data import example_hmi_map, example_mdi_map

###############################################################################
# The ensemble is an `~ndcube.NDCube` whose first axis counts the members. It is sliced like
# an array and keeps its coordinates.

_, _, samples = super_resolve(
    example_mdi_map(), n_samples=16, seed=1, progress=False, return_samples=True
)
print(samples.data.shape, samples.unit)

###############################################################################
# Four of the members, around the leading spot. Large structure is the same in all of them,
# small structure is not: each is one of many fields that agree with the frame.

fig = plt.figure(figsize=(14, 3.9), layout="constrained")
for number in range(4):
    member = samples[number, 180:340, 250:410]
    ax = fig.add_subplot(1, 4, number + 1, projection=member.wcs)
    image = ax.imshow(
        member.data, cmap="gray", vmin=-1000, vmax=1000, origin="lower", interpolation="nearest"
    )
    ax.set_title(f"Member {number + 1}")
    ax.coords[0].set_axislabel("Helioprojective longitude")
    ax.coords[1].set_axislabel("Helioprojective latitude" if number == 0 else " ")
    ax.coords[1].set_ticklabel_visible(number == 0)
fig.colorbar(image, ax=fig.axes, extend="both", shrink=0.8, label="Line-of-sight field [G]")

###############################################################################
# The share of the members in which \|B\| exceeds 200 G estimates the probability that it does,
# pixel by pixel. The coordinates of one member are those of the result.

probability = NDCube(np.mean(np.abs(samples.data) > 200, axis=0), wcs=samples[0].wcs)

part = probability[130:380, 70:420]
fig = plt.figure(figsize=(8, 5), layout="constrained")
ax = fig.add_subplot(projection=part.wcs)
image = ax.imshow(
    part.data, cmap="cividis", vmin=0, vmax=1, origin="lower", interpolation="nearest"
)
ax.set_title("Probability that |B| > 200 G")
ax.coords[0].set_axislabel("Helioprojective longitude")
ax.coords[1].set_axislabel("Helioprojective latitude")
fig.colorbar(image, ax=ax, label="Share of the members")

###############################################################################
# Are these probabilities right? In 70 percent of the pixels with a probability of about 0.7 the
# truth should exceed 200 G. The truth is known here because the example is simulated (and only
# resembles the Sun). The calibration acts on the uncertainty Map only, not on the members.

truth = example_hmi_map()
exceeds = np.abs(truth.data) > 200
edges = np.linspace(0, 1, 6)
bins = np.clip(np.digitize(probability.data, edges) - 1, 0, 4)
print("probability   observed   pixels")
for number in range(5):
    chosen = bins == number
    print(f"{probability.data[chosen].mean():11.2f}{exceeds[chosen].mean():11.2f}{chosen.sum():9}")

###############################################################################
# Errors of neighbouring pixels are correlated, so that the error of a sum does not follow
# from the uncertainty Map. It follows from the ensemble: compute the quantity for each
# member, and take the scatter.

region = metrics.active_regions(truth).mask
fluxes = u.Quantity(
    [
        metrics.unsigned_flux(sunpy.map.Map(member.data, truth.meta), region=region)
        for member in samples
    ]
).to(1e21 * u.Mx)
print(f"unsigned flux {fluxes.mean().value:.3f} +- {fluxes.std(ddof=1).value:.3f} 1e21 Mx")
print(f"of the truth  {metrics.unsigned_flux(truth, region=region).to_value(1e21 * u.Mx):.3f}")

###############################################################################
# The scatter is only a part of the error. The ratio between the two instruments is uncertain by
# some percent, which is the same for all pixels and all members, and is not in the scatter.

plt.show()
