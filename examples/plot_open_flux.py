"""
Open flux of a synoptic map, with its error
===========================================

From one disk of MDI to the next around a rotation, to a map of the whole Sun, to a potential
field and its open flux: what of the flux is uncertain because MDI did not resolve it?

This example needs the extra ``extrapolation``, which installs ``sunkit-magex``:
``pip install sunpy_superres[extrapolation]``.
"""

import importlib.util
import warnings

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import sunpy.map
from astropy.constants import R_sun
from astropy.coordinates import SkyCoord
from scipy import ndimage
from sunpy.coordinates import HeliographicCarrington

from sunpy_superres import metrics, simulate_mdi, super_resolve
from sunpy_superres.instruments import FACTOR, MDI
from sunpy_superres.maps.geometry import (
    find_pixels,
    from_heliographic,
    heliocentric_mu,
    sphere_vectors,
    to_heliographic,
)

# sphinx_gallery_thumbnail_number = 2

###############################################################################
# A Sun of our own
# ----------------
#
# A synoptic map needs disks of a whole rotation, and one disk is no boundary for the field of
# the corona: it shows half of the Sun at most, and the poles not at all. So that the example needs
# no archive, the Sun is made here: a weak dipole and some bipolar regions. Nothing of it was
# observed.


def true_radial_field(longitude, latitude):
    """The radial field in Gauss of the Sun of this example, at Carrington coordinates in deg."""
    field = 6.0 * np.sin(np.radians(latitude))
    for strength, lon, lat, tilt in (
        (420, 40, 18, 5), (-350, 95, -22, 7), (300, 150, 12, 4),
        (-380, 220, -15, 5), (450, 275, 24, 8), (260, 330, -10, 3),
    ):  # fmt: skip
        for sign, shift in ((1, 3.5), (-1, -3.5)):
            across = (longitude - lon - shift + 180) % 360 - 180
            across = across * np.cos(np.radians(latitude))
            up = latitude - lat + sign * tilt / 5
            field = field + sign * strength * np.exp(-(across**2 + up**2) / (2 * 2.6**2))
    return field


###############################################################################
# Eight disks, 45 degrees of rotation apart, each seen from the Earth by an instrument like HMI. A
# true disk has 4096 x 4096 pixels; to be quick, these disks are those of a Sun 9 times as far
# away, 430 pixels across. What is measured of them is the line-of-sight part of the radial field.
# `~sunpy_superres.simulate_mdi` makes MDI's frames of them.

DISTANCE = 9 * u.au
SIDE = 440


def observe(central_longitude):
    """An HMI-like line-of-sight disk whose central meridian has this Carrington longitude."""
    header = {
        "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec",
        "cdelt1": 0.5, "cdelt2": 0.5, "crpix1": (SIDE + 1) / 2, "crpix2": (SIDE + 1) / 2,
        "crval1": 0.0, "crval2": 0.0, "date-obs": "2000-03-06T00:00:00",
        "dsun_obs": DISTANCE.to_value(u.m), "rsun_ref": R_sun.to_value(u.m),
        "crln_obs": central_longitude, "crlt_obs": 0.0, "bunit": "Gauss",
        "telescop": "SDO/HMI", "instrume": "HMI_SIDE1",
    }  # fmt: skip
    blank = sunpy.map.Map(np.zeros((SIDE, SIDE)), header)
    y, x = np.mgrid[:SIDE, :SIDE]
    longitude, latitude = to_heliographic(sphere_vectors(blank, x, y), blank)
    radial = true_radial_field(longitude.value + central_longitude, latitude.value)
    return sunpy.map.Map(radial * heliocentric_mu(blank), header)


longitudes = np.arange(0, 360, 45)
disks = [observe(longitude) for longitude in longitudes]
frames, ensembles = [], []
for number, disk in enumerate(disks):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the unusual distance
        frames.append(simulate_mdi(disk, seed=number))
        *_, samples = super_resolve(
            frames[-1], n_samples=4, seed=number, noise="array",
            progress=False, return_samples=True,
        )  # fmt: skip
    ensembles.append(samples)

###############################################################################
# A map of the whole Sun
# ----------------------
#
# Two assumptions make a radial field of what was observed, and neither is silent. First, the
# field is taken to be radial, so that the line-of-sight field is divided by mu, the cosine of the
# distance from disk centre. In sunspots' penumbrae and near the limb that is wrong, and it
# multiplies the noise by 1/mu. So only pixels within 60 degrees of disk centre count, those near
# the central meridian most (a weight of the fourth power of mu, as is usual). Second, nobody sees
# the poles well: above the highest latitude that is seen, the map continues with the mean of
# the last ring.
#
# ``sunkit_magex`` wants all of the Sun in cylindrical equal-area projection (CEA): 360 degrees
# along x, and a CDELT2 of 180/pi times the step in sine latitude; no NaN; no net flux. Points
# four times as dense as the map's pixels are averaged, so that no pixel is skipped.

ROWS, COLUMNS, FINE = 60, 120, 4


def make_header():
    """Header of a full-Sun CEA map in Carrington coordinates."""
    frame = HeliographicCarrington(obstime="2000-03-06", observer="earth")
    header = sunpy.map.make_fitswcs_header(
        (ROWS, COLUMNS),
        SkyCoord(180 * u.deg, 0 * u.deg, frame=frame),
        reference_pixel=[(COLUMNS - 1) / 2, (ROWS - 1) / 2] * u.pix,
        scale=[360 / COLUMNS, np.degrees(2 / ROWS)] * u.deg / u.pix,
        projection_code="CEA",
        unit=u.G,
    )
    return header


sines = (np.arange(ROWS * FINE) + 0.5) / (ROWS * FINE) * 2 - 1
angles = (np.arange(COLUMNS * FINE) + 0.5) / (COLUMNS * FINE) * 360
latitude, longitude = np.meshgrid(np.degrees(np.arcsin(sines)), angles, indexing="ij")


def average(fine):
    """Average the dense points over the pixels of the map."""
    return fine.reshape(ROWS, FINE, COLUMNS, FINE).mean((1, 3))


def find_places(disk, central_longitude):
    """Pixels of a disk that see the points of the map, and their weights."""
    from_meridian = (longitude - central_longitude + 180) % 360 - 180
    vectors = from_heliographic(from_meridian * u.deg, latitude * u.deg, disk)
    x, y = find_pixels(disk, vectors)
    mu = np.where(np.isfinite(x), vectors[2], 0.0)
    return np.nan_to_num(np.stack([y, x])), mu, np.where(mu > 0.5, mu**4, 0.0)


places = [find_places(*each) for each in zip(disks, longitudes, strict=True)]


def make_synoptic_map(fields):
    """The radial field of the whole Sun from one line-of-sight field of each disk."""
    total, weights = np.zeros_like(latitude), np.zeros_like(latitude)
    for field, (where, mu, weight) in zip(fields, places, strict=True):
        seen = weight > 0
        values = ndimage.map_coordinates(np.nan_to_num(field), where[:, seen], order=1)
        total[seen] += weight[seen] * values / mu[seen]
        weights[seen] += weight[seen]
    radial = average(np.where(weights > 0, total / np.maximum(weights, 1e-9), 0.0))
    whole = np.flatnonzero((average((weights > 0).astype(float)) == 1).all(axis=1))
    radial[: whole[0]] = radial[whole[0]].mean()
    radial[whole[-1] + 1 :] = radial[whole[-1]].mean()
    return sunpy.map.Map(radial - radial.mean(), make_header())


###############################################################################
# Large scales from MDI
# ---------------------
#
# The corona sees the largest scales only, above all the dipole. Its 6 G are below MDI's noise of
# 12 G in a pixel, and the members hold less of it than the frames do: where its part along the
# line of sight is below 3 G, the model takes a part of so smooth a field for noise. All members
# agree on that, so no error bar tells. But a mean over many pixels has hardly any noise, and MDI
# measured it. So whatever a member lacks of MDI's frame, smoothed over 8 of MDI's pixels, is added
# to it: the large scales are then MDI's, on HMI's scale, and the small ones are the model's.

SMOOTHING = 8.0


def add_large_scales(field, frame):
    """Add to an HMI-like field what it lacks of the large scales of its frame."""
    coarse = field.reshape(SIDE // FACTOR, FACTOR, SIDE // FACTOR, FACTOR).mean((1, 3))
    missing = frame.data / MDI.gain - coarse
    known = np.isfinite(missing)
    total = ndimage.gaussian_filter(np.where(known, missing, 0.0), SMOOTHING)
    weight = ndimage.gaussian_filter(known.astype(float), SMOOTHING)
    smooth = total / np.maximum(weight, 1e-3)
    return field + ndimage.zoom(smooth, FACTOR, order=1, mode="nearest", grid_mode=True)


def members(large_scales=True):
    """One synoptic map for each member of the ensembles, one after the other."""
    for number in range(4):
        fields = [samples.data[number] for samples in ensembles]
        if large_scales:
            fields = [add_large_scales(*each) for each in zip(fields, frames, strict=True)]
        yield make_synoptic_map(fields)


field = metrics.with_error(lambda synoptic: synoptic.data * u.G, members())
fig = plt.figure(figsize=(9, 6.4), layout="constrained")
for number, (title, values, limit) in enumerate(
    (("Radial field, mean of the members", field.value, 60), ("Its error", field.error, 10))
):
    ax = fig.add_subplot(2, 1, number + 1)
    image = ax.imshow(
        values.value, origin="lower", extent=(0, 360, -1, 1), aspect="auto",
        cmap="cividis" if number else "RdBu_r", vmin=0 if number else -limit, vmax=limit,
    )  # fmt: skip
    ax.set(title=title, xlabel="Carrington longitude (deg)", ylabel="sine latitude")
    fig.colorbar(image, ax=ax, extend="max" if number else "both", label="G")

###############################################################################
# The open flux
# -------------
#
# The flux that leaves a potential field with a source surface at 2.5 radii, for each member. The
# pixels of a CEA map have the same area.

SOURCE_SURFACE = 2.5


def extrapolate(synoptic):
    """Radial field on the source surface."""
    from sunkit_magex import pfss

    return pfss.pfss(pfss.Input(synoptic, 25, SOURCE_SURFACE)).source_surface_br


def open_flux(synoptic):
    """Unsigned flux through the source surface."""
    area = 4 * np.pi * (SOURCE_SURFACE * R_sun.to(u.cm)) ** 2
    return (np.abs(extrapolate(synoptic).data).mean() * u.Mx / u.cm**2 * area).to(u.Mx)


if importlib.util.find_spec("sunkit_magex") is None:
    print(
        "sunkit-magex is missing, so the open flux is left out; "
        "install it by: pip install sunpy_superres[extrapolation]"
    )
else:
    found = metrics.with_error(open_flux, members())
    alone = metrics.with_error(open_flux, members(large_scales=False))
    # MDI's own field on HMI's scale, each pixel repeated.
    mdi = [np.kron(frame.data / MDI.gain, np.ones((FACTOR, FACTOR))) for frame in frames]
    plain = open_flux(make_synoptic_map(mdi))
    hmi = open_flux(make_synoptic_map([disk.data for disk in disks]))
    exact = average(true_radial_field(longitude, latitude))
    truth = open_flux(sunpy.map.Map(exact - exact.mean(), make_header()))
    unit = 1e22 * u.Mx
    print(f"super-resolved      {found.value / unit:.3f} +- {found.error / unit:.3f} 1e22 Mx")
    print(f"  without MDI's large scales {alone.value / unit:.3f} +- {alone.error / unit:.3f}")
    print(f"from MDI / {MDI.gain}      {plain / unit:.3f}")
    print(f"from HMI's disks    {hmi / unit:.3f}")
    print(f"from the true field {truth / unit:.3f}")

###############################################################################
# With MDI's large scales the flux agrees with that of HMI's disks and with the true one within
# its error; without them it would be a quarter too low, and its error bar would not say so. The
# error bar holds the scatter of the members. The noise of the large scales themselves, which all
# members share, is not in it: frames with other noise change the flux by 0.5e22 Mx, as much
# again. Of real frames, the ratio of the instruments is uncertain by 5 percent, and so is the
# flux; and the poles, which were filled, are in no error bar.

if importlib.util.find_spec("sunkit_magex") is not None:
    surface = [extrapolate(synoptic).data for synoptic in members()]
    mean, spread = np.mean(surface, axis=0), np.std(surface, axis=0, ddof=1)
    fig, ax = plt.subplots(figsize=(9, 3.6), layout="constrained")
    image = ax.imshow(
        mean, origin="lower", extent=(0, 360, -1, 1), aspect="auto", cmap="RdBu_r",
        vmin=-np.abs(mean).max(), vmax=np.abs(mean).max(),
    )  # fmt: skip
    for values in surface:
        ax.contour(values, [0], extent=(0, 360, -1, 1), colors="k", linewidths=0.6)
    ax.set(
        title="Source surface: mean field, and each member's neutral line",
        xlabel="Carrington longitude (deg)", ylabel="sine latitude",
    )  # fmt: skip
    fig.colorbar(image, ax=ax, label="G")
    print(f"largest error on the source surface {1e3 * spread.max():.2f} mG")

plt.show()
