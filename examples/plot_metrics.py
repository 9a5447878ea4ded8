"""
Physics of a magnetogram, before and after
==========================================

Flux, active regions and polarity inversion lines of an MDI frame, of the HMI-like map
made from it, and of what HMI would have seen.
"""

import astropy.units as u
import matplotlib.pyplot as plt
from astropy.coordinates import SkyCoord
from astropy.table import QTable

from sunpy_superres import metrics, super_resolve
from sunpy_superres.data import example_hmi_map, example_mdi_map
from sunpy_superres.instruments import MDI

###############################################################################
# The example is simulated, and so the truth is known. MDI reads higher than HMI by a
# factor; if it were not removed, every flux would be too large.

truth = example_hmi_map()
mdi_map = example_mdi_map()
result = super_resolve(mdi_map, n_samples=4, seed=1, progress=False, return_samples=True)
maps = {
    f"MDI / {MDI.gain}": mdi_map / MDI.gain,
    "HMI-like, one sample": result.hmi_like,
    "Truth (simulated)": truth,
}

###############################################################################
# Single numbers are Quantities. Fluxes use the area on the sphere that each pixel sees, and are
# those of one region in all three maps, the active regions of the truth, since noise in weak field
# counts as flux. The area of the active regions is found in each map by itself.

mask = metrics.active_regions(truth).mask
rows = []
for name, smap in maps.items():
    regions = metrics.active_regions(smap)
    line = metrics.polarity_inversion_line(smap)
    same = mask if smap.data.shape == mask.shape else mask[2::4, 2::4]
    rows.append(
        {
            "map": name,
            "unsigned flux": metrics.unsigned_flux(smap, region=same).to(1e21 * u.Mx),
            "net flux": metrics.net_flux(smap, region=same).to(1e21 * u.Mx),
            "active regions": regions.area,
            "inversion line": line.length,
            "R": line.r_value.to(1e20 * u.Mx),
        }
    )
table = QTable(rows)
for name in table.colnames[1:]:
    table[name].info.format = ".2f" if "flux" in name or name == "R" else ".0f"
print("\n".join(table.pformat(max_lines=-1, max_width=-1)))

###############################################################################
# The polarity inversion line is where MDI's resolution costs most: its gradients are
# blurred away, and with them most of Schrijver's R :cite:p:`schrijver2007`.

corners = SkyCoord([140, 320] * u.arcsec, [240, 360] * u.arcsec, frame=truth.coordinate_frame)
fig = plt.figure(figsize=(14, 4.2), layout="constrained")
for number, (title, smap) in enumerate(maps.items(), start=1):
    line = metrics.polarity_inversion_line(smap)
    ax = fig.add_subplot(1, 3, number, projection=smap)
    image = smap.plot(
        axes=ax,
        cmap="gray",
        norm=plt.Normalize(-600, 600),
        interpolation="nearest",
        title=f"{title}\n{line.length:.0f}, R = {line.r_value:.1e}",
    )
    for piece in line.lines:
        ax.plot(*piece.T, color="tab:orange", lw=1.8)
    x, y = smap.wcs.world_to_pixel(corners)
    ax.set(xlim=x, ylim=y)
    ax.grid(False)
    if number > 1:
        ax.coords[1].set_axislabel(" ")
fig.colorbar(image, ax=fig.axes, extend="both", shrink=0.7, label="Line-of-sight field [G]")

###############################################################################
# `~sunpy_superres.metrics.compare` puts all metrics in one table. ``value`` is the map's,
# ``reference`` that of a perfect map.

table = metrics.compare(
    result.hmi_like, truth, uncertainty=result.uncertainty, samples=result.samples
)
print("\n".join(table.pformat(max_lines=-1, max_width=-1)))

plt.show()
