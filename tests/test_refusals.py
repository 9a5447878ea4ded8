"""Messages that name the likely cause: a header for a Map, units of CDELT, units of the values."""

import re

import numpy as np
import pytest

from sunpy_superres.exceptions import SuperResWarning
from sunpy_superres.maps.magnetogram import read_magnetogram

#: Arcsec per pixel.
SIDE = 1.984


@pytest.mark.parametrize("order", ["header", "data, header", "header, data", "cards", "list"])
def test_a_header_leads_to_a_map(mdi_cutout, order):
    data, meta = mdi_cutout.data, mdi_cutout.meta
    given = {
        "header": meta, "cards": dict(meta), "data, header": (data, meta),
        "header, data": (mdi_cutout.fits_header, data), "list": [data, mdi_cutout.fits_header],
    }[order]  # fmt: skip
    with pytest.raises(TypeError, match=r"make a Map of .*sunpy\.map\.Map\(data, header\)\.$"):
        read_magnetogram(given)


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        ({"cdelt1": SIDE / 3600, "cdelt2": SIDE / 3600}, r"0\.000551 arcsec.*CUNIT2 to 'deg'"),
        ({"cdelt1": SIDE / 60, "cdelt2": SIDE / 60}, r"0\.0331 arcsec.* CUNIT2 to 'arcmin'"),
        ({"cdelt1": 9.62e-6, "cdelt2": 9.62e-6}, r"9\.62e-06 arcsec.* CUNIT2 to 'rad'"),
        ({"cdelt1": SIDE, "cdelt2": SIDE, "cunit1": "deg", "cunit2": "deg"},
         r"7142\.40 arcsec.* likely in arcsec, where it is 1\.98 .*CUNIT2 to 'arcsec'"),
        ({"cdelt1": SIDE, "cdelt2": SIDE, "cunit2": "deg"},
         "not square; CDELT2 is not in deg, as CUNIT2 says, .*set CUNIT2 to 'arcsec'"),
        ({"cdelt1": None, "cdelt2": None}, "CDELT1 and CDELT2 are missing, and taken for 1; set"),
        ({"cdelt2": None}, "not square; CDELT2 is missing, and taken for 1; set"),
        ({"cdelt1": 1e-9, "cdelt2": 1e-9}, "1e-09 arcsec.*; check CDELT and CUNIT"),
        ({"cdelt1": 0.5, "cdelt2": 0.5}, "0.50 arcsec.*pixels so fine are HMI's"),
        ({"cdelt1": 4 * SIDE, "cdelt2": 4 * SIDE}, r"7\.94 arcsec.*the frame was binned"),
    ],
)  # fmt: skip
def test_an_impossible_plate_scale_has_a_cause(cutout, cards, said):
    with pytest.raises(ValueError, match=said):
        read_magnetogram(cutout(**cards))


@pytest.mark.parametrize(
    ("factor", "cards", "noise"),
    [
        (1e-3, {}, r"0\.012"),
        (1e-3, {"interval": None}, r"0\.012"),
        (0.1, {}, r"1\.2"),
        (1.0, {"bunit": "nT"}, r"0\.00012"),
        (1.0, {"bunit": "uT"}, r"0\.12"),
    ],
)
def test_too_little_noise_is_of_another_unit(cutout, bipole, factor, cards, noise):
    data = bipole((64, 64)) * factor
    with pytest.warns(SuperResWarning) as told:
        read_magnetogram(cutout(data, **cards))
    (text,) = (str(w.message) for w in told if "noise" in str(w.message))
    assert re.match(f"The data show a noise of {noise[:-1]}. G, .*check the unit .BUNIT.", text)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("factor", "unit"), [(1e-3, "kG"), (0.1, "mT"), (1e5, "nT")])
def test_the_noise_of_another_unit_is_that_of_its_gauss(cutout, bipole, factor, unit):
    read = read_magnetogram(cutout(bipole((40, 48)) * factor, bunit=unit))
    assert np.median(read.noise) == pytest.approx(12, rel=0.2)
