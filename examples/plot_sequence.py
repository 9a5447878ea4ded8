"""
A sequence that does not flicker
================================

Three frames of the same region: drawn from noise that lives on the Sun, they show the same
structure; drawn from noise that is tied to the pixels, each shows another one.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import sunpy.map
from sunpy.coordinates import propagate_with_solar_surface

from sunpy_superres import simulate_mdi
from sunpy_superres.batch import super_resolve_sequence
from sunpy_superres.data import example_hmi_map
from sunpy_superres.instruments import MDI

###############################################################################
# The embedded region, which is simulated, carried along by the Sun's rotation. MDI sees it
# three times, 90 minutes apart, as in its synoptic series. Each time its pixels lie elsewhere on
# the region, by a fraction of a pixel too, and it adds noise of its own.

SIDE = 256  # HMI pixels


def carry_along(hmi_map, hours):
    """The same region at a later time, where the rotation has carried it."""
    meta = dict(hmi_map.meta)
    meta["date-obs"] = (hmi_map.date + hours * u.hour).isot
    meta["crln_obs"] -= 360 / 27.2753 / 24 * hours  # a rotation, seen from the Earth, in 27 days
    later = sunpy.map.Map(hmi_map.data, meta)
    with propagate_with_solar_surface():
        moved = hmi_map.center.transform_to(later.coordinate_frame)
    meta["crpix1"] -= (moved.Tx - hmi_map.center.Tx).to_value(u.arcsec) / meta["cdelt1"]
    meta["crpix2"] -= (moved.Ty - hmi_map.center.Ty).to_value(u.arcsec) / meta["cdelt2"]
    return sunpy.map.Map(hmi_map.data, meta)


hours = (0.0, 1.5, 3.0)
corners = ((90, 120), (93, 126), (97, 121))  # HMI pixels: where the frame begins on the region
frames = []
for number, (hour, corner) in enumerate(zip(hours, corners, strict=True)):
    part = carry_along(example_hmi_map(), hour).submap(
        corner * u.pix, width=(SIDE - 1) * u.pix, height=(SIDE - 1) * u.pix
    )
    frames.append(simulate_mdi(part, seed=number))

###############################################################################
# The same seed for all frames, once with each kind of noise. ``noise="sun"`` is the default;
# nothing is passed from one frame to the next.

drawn = {
    noise: [
        result.hmi_like
        for result in super_resolve_sequence(
            frames, noise=noise, seed=1, n_samples=1, progress=False
        )
    ]
    for noise in ("sun", "array")
}

###############################################################################
# A part of quiet network beside the spots, cut out where it lies in each frame. Compare the small
# elements along a row.

FIRST, WIDTH = (215, 310), (100, 64)  # column and row on the region, and size


def cut_out(smap, corner, step=1):
    """The same part of the region in each frame, in pixels of ``step`` HMI pixels."""
    begin = [(a - b) // step for a, b in zip(FIRST, corner, strict=True)]
    size = [n // step for n in WIDTH]
    return smap.data[begin[1] : begin[1] + size[1], begin[0] : begin[0] + size[0]]


rows = {
    f"MDI / {MDI.gain}": [cut_out(f / MDI.gain, c, 4) for f, c in zip(frames, corners, strict=True)]
}
for noise, label in (("sun", "Noise on the Sun"), ("array", "Noise of the array")):
    rows[label] = [cut_out(f, c) for f, c in zip(drawn[noise], corners, strict=True)]

fig, axes = plt.subplots(3, 3, figsize=(12, 8.4), layout="constrained")
for (label, fields), row in zip(rows.items(), axes, strict=True):
    for field, hour, ax in zip(fields, hours, row, strict=True):
        image = ax.imshow(
            field, cmap="gray", vmin=-200, vmax=200, origin="lower", interpolation="nearest",
            extent=(0, WIDTH[0] * 0.5, 0, WIDTH[1] * 0.5),
        )  # fmt: skip
        ax.set_title(f"{label}, {hour} h")
        ax.set_xticks([])
        ax.set_yticks([])
for ax in axes[:, 0]:
    ax.set_yticks([0, 15, 30])
    ax.set_ylabel("arcsec")
for ax in axes[-1]:
    ax.set_xticks([0, 15, 30, 45])
    ax.set_xlabel("arcsec")
fig.colorbar(image, ax=axes, extend="both", shrink=0.6, label="Line-of-sight field [G]")

###############################################################################
# How much changes from frame to frame, in this part:

for label, fields in list(rows.items())[1:]:
    changes = [np.std(later - first) for first, later in zip(fields, fields[1:], strict=False)]
    print(f"{label:20} {changes[0]:.1f} G, {changes[1]:.1f} G")

###############################################################################
# `~sunpy_superres.batch.write_movie`, or ``sunpy-superres movie``, writes such a sequence as a
# movie, on a grid that turns with the Sun: see :doc:`/howto/sequence`.

plt.show()
