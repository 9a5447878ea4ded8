"""Keywords of SHARP and SMARP, against sums done by hand."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.coordinates import SkyCoord
from sunpy.coordinates import frames

from sunpy_superres import metrics
from sunpy_superres.maps.geometry import find_pixels, pixel_area, sphere_vectors
from sunpy_superres.models.embedded import read_embedded_config

RADIUS = 695.7  # Mm
#: Area of a pixel of 0.03 deg of the equal-area grid, cm^2.
PIXEL = (np.radians(0.03) * RADIUS * 1e8) ** 2


@pytest.fixture(scope="module")
def patch():
    """``patch(data)``: a Map like a SHARP, 0.03 deg per pixel, its middle at 10 W 5 N."""

    def make(data, **cards):
        ny, nx = np.shape(data)
        header = {
            "ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "degree", "cunit2": "degree",
            "cdelt1": 0.03, "cdelt2": 0.03, "crpix1": (nx + 1) / 2, "crpix2": (ny + 1) / 2,
            "crval1": 110.0, "crval2": 5.0, "crln_obs": 100.0, "crlt_obs": 0.0,
            "date-obs": "2011-02-14T00:00:00", "dsun_obs": 1.48e11, "rsun_ref": RADIUS * 1e6,
            "bunit": "Mx/cm^2", "telescop": "SDO/HMI", "instrume": "HMI_SIDE1", "harpnum": 377,
        } | cards  # fmt: skip
        return sunpy.map.Map(np.asarray(data, np.float32), header)

    return make


def halves(shape=(200, 240), level=400.7):
    """Two polarities on either side of the middle column."""
    data = np.full(shape, level)
    data[:, shape[1] // 2 :] *= -1
    return data


def gaussian():
    """Weights of 41 pixels, 10 pixels full width at half maximum, that add up to 1."""
    weights = 2.0 ** (-((np.arange(-20, 21) / 5) ** 2))
    return weights / weights.sum()


def measure(smap, **options):
    return metrics.region_keywords(smap, **{"region": "map"} | options)


# R


def test_r_is_the_whole_gauss_of_every_fourth_pixel_near_the_line(patch):
    """By hand: two columns of marks, smeared, times 400 G, far from the upper and lower edge."""
    shape = (200, 240)
    row = measure(patch(halves(shape)))[0]
    line = np.zeros((50, 60))
    line[:, 29:31] = 1
    for axis in (0, 1):
        line = np.apply_along_axis(np.convolve, axis, line, gaussian(), "same")
    assert row["R_VALUE"] == pytest.approx(np.log10(400 * line.sum()), abs=1e-6)


def test_r_takes_pixels_and_does_not_average(patch):
    data = np.zeros((80, 80))
    data[40, 40], data[40, 44] = 1600.0, -1600.0
    assert measure(patch(data))["R_VALUE"][0] > 2
    # Two pixels on, where JSOC does not look.
    assert measure(patch(np.roll(data, 2, axis=1)))["R_VALUE"][0] == 0


@pytest.mark.parametrize(("level", "line"), [(149.0, False), (151.0, True)])
def test_r_needs_150_gauss(patch, level, line):
    assert bool(measure(patch(halves(level=level)))["R_VALUE"][0] > 0) == line


def test_r_leaves_out_missing_pixels(patch):
    data = halves()
    whole = measure(patch(data))["R_VALUE"][0]
    data[:100] = np.nan
    half = measure(patch(data))["R_VALUE"][0]
    # By hand: 25 rows of marks and one of their widening, against 50, each smeared and cut.
    rows = np.convolve(np.ones(26), gaussian(), "full")[20 : 20 + 26][1:].sum()
    all_rows = np.convolve(np.ones(50), gaussian(), "full")[20 : 20 + 50].sum()
    assert 10 ** (half - whole) == pytest.approx(rows / all_rows, rel=1e-4)


def test_r_on_mdi_pixels_takes_each(patch):
    """0.12 deg, about 2 arcsec, as in SMARP."""
    fine = measure(patch(halves((200, 240))))
    coarse = measure(patch(halves((50, 60)), cdelt1=0.12, cdelt2=0.12))
    assert coarse["R_VALUE"][0] == pytest.approx(fine["R_VALUE"][0], abs=1e-6)


# Sums


def test_sums_of_a_patch(patch):
    data = halves()
    data[0, 0] = np.nan
    row = measure(patch(data, crval1=100.0, crval2=0.0))[0]  # both halves equally foreshortened
    assert row["CMASKL"] == data.size - 1
    assert row["USFLUXL"].to_value(u.Mx) == pytest.approx(400.7 * (data.size - 1) * PIXEL, rel=1e-5)
    assert row["MNET"].value / row["MTOT"].value == pytest.approx(-1 / data.size, abs=1e-3)
    assert row["MSTDEV"].to_value(u.G) == pytest.approx(400.7, rel=1e-4)
    assert row["MKURT"] == pytest.approx(-2, abs=1e-3)
    assert row["NACR"] == pytest.approx(row["NPIX"])


def test_gradient_is_in_gauss_per_pixel(patch):
    y, x = np.mgrid[:60, :80]
    row = measure(patch(3.0 * x + 4.0 * y))[0]
    assert row["MEANGBL"].to_value(u.G / u.pix) == pytest.approx(5, rel=1e-5)


def test_areas_are_jsocs(patch):
    """Millionths of the disk, projected, and of a hemisphere."""
    smap = patch(halves())
    row = measure(smap)[0]
    area = pixel_area(smap).to_value(u.Mm**2)
    assert row["AREA"] == pytest.approx(1e6 * area.sum() / (2 * np.pi * RADIUS**2), rel=1e-6)
    # At 10 deg from disk centre, where the line of sight is inclined by that.
    tilt = np.cos(np.arccos(np.cos(np.radians(10)) * np.cos(np.radians(5))))
    assert row["SIZE"] / row["AREA"] == pytest.approx(2 * tilt, rel=0.01)


@pytest.mark.parametrize(("pixel", "number", "scale"), [(0.03, 40, 0.5043), (0.12, 10, 1.98)])
def test_pixels_of_a_patch_are_those_of_the_image(patch, pixel, number, scale):
    """At disk centre, nearer by a radius than the Sun's centre; in pixels of HMI and of MDI."""
    smap = patch(np.ones((number, number)), crval1=100.0, crval2=0.0, cdelt1=pixel, cdelt2=pixel)
    row = measure(smap)[0]
    distance, side = 1.48e11 / (RADIUS * 1e6), np.radians(1.2)
    seen = (side / (distance - 1)) ** 2  # the square of 1.2 deg, as a solid angle
    disk = np.pi * np.arcsin(1 / distance) ** 2
    assert row["SIZE"] == pytest.approx(1e6 * seen / disk, rel=2e-4)
    assert row["NPIX"] == pytest.approx(seen / np.radians(scale / 3600) ** 2, rel=2e-4)
    assert row["MTOT"].value == pytest.approx(row["NPIX"], rel=1e-5)
    assert row["AREA"] == pytest.approx(1e6 * side**2 / (2 * np.pi), rel=2e-4)


def test_places_of_a_patch(patch):
    data = np.zeros((200, 240))
    data[150, 60], data[50, 180] = 900, -900  # pixels alone, then 3 x 3
    assert np.isnan(measure(patch(data))["LAT_FWT"][0].value)
    data[149:152, 59:62], data[49:52, 179:182] = 900, -900
    row = measure(patch(data))[0]
    assert row["LONDTMIN"].to_value(u.deg) == pytest.approx(10 - 3.6)
    assert row["LATDTMAX"].to_value(u.deg) == pytest.approx(5 + 3.0)
    assert row["LATFWTPO"].to_value(u.deg) == pytest.approx(5 + 50.5 * 0.03, abs=0.01)
    assert row["LONFWTNE"].to_value(u.deg) == pytest.approx(10 + 60.5 * 0.03, abs=0.02)
    assert row["LON_FWT"].to_value(u.deg) == pytest.approx(10, abs=0.03)


# Regions


def test_bitmap_with_its_threshold(patch):
    data = halves()
    bits = np.full(data.shape, 1)
    bits[60:140, 80:160] = 33
    bits[80:120, 100:140] = 34
    bitmap = patch(bits, bunit="")
    row = measure(patch(data), region=bitmap)[0]
    assert row["CMASKL"] == 80 * 80
    assert row["AREA_ACR"] / row["AREA"] == pytest.approx(0.25, rel=1e-2)
    # R is that of the whole patch, as JSOC's.
    assert row["R_VALUE"] == measure(patch(data))["R_VALUE"][0]
    inner = measure(patch(data), region=(bitmap, 34))[0]
    assert inner["CMASKL"] == 40 * 40
    smarp = patch(bits, bunit="", tarpnum=1)  # 36 by default, which none of these bits reaches
    with pytest.raises(ValueError, match="No pixel of the bitmap reaches 36"):
        measure(patch(data), region=smarp)
    with pytest.raises(ValueError, match="another grid"):
        measure(patch(data), region=patch(bits, crval1=111.0))
    with pytest.raises(ValueError, match="that counts is a number, not '34'"):
        measure(patch(data), region=(bitmap, "34"))


def test_mask_corners_and_labels_are_the_same(patch):
    data = halves()
    smap = patch(data)
    mask = np.zeros(data.shape, bool)
    mask[20:80, 30:200] = True
    corners = [smap.wcs.pixel_to_world(x, y) for x, y in ((30, 20), (199, 79))]
    corners = SkyCoord([c.lon for c in corners], [c.lat for c in corners], frame=corners[0].frame)
    labels = np.where(mask, 3, 0)
    labels[100:, :] = 7
    by_mask, by_corners, by_labels = (
        measure(smap, region=region) for region in (mask, corners, labels)
    )
    assert by_mask["CMASKL"][0] == 60 * 170
    assert len(by_labels) == 2
    # A box in longitude and latitude is not quite one of pixels.
    assert by_corners["CMASKL"][0] == pytest.approx(60 * 170, rel=0.03)
    for name in ("R_VALUE", "USFLUXL", "AREA", "LON_MAX"):
        assert by_labels[name][0] == by_mask[name][0]


def test_wrong_regions_are_refused(patch):
    smap = patch(halves())
    for region, message in (
        ("all", "must be 'map'"),
        (np.zeros(smap.data.shape, bool), "No pixel of the region"),
        (np.ones((3, 3), bool), "boolean mask of shape"),
    ):
        with pytest.raises(ValueError, match=message):
            measure(smap, region=region)
    with pytest.raises(TypeError, match="need a sunpy Map"):
        metrics.region_keywords(smap.data)


# Helioprojective Maps


@pytest.fixture(scope="module")
def sphere_field():
    """``sphere_field(header, shape)``: a smooth bipole at 12 E 8 N on the grid of a header."""

    def make(header, shape, half=1.5):
        blank = sunpy.map.Map(np.zeros(shape, np.float32), header)
        y, x = np.mgrid[: shape[0], : shape[1]]
        west, north, _ = sphere_vectors(blank, x, y)
        data = np.zeros(shape)
        for sign, lon in ((1, -12 - half), (-1, -12 + half)):
            centre = [np.sin(np.radians(lon)) * np.cos(np.radians(8)), np.sin(np.radians(8))]
            squared = (west - centre[0]) ** 2 + (north - centre[1]) ** 2
            data += sign * 1500 * np.exp(-squared / (2 * 0.013**2))
        return sunpy.map.Map(data.astype(np.float32), header)

    return make


def helioprojective(shape, scale=0.5, center=(-195.0, 133.0), **cards):
    return {
        "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec",
        "cdelt1": scale, "cdelt2": scale, "crval1": center[0], "crval2": center[1],
        "crpix1": (shape[1] + 1) / 2, "crpix2": (shape[0] + 1) / 2, "crota2": 0.0,
        "date-obs": "2011-02-14T00:00:00", "dsun_obs": 1.48e11, "hgln_obs": 0.0, "hglt_obs": 0.0,
        "rsun_ref": RADIUS * 1e6, "bunit": "Gauss", "telescop": "SDO/HMI",
        "instrume": "HMI_SIDE1",
    } | cards  # fmt: skip


def test_pixels_are_found_where_the_places_are():
    shape = (300, 280)
    header = helioprojective(shape, scale=6.0, center=(0.0, 0.0), crota2=30.0, hglt_obs=-6.0)
    smap = sunpy.map.Map(np.zeros(shape), header | {"rsun_obs": 971.0})
    y, x = np.mgrid[: shape[0] : 7, : shape[1] : 7].astype(float)
    vectors = sphere_vectors(smap, x, y)
    seen = np.isfinite(vectors[0])
    assert 100 < seen.sum() < seen.size
    found = find_pixels(smap, vectors)
    np.testing.assert_allclose([f[seen] for f in found], [x[seen], y[seen]], atol=1e-5)
    assert np.isnan(found[0][~seen]).all()


@pytest.mark.parametrize("roll", [0.0, 180.0])
def test_a_region_is_the_same_in_the_image_plane_and_on_the_equal_area_grid(sphere_field, roll):
    """The region of a helioprojective Map is brought to SHARP's grid: the same keywords."""
    shape = (480, 520)
    header = helioprojective(shape, crota2=roll)
    image = metrics.region_keywords(sphere_field(header, shape, half=0.8))
    header = {
        "ctype1": "HGLN-CEA", "ctype2": "HGLT-CEA", "cunit1": "deg", "cunit2": "deg",
        "cdelt1": 0.03, "cdelt2": 0.03, "crpix1": 250.5, "crpix2": 200.5, "crval1": -12.0,
        "crval2": 8.0,
    }  # fmt: skip
    smap = sphere_field(helioprojective((400, 500)) | header, (400, 500), half=0.8)
    plane = metrics.region_keywords(smap)
    assert len(image) == len(plane) == 1
    # The outline is found on each grid anew.
    for name, error in (("USFLUXL", 0.005), ("MEANGBL", 0.015), ("CMASKL", 0.02), ("AREA", 0.02),
                        ("AREA_ACR", 0.02), ("SIZE", 0.02)):  # fmt: skip
        assert float(image[name][0] / plane[name][0]) == pytest.approx(1, abs=error), name
    # Every fourth pixel is taken, and which they are differs.
    assert plane["R_VALUE"][0] > 3
    assert image["R_VALUE"][0] == pytest.approx(plane["R_VALUE"][0], abs=0.1)
    for name in ("LAT_FWT", "LON_FWT", "LATFWTPO", "LONFWTNE"):
        assert image[name][0].value == pytest.approx(plane[name][0].value, abs=0.02), name
    assert plane["LAT_FWT"][0].value == pytest.approx(8, abs=0.05)
    assert plane["LON_FWT"][0].value == pytest.approx(-12, abs=0.05)
    # The flux is that of the sphere, however it is measured.
    flux = metrics.unsigned_flux(smap, region=metrics.active_regions(smap).mask)
    assert float(plane["USFLUXL"][0] / flux) == pytest.approx(1, abs=1e-3)


# Errors


def test_errors_are_those_of_the_members(patch):
    members = [patch(factor * halves()) for factor in (0.9, 1.0, 1.1, 1.4)]
    table = measure(members[1], samples=iter(members))
    fluxes = u.Quantity([measure(m)["USFLUXL"][0] for m in members])
    row = table[0]
    assert row["USFLUXL"] == fluxes[1]
    assert row["USFLUXL_err"].to_value(u.Mx) == pytest.approx(fluxes.value.std(ddof=1))
    for percent in (16, 84):
        expected = np.percentile(fluxes.value, percent)
        assert row[f"USFLUXL_p{percent}"].to_value(u.Mx) == pytest.approx(expected)
    # A region that is given is the same for all members.
    assert row["AREA_err"] == 0
    assert "LATDTMIN_err" not in table.colnames


def test_errors_hold_what_the_members_share(patch):
    """Of the embedded model, which was measured; in quadrature, and the percentiles likewise."""
    config = read_embedded_config()
    shared = config["calibration"]["keywords"]
    assert 0.001 < shared["USFLUXL"] < 0.1
    cards = {"srmodel": "default", "srrev": config["revision"]}
    members = [patch(factor * halves(), **cards) for factor in (0.99, 1.0, 1.01)]
    row, other = (
        measure(maps[1], samples=maps)[0]
        for maps in (members, [patch(m.data, srmodel="mine") for m in members])
    )
    flux, error = (row[f"USFLUXL{end}"].to_value(u.Mx) for end in ("", "_err"))
    own = 0.01 * flux
    assert other["USFLUXL_err"].to_value(u.Mx) == pytest.approx(own)
    assert error == pytest.approx(np.hypot(own, shared["USFLUXL"] * flux))
    for end, side in (("p16", -1), ("p84", 1)):
        expected = flux + side * 0.68 * own * error / own
        assert row[f"USFLUXL_{end}"].to_value(u.Mx) == pytest.approx(expected)
    # What the region fixes has no error, and what was not measured its scatter alone.
    assert row["AREA_err"] == row["CMASKL_err"] == row["SIZE_err"] == 0
    assert row["MSTDEV_err"] == other["MSTDEV_err"]
    # Members that agree still share their error.
    alike = measure(members[1], samples=[members[1]] * 3)
    gradient, error, upper = (alike[f"MEANGBL{end}"][0].value for end in ("", "_err", "_p84"))
    assert error == pytest.approx(shared["MEANGBL"] * gradient)
    assert upper == pytest.approx(gradient + error)
    assert alike["MSTDEV_err"][0].value == pytest.approx(0, abs=1e-9)
    assert f"USFLUXL {shared['USFLUXL']:g}" in alike.meta["shared_errors"]


def test_a_region_without_a_known_pixel_is_missing_and_not_zero(patch):
    data = halves((80, 120))
    mask = np.zeros(data.shape, bool)
    mask[20:60, 30:90] = True
    hidden = patch(np.where(mask, np.nan, data))
    row = measure(hidden, region=mask)[0]
    for name in ("R_VALUE", "USFLUXL", "CMASKL", "AREA", "MTOT", "LAT_FWT"):
        assert np.isnan(u.Quantity(row[name]).value), name
    # A member that does not know the region does not count; without any other there is no error.
    members = [patch(0.9 * data), hidden, patch(1.1 * data)]
    row = measure(patch(data), samples=members, region=mask)[0]
    flux = row["USFLUXL"].to_value(u.Mx)
    assert row["USFLUXL_err"].to_value(u.Mx) == pytest.approx(0.1 * np.sqrt(2) * flux, rel=1e-4)
    assert row["AREA_err"] == row["CMASKL_err"] == 0
    row = measure(patch(data), samples=[hidden, hidden], region=mask)[0]
    assert row["USFLUXL"].to_value(u.Mx) == flux
    assert np.isnan(row["USFLUXL_err"])
    assert np.isnan(row["AREA_err"])


@pytest.mark.parametrize(("unit", "gauss"), [("kG", 1e3), ("T", 1e4), ("mT", 10.0)])
def test_units_do_not_matter(patch, unit, gauss):
    data = halves((80, 120))
    expected, row = measure(patch(data))[0], measure(patch(data / gauss, bunit=unit))[0]
    for name in ("R_VALUE", "USFLUXL", "MEANGBL", "MTOT", "AREA_ACR"):
        assert u.isclose(row[name], expected[name], rtol=1e-4), name


def test_a_map_without_a_solar_radius_has_that_of_the_photosphere(sphere_field, capsys):
    shape = (480, 520)
    header = helioprojective(shape)
    expected = metrics.region_keywords(sphere_field(header, shape))[0]
    smap = sphere_field({k: v for k, v in header.items() if k != "rsun_ref"}, shape)
    capsys.readouterr()
    row = metrics.region_keywords(smap)[0]
    assert capsys.readouterr().err.count("solar radius") <= 1  # sunpy says it each time
    for name in ("R_VALUE", "USFLUXL", "AREA", "SIZE", "LON_FWT"):
        assert u.isclose(row[name], expected[name], rtol=1e-5), name


@pytest.mark.parametrize("x", [900.0, 940.0, 962.0])
def test_the_flux_of_a_region_at_the_limb_is_that_of_the_sphere(x):
    shape = (240, 200)
    data = np.full(shape, 300.0, np.float32)
    smap = sunpy.map.Map(data, helioprojective(shape, center=(x, 0.0)))
    mask = np.zeros(shape, bool)
    mask[40:200, 60:140] = True
    row = metrics.region_keywords(smap, region=mask)[0]
    area = np.nansum(pixel_area(smap).to_value(u.cm**2)[mask])
    # The mask is brought to the equal-area grid by nearest neighbours.
    assert row["USFLUXL"].to_value(u.Mx) == pytest.approx(300 * area, rel=0.04)
    assert row["NPIX"] == (mask & np.isfinite(pixel_area(smap).value)).sum()
    assert row["MTOT"].value == pytest.approx(300 * row["NPIX"])


def test_a_region_that_is_found_has_the_outline_of_each_member(sphere_field):
    shape = (400, 460)
    smap = sphere_field(helioprojective(shape), shape)
    members = [sunpy.map.Map(factor * smap.data, smap.meta) for factor in (0.7, 1.0, 1.4)]
    table = metrics.region_keywords(smap, samples=members)
    alone = [metrics.region_keywords(m)["AREA"][0] for m in members]
    assert alone[0] < alone[1] < alone[2]
    assert table["AREA_err"][0] == pytest.approx(np.std(alone, ddof=1), rel=0.01)


def test_areas_of_outlines_that_are_found_have_errors_of_the_measured_factor(sphere_field):
    config = read_embedded_config()
    factor = config["calibration"]["keyword_factors"]["AREA"]
    assert 1 < factor < 3
    shape = (400, 460)
    cards = {"srmodel": "default", "srrev": config["revision"]}
    maps = [sphere_field(helioprojective(shape, **c), shape) for c in (cards, {"srmodel": "mine"})]
    row, other = (
        metrics.region_keywords(
            smap, samples=[sunpy.map.Map(f * smap.data, smap.meta) for f in (0.9, 1.0, 1.1)]
        )[0]
        for smap in maps
    )
    for name in ("AREA", "SIZE", "NPIX", "CMASKL"):
        assert other[f"{name}_err"] > 0
        assert row[f"{name}_err"] == pytest.approx(factor * other[f"{name}_err"]), name
        wider = [(r[f"{name}_p84"] - r[f"{name}_p16"]) for r in (row, other)]
        assert wider[0] == pytest.approx(factor * wider[1]), name
    assert row["MSTDEV_err"] == other["MSTDEV_err"]


def test_table_says_what_it_is(patch):
    smap = patch(halves(), content="HMI observable", srmodel="m1", srgainu=0.05)
    table = measure(smap, samples=[smap, smap, smap])
    assert table.meta["HARPNUM"] == 377
    assert table.meta["model"] == "m1"
    assert table.meta["members"] == 3
    assert table.meta["ratio_uncertainty"] == 0.05
    assert "JSOC" in table.meta["algorithm"]
    assert "sunpy_superres" in table.meta["software"]
    assert all(table[name].info.description for name in table.colnames)
    assert table["USFLUXL_err"].unit == u.Mx
    assert table["MTOT"].unit == u.G * u.pix


def test_nothing_found_is_an_empty_table(patch):
    quiet = patch(np.ones((60, 60)))
    table = metrics.region_keywords(quiet, samples=[quiet, quiet])
    assert len(table) == 0
    assert table["USFLUXL_p84"].unit == u.Mx


def test_members_of_another_grid_are_refused(patch):
    smap = patch(halves())
    other = patch(halves(), crval1=111.0)
    with pytest.raises(ValueError, match="another grid than the Map"):
        measure(smap, samples=[other, other])


def test_stonyhurst_longitudes_are_sunpys(sphere_field):
    shape = (480, 520)
    smap = sphere_field(helioprojective(shape, hglt_obs=5.0), shape)
    row = metrics.region_keywords(smap)[0]
    rows, columns = np.nonzero(smap.data > 1400)
    where = smap.wcs.pixel_to_world(columns.mean(), rows.mean())
    where = where.transform_to(frames.HeliographicStonyhurst)
    assert row["LATFWTPO"].value == pytest.approx(where.lat.to_value(u.deg), abs=0.05)
    assert row["LONFWTPO"].value == pytest.approx(where.lon.to_value(u.deg), abs=0.05)
