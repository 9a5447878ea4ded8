import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from hypothesis import given
from hypothesis import strategies as st

from sunpy_superres.maps.geometry import heliocentric_mu, on_disk_mask, plate_scale
from sunpy_superres.maps.metadata import rebin_meta, refresh_statistics

SHAPE = (20, 24)
FINE_SHAPE = (80, 96)
CORNERS = np.array([[0, 0], [0, 19], [23, 0], [23, 19], [11, 7]], float)


def rotation(angle):
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return c, -s, s, c


@st.composite
def wcs_changes(draw):
    """Cards that place, scale and roll an image, in one of the three notations of FITS."""
    cdelt = draw(st.floats(1.4, 2.9))
    cards = {
        "crpix1": draw(st.floats(-3000, 3000)),
        "crpix2": draw(st.floats(-3000, 3000)),
        "crval1": draw(st.floats(-900, 900)),
        "crval2": draw(st.floats(-900, 900)),
        "cdelt1": cdelt,
        "cdelt2": cdelt * draw(st.floats(0.99, 1.01)),
        "dsun_obs": draw(st.floats(1.44e11, 1.53e11)),
        "crota2": None,
    }
    roll = draw(st.floats(-180, 180))
    notation = draw(st.sampled_from(["crota2", "pc", "cd"]))
    if notation == "crota2":
        cards["crota2"] = roll
        return cards
    matrix = rotation(roll)
    if notation == "cd":
        scales = cards.pop("cdelt1"), cards.pop("cdelt2")
        matrix = np.multiply(matrix, np.repeat(scales, 2)).tolist()
        cards |= {"cdelt1": None, "cdelt2": None}
    for name, value in zip(("1_1", "1_2", "2_1", "2_2"), matrix, strict=True):
        cards[notation + name] = value
    return cards


def assert_same_sky(coarse, fine):
    """Coarse pixel i lies where fine pixel 4 (i + 0.5) - 0.5 does."""
    world = coarse.wcs.pixel_to_world_values(*CORNERS.T)
    found = np.column_stack(fine.wcs.world_to_pixel_values(*world))
    np.testing.assert_allclose(found, 4 * (CORNERS + 0.5) - 0.5, rtol=0, atol=1e-6)


@given(changes=wcs_changes())
def test_fine_grid_lies_on_the_same_sky(mdi_header, changes):
    header = mdi_header(SHAPE, **changes)
    coarse = sunpy.map.Map(np.zeros(SHAPE), header)
    fine = sunpy.map.Map(np.zeros(FINE_SHAPE), rebin_meta(coarse.meta, FINE_SHAPE, 4))
    assert_same_sky(coarse, fine)
    assert fine.dsun == coarse.dsun
    assert fine.rsun_obs == coarse.rsun_obs
    assert plate_scale(fine).to_value("arcsec/pix") * 4 == pytest.approx(
        plate_scale(coarse).to_value("arcsec/pix"), rel=1e-12
    )


@given(changes=wcs_changes())
def test_fine_grid_lies_on_the_same_sky_after_saving(mdi_header, tmp_path_factory, changes):
    path = tmp_path_factory.mktemp("saved") / "fine.fits"
    coarse = sunpy.map.Map(np.zeros(SHAPE), mdi_header(SHAPE, **changes))
    fine = sunpy.map.Map(np.zeros(FINE_SHAPE), rebin_meta(coarse.meta, FINE_SHAPE, 4))
    fine.save(path)
    reloaded = sunpy.map.Map(path)
    assert_same_sky(coarse, reloaded)
    assert reloaded.data.shape == FINE_SHAPE
    assert reloaded.dsun.to_value("m") == pytest.approx(coarse.dsun.to_value("m"), rel=1e-14)
    assert reloaded.rotation_matrix == pytest.approx(coarse.rotation_matrix, abs=1e-12)


@given(changes=wcs_changes())
def test_quarter_undoes_four(mdi_header, changes):
    header = mdi_header(SHAPE, **changes)
    back = rebin_meta(rebin_meta(header, FINE_SHAPE, 4), SHAPE, 1 / 4)
    numbers = {name for name, value in header.items() if isinstance(value, int | float)}
    assert {k: back.pop(k) for k in numbers} == pytest.approx(
        {k: header.pop(k) for k in numbers}, rel=1e-13, abs=1e-11
    )
    assert back == header


def test_cutout_of_a_fine_grid_is_the_fine_grid_of_a_cutout(mdi_header):
    whole = rebin_meta(mdi_header(), (4096, 4096), 4)
    part = rebin_meta(mdi_header(SHAPE, corner=(100, 250)), FINE_SHAPE, 4)
    for name, first in (("crpix1", 400), ("crpix2", 1000), ("x0", 400), ("y0", 1000)):
        assert part[name] == pytest.approx(whole[name] - first, abs=1e-9)


def test_cards_in_pixels_follow_the_grid(mdi_header):
    header = mdi_header(im_scale=1.986, radius=488.6)
    fine = rebin_meta(header, (4096, 4096), 4)
    assert fine["crpix1"] == pytest.approx((512.5771484375 - 0.5) * 4 + 0.5)
    # X0 counts from 0 at the centre of the first pixel, CRPIX1 from 1.
    assert fine["x0"] == pytest.approx(fine["crpix1"] - 1)
    assert fine["y0"] == pytest.approx(fine["crpix2"] - 1)
    assert fine["cdelt1"] == header["cdelt1"] / 4
    assert fine["im_scale"] == header["im_scale"] / 4
    assert fine["r_sun"] == header["r_sun"] * 4
    assert fine["crop_rad"] == 2016.0
    assert (fine["naxis"], fine["naxis1"], fine["naxis2"]) == (2, 4096, 4096)
    assert fine["r_sun"] * fine["cdelt1"] == pytest.approx(fine["rsun_obs"], rel=1e-3)


def test_naxis_is_columns_then_rows(mdi_header):
    fine = rebin_meta(mdi_header(SHAPE), FINE_SHAPE, 4)
    assert (fine["naxis1"], fine["naxis2"]) == (96, 80)


def test_cards_of_the_sky_and_the_observer_stay(mdi_header):
    header = mdi_header(crota2=3.1)
    fine = rebin_meta(header, (4096, 4096), 4)
    stay = "crota2 dsun_obs rsun_obs rsun_ref crln_obs crlt_obs crval1 ctype1 t_obs camera interval"
    for name in stay.split():
        assert fine[name] == header[name]


@pytest.mark.parametrize(
    "card",
    "CHECKSUM DATASUM BSCALE BZERO BLANK BITPIX ZBITPIX ZDITHER0 DATASKEW TOT_FLUX".split(),
)
def test_cards_of_the_stored_file_are_dropped(mdi_header, card):
    fine = rebin_meta(mdi_header(**{card: 1}), (4096, 4096), 4)
    assert card.lower() not in fine


def test_a_card_that_is_text_stays_as_it_is(mdi_header):
    assert rebin_meta(mdi_header(x0="unknown"), (4096, 4096), 4)["x0"] == "unknown"


def test_rebinning_leaves_its_input_alone(mdi_header):
    header = mdi_header(checksum="abc")
    before = dict(header)
    rebin_meta(header, (4096, 4096), 4)
    assert header == before


def test_statistics_are_of_the_finite_pixels():
    data = np.array([[1.0, -3.0, np.nan], [5.0, np.nan, 7.0]], np.float32)
    names = ("datamin", "datamax", "datamean", "datamedn", "datarms", "datavals", "missvals")
    meta = dict.fromkeys(names, -1)
    refresh_statistics(meta, data, np.array([[True, True, True], [True, False, True]]))
    assert meta == pytest.approx(
        {
            "datamin": -3.0,
            "datamax": 7.0,
            "datamean": 2.5,
            "datamedn": 3.0,
            "datarms": np.sqrt((1.5**2 + 5.5**2 + 2.5**2 + 4.5**2) / 4),  # about the mean
            "datavals": 4,
            "missvals": 1,
        }
    )


def test_statistics_adds_no_card():
    assert refresh_statistics({"bunit": "G"}, np.ones((2, 2)), np.ones((2, 2), bool)) == {
        "bunit": "G"
    }


def test_statistics_of_nothing_are_not_stated():
    meta = {"datamin": 1.0, "datarms": 1.0, "datavals": 4, "missvals": 0}
    refresh_statistics(meta, np.full((2, 2), np.nan), np.ones((2, 2), bool))
    assert meta == {"datavals": 0, "missvals": 4}


def test_statistics_are_exact_for_a_large_float32_image():
    data = np.full((1500, 1500), 1.1, np.float32)
    data[:, ::2] = 3.1
    meta = refresh_statistics({"datamean": 0.0, "datarms": 0.0}, data, np.isfinite(data))
    assert meta["datamean"] == pytest.approx(2.1, rel=1e-6)
    assert meta["datarms"] == pytest.approx(1.0, rel=1e-6)


def assert_circle(mask, centre, radius):
    """The mask is the circle, but for pixels whose centre is within 0.02 pixel of it."""
    y, x = np.mgrid[1 : mask.shape[0] + 1, 1 : mask.shape[1] + 1]
    distance = np.hypot(x - centre[0], y - centre[1])
    sure = np.abs(distance - radius) > 0.02
    np.testing.assert_array_equal(mask[sure], (distance < radius)[sure])


def test_disk_of_the_full_frame_is_the_circle_of_the_header(mdi_header):
    header = mdi_header()
    mask = on_disk_mask(sunpy.map.Map(np.zeros((1024, 1024), np.float32), header))
    assert_circle(mask, (header["crpix1"], header["crpix2"]), header["r_sun"])
    assert mask.sum() == pytest.approx(np.pi * header["r_sun"] ** 2, rel=1e-4)


@pytest.mark.parametrize("roll", [3.1, 77.0, 180.0])
def test_roll_about_disk_centre_leaves_the_disk(mdi_header, roll):
    shape = (300, 260)
    header = mdi_header(shape, corner=(60, 30), crota2=roll)
    mask = on_disk_mask(sunpy.map.Map(np.zeros(shape, np.float32), header))
    assert 0 < mask.mean() < 1
    assert_circle(mask, (header["crpix1"], header["crpix2"]), header["r_sun"])


@pytest.mark.parametrize("roll", [0.0, 25.0])
def test_disk_when_the_reference_pixel_is_not_its_centre(mdi_header, roll):
    """A cut-out at the west limb, with CRVAL at its middle: disk centre by plane rotation."""
    shape, cdelt, crval, crpix = (120, 100), 2.0, np.array([900.0, -150.0]), np.array([50.5, 60.5])
    header = mdi_header(
        shape,
        cdelt1=cdelt,
        cdelt2=cdelt,
        crval1=crval[0],
        crval2=crval[1],
        crpix1=crpix[0],
        crpix2=crpix[1],
        crota2=roll,
    )
    c, _, s, _ = rotation(roll)
    centre = crpix + np.array([[c, s], [-s, c]]) @ (-crval) / cdelt
    mask = on_disk_mask(sunpy.map.Map(np.zeros(shape, np.float32), header))
    assert 0.2 < mask.mean() < 0.85
    assert_circle(mask, centre, header["rsun_obs"] / cdelt)


@pytest.mark.parametrize("shape", [(n, 96 + n % 7) for n in range(64, 98)])
def test_disk_of_any_number_of_rows(mdi_header, shape):
    """By the lattice as pixel by pixel, for sides that leave any rest."""
    header = mdi_header(shape, crval1=900.0, crval2=-150.0, crpix1=50.5, crpix2=40.5, crota2=25.0)
    smap = sunpy.map.Map(np.zeros(shape, np.float32), header)
    mask = on_disk_mask(smap)
    np.testing.assert_array_equal(mask, np.isfinite(heliocentric_mu(smap)))
    assert 0 < mask.mean() < 1


def test_fine_disk_covers_the_coarse_one(small_disk):
    shape = tuple(4 * n for n in small_disk.data.shape)
    fine = sunpy.map.Map(np.zeros(shape), rebin_meta(small_disk.meta, shape, 4))
    mask = on_disk_mask(fine)
    assert_circle(mask, (fine.meta["crpix1"], fine.meta["crpix2"]), fine.meta["r_sun"])


def test_mask_does_not_look_at_the_data(small_disk):
    expected = on_disk_mask(small_disk)
    np.testing.assert_array_equal(np.isfinite(small_disk.data), expected)
    holes = np.zeros(small_disk.data.shape)
    holes[::2] = np.nan
    np.testing.assert_array_equal(on_disk_mask(sunpy.map.Map(holes, small_disk.meta)), expected)


def test_mask_in_parts_is_the_whole_one(mdi_header):
    """A frame so wide that the mask is made a few rows at a time."""
    shape = (9, 600_000)
    header = mdi_header(shape, crpix1=3e5, crpix2=4.0, cdelt1=0.0036, cdelt2=0.0036)
    smap = sunpy.map.Map(np.broadcast_to(np.float32(0), shape), header)
    whole = np.isfinite(heliocentric_mu(smap))
    assert 0 < whole.mean() < 1
    np.testing.assert_array_equal(on_disk_mask(smap), whole)


def test_rows_of_mu(small_disk):
    whole = heliocentric_mu(small_disk)
    np.testing.assert_array_equal(heliocentric_mu(small_disk, slice(31, 47)), whole[31:47])


def test_mu_is_one_at_disk_centre(mdi_header):
    header = mdi_header(SHAPE, crpix1=12.0, crpix2=8.0)
    mu = heliocentric_mu(sunpy.map.Map(np.zeros(SHAPE), header))
    assert mu[7, 11] == pytest.approx(1, abs=1e-12)
    assert mu.argmax() == 7 * SHAPE[1] + 11


def test_mu_follows_the_limb_of_the_header(mdi_header):
    """A header with a larger apparent radius has mu = 0.8 at 0.6 of that radius."""
    shape = (40, 400)
    header = mdi_header(shape, crpix1=1.0, crpix2=20.0, rsun_obs=990.0)
    mu = heliocentric_mu(sunpy.map.Map(np.zeros(shape), header))[19]
    column = 0.6 * 990.0 / header["cdelt1"]
    assert np.interp(column, np.arange(400), mu) == pytest.approx(0.8, abs=3e-3)


def test_plate_scale_of_a_rolled_map(mdi_header):
    smap = sunpy.map.Map(np.zeros(SHAPE), mdi_header(SHAPE, crota2=33.0))
    assert plate_scale(smap).unit == u.arcsec / u.pix
    assert plate_scale(smap).value == pytest.approx([1.9860081672668457] * 2)


def test_plate_scale_in_degrees_is_given_in_arcsec(mdi_header):
    changes = {"cunit1": "deg", "cunit2": "deg", "cdelt1": 2 / 3600, "cdelt2": 2 / 3600}
    smap = sunpy.map.Map(np.zeros(SHAPE), mdi_header(SHAPE, **changes))
    assert plate_scale(smap).value == pytest.approx([2.0, 2.0])
