"""Header cards that count pixels, on pixels of another size and on another grid."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.io import fits
from astropy.wcs import WCS

from sunpy_superres import simulate_mdi
from sunpy_superres.maps.metadata import rebin_meta
from sunpy_superres.maps.pixel_cards import counts_pixels
from sunpy_superres.maps.target import TargetGrid

SHAPE = (40, 48)
CELESTIAL = {
    "wcsnamea": "Celestial",
    "ctype1a": "RA---TAN",
    "ctype2a": "DEC--TAN",
    "cunit1a": "deg",
    "cunit2a": "deg",
    "crval1a": 200.0,
    "crval2a": -8.0,
    "crpix1a": 32.0,
    "crpix2a": 30.0,
    "cdelt1a": -1.986 / 3600,
    "cdelt2a": 1.986 / 3600,
}
#: Alternate WCS of all forms, with their letters.
WCSES = {
    "celestial": ("A", CELESTIAL),
    "rolled": ("A", CELESTIAL | {"crota2a": 24.0}),
    "matrix PC": (
        "A",
        CELESTIAL | {"pc1_1a": 0.8, "pc1_2a": -0.6, "pc2_1a": 0.6, "pc2_2a": 0.8},
    ),
    "matrix CD": (
        "A",
        {k: v for k, v in CELESTIAL.items() if "cdelt" not in k}
        | {"cd1_1a": -5e-4, "cd1_2a": 1e-4, "cd2_1a": 1e-4, "cd2_2a": 5e-4},
    ),
    "no CDELT": (
        "A",
        {k: v for k, v in CELESTIAL.items() if "cdelt" not in k}
        | {"pc1_1a": -5e-4, "pc1_2a": 0.0, "pc2_1a": 0.0, "pc2_2a": 5e-4},
    ),
    "no CRPIX": ("A", {k: v for k, v in CELESTIAL.items() if "crpix" not in k}),
    "pixels of the camera": (
        "P",
        {"wcsnamep": "PHYSICAL", "ctype1p": "x", "ctype2p": "y", "crpix1p": 1.0, "crpix2p": 1.0,
         "crval1p": 541.0, "crval2p": 501.0, "cdelt1p": 1.0, "cdelt2p": 1.0},
    ),
    "the last letter": ("Z", {k[:-1] + "z": v for k, v in CELESTIAL.items()}),
}  # fmt: skip


def as_header(meta):
    skipped = ("keycomments", "history", "comment", "date-obs")
    return fits.Header({k.upper(): v for k, v in meta.items() if k not in skipped})


# FITS gives CROTA2A no meaning.
@pytest.mark.filterwarnings("ignore::astropy.wcs.wcs.FITSFixedWarning")
@pytest.mark.parametrize("kind", WCSES)
@pytest.mark.parametrize("factor", [4, 1 / 4])
def test_each_wcs_sees_the_same_sky(mdi_header, kind, factor):
    key, cards = WCSES[kind]
    header = mdi_header(SHAPE, **cards)
    scaled = rebin_meta(header, tuple(int(factor * n) for n in SHAPE), factor)
    x, y = np.array([0.0, 17.0, 47.0]), np.array([39.0, 5.0, 0.0])
    before = WCS(as_header(header), key=key).pixel_to_world_values(x, y)
    after = WCS(as_header(scaled), key=key).pixel_to_world_values(
        factor * (x + 0.5) - 0.5, factor * (y + 0.5) - 0.5
    )
    np.testing.assert_allclose(after, before, atol=1e-9)


def test_the_distortion_of_sip_follows(mdi_header):
    cards = {"ctype1": "RA---TAN-SIP", "ctype2": "DEC--TAN-SIP", "a_order": 2, "b_order": 2,
             "a_2_0": 1e-4, "a_1_1": 2e-5, "b_0_2": -1e-4}  # fmt: skip
    header = mdi_header(SHAPE, corner=(500, 500), **cards)
    fine = rebin_meta(header, (160, 192), 4)
    x, y = np.array([3.0, 40.0]), np.array([30.0, 8.0])
    before = WCS(as_header(header)).all_pix2world(x, y, 0)
    after = WCS(as_header(fine)).all_pix2world(4 * x + 1.5, 4 * y + 1.5, 0)
    np.testing.assert_allclose(after, before, atol=1e-9)
    assert fine["a_2_0"] == 1e-4 / 4


def test_the_map_of_iraf_follows(mdi_header):
    """LTM original + LTV is the pixel: 20.5 of the original lies in the middle of pixel 5."""
    fine = rebin_meta(mdi_header(SHAPE, ltv1=-15.5, ltm1_1=1.0), (160, 192), 4)
    assert fine["ltm1_1"] * 20.5 + fine["ltv1"] == pytest.approx(4 * (5 - 0.5) + 0.5)
    assert fine["ltm2_2"] * 7 + fine["ltv2"] == pytest.approx(4 * (7 - 0.5) + 0.5)


@pytest.mark.parametrize(
    ("card", "value", "expected"),
    [
        ("r_sun", 488.6, 4 * 488.6),
        ("solar_r", 488.6, 4 * 488.6),
        ("solar_r", 970.4, 970.4),  # arcsec, as SolarSoft has it
        ("radius", 482.6, 4 * 482.6),
        ("r0", 480.0, 1920.0),
        ("crop_rad", 504.0, 2016.0),
        ("dpc_crop", 504.0, 2016.0),
        ("center_x", 512.5, 4 * 512 + 0.5),
        ("x0", 511.5, 4 * 512 - 0.5),
        ("x0", "511.5", 4 * 512 - 0.5),
        ("x0_lf", 511.5, 4 * 512 - 0.5),
        ("im_scale", 1.984, 0.496),
        ("x_scale", 1, 0.25),
        ("pixscale", 1.984, 0.496),
        ("xcen", 400.0, 400.0),
        ("fovx", 95.0, 95.0),
        ("crval1", 10.0, 10.0),
        ("x_offset", 0, 0),
    ],
)
def test_a_card_is_converted_or_stays(mdi_header, card, value, expected):
    fine = rebin_meta(mdi_header(**{card: value}), (4096, 4096), 4)
    assert fine[card] == pytest.approx(expected)


@pytest.mark.parametrize(
    "card", "MDI_X0 PLATE_X FNDLMBXC IMCRPIX1 CCDSEC NXSUM BL_X CPDIS1 DP1 NPIX TOTVALS".split()
)
def test_cards_of_another_array_are_dropped(mdi_header, card):
    assert card.lower() not in rebin_meta(mdi_header(**{card: 1}), (4096, 4096), 4)


def test_no_card_of_the_main_wcs_counts_beside_it():
    main = (
        "crpix1 cdelt2 crval1 ctype1 cunit1 crota2 pc1_1 cd1_2 wcsname naxis1 pv2_1 wcsaxes".split()
    )
    others = "t_obs dpc content telescop date-obs dsun_obs crln_obs interval p_angle xcen".split()
    assert not [name for name in (*main, *others) if counts_pixels(name)]
    assert counts_pixels("crpix1a")
    assert counts_pixels("pc2_2z")
    assert counts_pixels("ltv1")


def test_a_target_has_no_card_of_the_old_grid(mdi_header, mdi_cutout):
    cards = CELESTIAL | {"ltv1": 3.0, "crot": 180.0, "sc_roll": 180.0, "solar_r": 488.6}
    meta = mdi_header(SHAPE, corner=(540, 500), crota2=180.0, **cards)
    target = mdi_cutout.wcs.deepcopy()
    target.array_shape = (30, 30)
    replaced, _ = TargetGrid.read(target, sunpy.map.Map(mdi_cutout.data, meta)).replace_cards(meta)
    assert not {name for name in replaced if counts_pixels(name)}
    assert not {"crot", "sc_roll", "crota2"} & set(replaced)
    smap = sunpy.map.Map(np.zeros((30, 30)), replaced)
    found, known = (wcs.pixel_to_world_values(3.0, 20.0) for wcs in (smap.wcs, target))
    np.testing.assert_allclose(found, known, atol=1e-9)


def test_a_simulated_frame_sees_the_same_sky_in_each_wcs(mdi_header):
    cards = CELESTIAL | {"telescop": "SDO/HMI", "camera": None, "instrume": "HMI_SIDE1"}
    header = mdi_header((64, 64), corner=(500, 500), cdelt1=0.5, cdelt2=0.5, **cards)
    hmi_map = sunpy.map.Map(np.zeros((64, 64)), header)
    frame = simulate_mdi(hmi_map, seed=0, noise=12 * u.G)
    before = WCS(as_header(header), key="A").pixel_to_world_values(21.5, 9.5)
    after = WCS(as_header(frame.meta), key="A").pixel_to_world_values(5.0, 2.0)
    np.testing.assert_allclose(after, before, atol=1e-9)
