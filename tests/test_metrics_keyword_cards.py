"""Keywords of SHARP and SMARP, against JSOC's own cards."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from scipy import ndimage

from sunpy_superres import metrics
from sunpy_superres.maps.reading import read_map


def measure(smap, region="map"):
    return metrics.region_keywords(smap, region=region)


def sharp_files(real_data):
    files = sorted((real_data / "hmi_sharp_los").glob("*.fits"))
    assert len(files) > 90
    return files


# Some files have no BUNIT.
@pytest.mark.filterwarnings("ignore:BUNIT is missing:sunpy_superres.SuperResWarning")
@pytest.mark.real_data
def test_r_value_is_that_of_every_sharp_card(real_data):
    largest, compared = 0.0, 0
    for path in sharp_files(real_data):
        smap = read_map(path)
        card = smap.meta["r_value"]
        if str(card).strip().lower() == "nan":
            continue
        found = measure(smap)["R_VALUE"][0]
        assert found == pytest.approx(float(card), abs=0.005), path.name
        largest, compared = max(largest, abs(found - float(card))), compared + 1
    assert compared >= 90
    # The cards have three decimals; patches that reach beyond the limb differ most.
    assert largest < 0.004


@pytest.mark.real_data
def test_r_value_and_edges_are_those_of_the_smarp_card(real_data):
    smap = read_map(next((real_data / "quirks").glob("mdi.smarp*")))
    row = measure(smap)[0]
    assert row["R_VALUE"] == pytest.approx(smap.meta["r_value"], abs=1e-4)
    for name in ("LATDTMIN", "LONDTMIN", "LATDTMAX", "LONDTMAX"):
        # A pixel is 0.12 deg.
        assert row[name].value == pytest.approx(smap.meta[name.lower()], abs=0.06), name


@pytest.mark.real_data
def test_edges_and_centres_of_flux_are_those_of_sharp_cards(real_data):
    """Without the bitmap the active pixels are ours; the centre of their flux is near JSOC's."""
    # Frames of AR 11158 from the time when it is more than a few pores.
    for path in sharp_files(real_data)[10:50:8]:
        smap = read_map(path)
        row = measure(smap)[0]
        for name in ("LATDTMIN", "LONDTMIN", "LATDTMAX", "LONDTMAX"):
            assert row[name].value == pytest.approx(smap.meta[name.lower()], abs=0.03), name
        for name in ("LAT_FWT", "LON_FWT"):
            assert row[name].value == pytest.approx(smap.meta[name.lower()], abs=0.4), name


# Some files have no BUNIT.
@pytest.mark.filterwarnings("ignore:BUNIT is missing:sunpy_superres.SuperResWarning")
@pytest.mark.real_data
def test_sizes_of_an_outline_of_the_right_number_of_pixels_are_those_of_the_cards(real_data):
    """The bitmap is missing, but the cards say how many pixels it marks."""
    compared = 0
    for path in [*sharp_files(real_data)[-20:], *(real_data / "quirks").glob("mdi.smarp*")]:
        smap = read_map(path)
        if "cmaskl" not in smap.meta:
            continue
        size = np.abs(np.nan_to_num(smap.data))
        smooth = ndimage.gaussian_filter(size, 12 * 0.03 / smap.meta["cdelt1"])
        level = np.sort(smooth, axis=None)[-int(smap.meta["cmaskl"])]
        row = measure(smap, region=smooth >= level)[0]
        for name, factor in (("SIZE", 1), ("NPIX", 1), ("AREA", 1.0088)):
            assert factor * row[name] == pytest.approx(smap.meta[name.lower()], rel=7e-3), name
        # The strongest field that so many pixels can hold.
        for name in ("USFLUXL", "MEANGBL"):
            assert 1.0 < row[name].value / smap.meta[name.lower()] < 1.13, name
        compared += 1
    assert compared == 8


@pytest.mark.real_data
def test_size_of_a_pixel_is_that_of_the_cards(real_data):
    """Of HARP 71 in CCD pixels: SIZE over NPIX, which our sum has too."""
    path = next((real_data / "hmi_ccd").glob("hmi.sharp_720s.71.*"))
    with warnings.catch_warnings(), fits.open(path) as file:
        warnings.simplefilter("ignore")
        header = next(hdu.header for hdu in file if hdu.is_image and hdu.shape)
        cards = {name: header.get(name) for name in ("SIZE", "NPIX", "SIZE_ACR", "NACR")}
    row = measure(read_map(path))[0]
    if None in cards.values():
        pytest.skip("the file has no such cards")
    assert row["SIZE"] / row["NPIX"] == pytest.approx(cards["SIZE"] / cards["NPIX"], rel=2e-3)
    assert row["SIZE_ACR"] / row["NACR"] == pytest.approx(cards["SIZE"] / cards["NPIX"], rel=2e-3)
