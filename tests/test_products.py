"""Magnetograms told from the other segments and series that share their header."""

import warnings
from collections import Counter

import numpy as np
import pytest
import sunpy.map
from astropy.io import fits

from sunpy_superres import metrics, read_map, simulate_mdi
from sunpy_superres.data import example_hmi_map, example_mdi_map
from sunpy_superres.datasets.pairs import align_pair
from sunpy_superres.datasets.splits import find_hmi_maps
from sunpy_superres.maps.magnetogram import read_magnetogram
from sunpy_superres.maps.products import check_product
from sunpy_superres.maps.signs import check_signs

#: CONTENT and BUNIT of all segments of a record.
OBSERVABLE = {"content": "HMI observable", "bunit": "Mx/cm^2"}
SHARP = "hmi.sharp_cea_720s.9999.20110803_213600_TAI."
#: DRMS_ID of records that are no magnetogram, with a word of the message.
OTHER_RECORDS = {
    "hmi.sharp_cea_720s:1:bitmap": "bitmap",
    "hmi.sharp_cea_720s:1:Br_err": "standard error",
    "hmi.sharp_cea_720s:1:Bp": "azimuthal",
    "hmi.sharp_720s:12:inclination": "inclination",
    "hmi.sharp_720s:12:conf_disambig": "confidence",
    "hmi.sharp_720s_nrt:12:continuum": "continuum",
    "hmi.B_720s:5:field": "strength",
    "hmi.B_720s:5:disambig": "disambiguation",
    "hmi.ME_720s_fd10:5:inclin_azimuth_err": "covariance",
    "hmi.ME_720s_fd10:5:vlos_mag": "velocity",
    "hmi.S_720s:5:Q3": "Stokes",
    "hmi.V_45s:5:Dopplergram": "Dopplergram",
    "hmi.Ic_noLimbDark_720s:5:continuum": "continuum",
    "mdi.fd_V:77:data": "Dopplergram",
    "mdi.fd_Ic_mod:2:data": "intensity",
    "mdi.smarp_cea_96m:2:bitmap": "bitmap",
    "hmi.sharp_720s[377][2011.02.15_02:00:00_TAI]{azimuth}": "azimuth",
    "hmi.Marmask_720s[2011.02.15]": "mask of active regions",
    "hmi.Mharp_720s[377][2011.02.15_TAI]": "bitmaps",
}
RIGHT_RECORDS = [
    "hmi.sharp_cea_720s:1:magnetogram", "hmi.sharp_cea_720s:1:Br", "hmi.M_720s_nrt:4:magnetogram",
    "hmi.M_45s:4:magnetogram", "mdi.fd_M_96m_lev182:7240:data", "mdi.fd_M_lev182:1:data", "",
    "mdi.smarp_cea_96m:2:magnetogram", "hmi.M_720s[2011.02.15_TAI]{magnetogram}", "my own: V field",
]  # fmt: skip
OTHER_FILES = [
    SHARP + "bitmap (1).fits", SHARP + "Bt_1.fits.gz", SHARP + "Br_err - Copy.fits",
    SHARP + "bitmap.fits", SHARP + "Br_err.fits", SHARP + "conf_disambig.fits.gz",
    SHARP + "Bt.FITS", "harp9999_" + SHARP + "continuum.fts", "hmi.V_720s.20110803_2136_TAI.3.fits",
    "hmi.b_720s.20110803_213600_TAI.field.fits", "hmi.ic_45s.2011.08.03_21:36_TAI.continuum.fits",
    "hmi_b_720s_2011_08_03_21_36_00_tai_azimuth.fits", "mdi.fd_V.19991211_000100_TAI.data.fits",
    "mdi.smarp_cea_96m.13520.20100714_124800_TAI.bitmap.fits", "fd_Ic_6h_01d.2536.0000.fits",
    SHARP + "Bp_cut.fits", SHARP + "conf_disambig_v2.fits", "cgem.Bp_20110803.fits", "Bp.fits",
    "sharp_9999_Bt.fits", "AR11158_inclination.fits", "harp9999_Bp_err.fits",
    "hmi_v_45s_2011_08_03_21_36_45_tai_dopplergram.fits", "hmi.S_720s.20110803_2136_TAI.3.V2.fits",
    "hmi.mharp_720s.377.20110215_000000_TAI.fits",
]  # fmt: skip
#: Names that users give, with what the file holds.
OTHER_NAMES = {
    "bp_20110215_0000.fits": "Bp", "AR11158_Bp_20110215.fits": "Bp", "AR11158Bp_v2.fits": "Bp",
    "inclination_377.fits": "inclination", "Br_err_377.fits": "standard error",
    "BrErr377.fits": "standard error", "HARP377_conf_disambig_v2.fits": "confidence",
    "377_bitmap_20110215.fits.gz": "bitmap", "HMIBitmap377.fits": "bitmap",
    "my azimuths 3.fits": "azimuth", "continuum-377-cut.fits": "continuum",
    "vlos_mag_377.fits": "velocity", "horizontal_field_377.fits": "the horizontal field",
}  # fmt: skip
RIGHT_NAMES = [
    "AR11158_20110215.fits", "br_377.fits", "mdi_by_me.fits", "tmp3bp9x.fits", "S2011.fits",
    "377_masked_by_bitmap_1.fits", "no_continuum_377.fits", "los_377_bitmap_area.fits",
    "total_field_of_view.fits", "mask_377.fits", "AR11158_v2_i.fits",
]  # fmt: skip
#: Names that users give to magnetograms, and those of JSOC with a word added.
NAMES_OF_MAGNETOGRAMS = [
    "hmi_los_field.fits", "HMI_2011_cut_mask.fits", "hmi_s_limb_20110215.fits", "hmi.mask.fits",
    "mdi_v_hmi_20101015.fits", "hmi_V2.fits", "hmi.synoptic_region.fits", "hmi_i.fits",
    "hmi_magnetogram_no_continuum.fits", "hmi_lev1_5.fits", "mdi_fd_v_test.fits",
    "hmi_v_vs_mdi_20110215_TAI.fits", "fd_V_mine.fits", "my_TAI.bitmap.fits",
    "hmi.M_720s.20110803_213600_TAI.magnetogram_no_continuum.fits",
    "hmi.M_720s.20110803_213600_TAI.v2.fits", SHARP + "magnetogram_field.fits",
    "mdi_v_hmi.M_720s.20110803_213600_TAI.magnetogram.fits",
]  # fmt: skip
NAMES_OF_JSOC = [
    SHARP + "bitmap.fits", SHARP + "Br_err - Copy.fits", "fd_V_30s_01d.2536.0000.fits",
    "hmi.V_720s.20110803_2136_TAI.3.fits", "hmi.mharp_720s.377.20110215_000000_TAI.fits",
    "hmi_b_720s_2011_08_03_21_36_00_tai_azimuth.fits", "mdi.fd_V.19991211_000100_TAI.data.fits",
    "hmi.ic_45s.2011.08.03_21:36_TAI.continuum.fits", "hmi.S_720s.20110803_2136_TAI.3.V2.fits",
]  # fmt: skip
#: Texts of cards, with a word of the message.
OTHER_CARDS = [
    ("extname", "Bp [Mx/cm^2]", "azimuthal"), ("extname", "HMI_Bitmap", "bitmap"),
    ("extname", "By [G]", "horizontal"), ("hduname", "Bitmap", "bitmap"),
    ("btype", "phys.magField;inclination", "inclination"), ("title", "HMI Bp", "azimuthal"),
    ("content", "Horizontal field", "the horizontal field"), ("series", "hmi.V_45s", "Doppler"),
    ("content", "vector magnetogram Bt", "meridional"), ("title", "hmi.Ic_720s", "continuum"),
]  # fmt: skip
RIGHT_CARDS = [
    ("content", "LOS field projected from Bp,Bt,Br"), ("title", "LOS magnetogram and bitmap"),
    ("extname", "field [G]"), ("series", "hmi.M_720s"), ("series", "hmi.sharp_cea_720s"),
    ("title", "South pole, S hemisphere"), ("content", "Radial field Br"), ("title", "made by me"),
]  # fmt: skip
RIGHT_FILES = [
    SHARP + "magnetogram.fits", SHARP + "Br.fits", SHARP + "blos_from_vector.fits",
    "hmi.b_720s.20100830_173600_TAI.b_hmi_los_0.fits", "hmi.m_720s_nrt.2011_TAI.magnetogram.fits",
    "mdi.fd_M_96m_lev182.19991211_000000_TAI.data.fits", "fd_M_96m_01d.3376.0011.fits",
    "mdi_20100830_173600_AR11101.fits", "field.fits", "V_of_mine.fits", "hmi_M_720s_cutout.fits",
    "mdi.fd_M_96m_lev182.19991211_000000_TAI.data_hmi_like.fits",
]  # fmt: skip


@pytest.mark.parametrize("record", OTHER_RECORDS)
def test_records_of_other_products_are_refused(record):
    with pytest.raises(TypeError, match=OTHER_RECORDS[record]):
        check_product({"drms_id": record, "content": "HMI observable", "bunit": "Mx/cm^2"})


@pytest.mark.parametrize("name", OTHER_FILES)
def test_files_of_other_products_are_refused(name):
    with pytest.raises(TypeError, match="not a magnetogram"):
        check_product({}, name)
    with pytest.raises(TypeError, match="FILENAME"):
        check_product({"filename": f"/archive/{name}"})


def test_magnetograms_are_not_refused():
    for record in RIGHT_RECORDS:
        check_product({"drms_id": record})
    for name in RIGHT_FILES:
        check_product({"filename": name}, name)
    check_product({"segment": "magnetogram"})


def test_the_card_of_the_segment_counts():
    with pytest.raises(TypeError, match="SEGMENT = 'Bp_err'"):
        check_product({"segment": "Bp_err"})
    for card in ("extname", "btype", "quantity", "content"):
        with pytest.raises(TypeError, match=f"{card.upper()} = 'Bp' says that this is the azimuth"):
            check_product({card: "Bp"})
        check_product({card: "FIELD"})  # of whatever kind


def test_a_name_of_ones_own_counts_less_than_content():
    with pytest.raises(TypeError, match="the meridional field Bt"):
        check_product({"content": "HMI observable"}, "of_Bt.fits")
    check_product({"content": "MAGNETOGRAM"}, "of_Bt.fits")


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_any_word_of_ones_own_name_counts_without_content(name):
    with pytest.raises(TypeError, match=f"The name of .*{OTHER_NAMES[name]}"):
        check_product(dict(OBSERVABLE), name)
    with pytest.raises(TypeError, match="FILENAME"):
        check_product(OBSERVABLE | {"filename": name})
    check_product({"content": "MAGNETOGRAM"}, name)


@pytest.mark.parametrize(
    "cards",
    [
        {"content": "MAGNETOGRAM"},
        {"content": "MDI Full Disk 96m Magnetogram"},
        {"content": "HMI observable", "segment": "magnetogram"},
        {"content": "HMI observable", "drms_id": "hmi.sharp_cea_720s:1:magnetogram"},
        {"drms_id": "mdi.fd_M_96m_lev182:7240:data"},
    ],
)
def test_the_name_of_what_is_a_magnetogram_counts_if_it_is_of_jsoc(cards):
    for name in (*NAMES_OF_MAGNETOGRAMS, *RIGHT_FILES, *RIGHT_NAMES):
        check_product(cards, name)
    for name in NAMES_OF_JSOC:
        with pytest.raises(TypeError, match="The name of"):
            check_product(cards, name)


@pytest.mark.parametrize(("card", "text", "said"), OTHER_CARDS)
def test_words_of_cards_count(card, text, said):
    with pytest.raises(TypeError, match=f"{card.upper()} = .*{said}"):
        check_product(OBSERVABLE | {card: text})


def test_words_of_magnetograms_are_not_refused():
    for name in RIGHT_NAMES:
        check_product(OBSERVABLE | {"filename": name}, name)
    for card, text in RIGHT_CARDS:
        check_product(OBSERVABLE | {card: text})


def test_a_file_of_several_segments_gives_the_magnetogram(tmp_path):
    """The names of the HDUs tell them apart."""
    smap, path = example_hmi_map(), tmp_path / "all.fits"
    header = smap.fits_header
    header["CONTENT"], header["BUNIT"] = OBSERVABLE["content"], OBSERVABLE["bunit"]
    planes = {"Bp [G]": smap.data / 2, "HMI Bt": smap.data / 3, "magnetogram": smap.data}
    images = [fits.ImageHDU(data, header, name=name) for name, data in planes.items()]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)
    assert np.array_equal(read_map(path, "HMI").data, smap.data)


def other(smap, record="hmi.B_720s:5:inclination"):
    return sunpy.map.Map(smap.data, dict(smap.meta, drms_id=record))


def test_a_map_of_another_product_is_refused_everywhere():
    """By what takes Maps; files are refused when they are read."""
    hmi, mdi = example_hmi_map(), example_mdi_map()
    for take in (
        lambda: simulate_mdi(other(hmi)),
        lambda: align_pair(mdi, other(hmi)),
        lambda: metrics.compare(hmi, other(hmi)),
        lambda: metrics.region_keywords(other(hmi), region="map"),
        lambda: read_magnetogram(other(mdi, "mdi.fd_V:1:data")),
    ):
        with pytest.raises(TypeError, match="not a magnetogram"):
            take()


@pytest.mark.filterwarnings("ignore:.*is left out")
def test_a_folder_of_all_segments_gives_the_magnetogram(tmp_path):
    """Told apart by DRMS_ID in one record, by the file's name in the other."""
    smap = example_hmi_map()
    for record, header in enumerate(["hmi.sharp_720s:{}:{}", ""]):
        for segment in ("magnetogram", "Bp", "Br_err", "bitmap", "field"):
            meta = dict(smap.meta, drms_id=header.format(record, segment))
            name = (
                f"{record}.{segment}.fits"
                if header
                else f"hmi.sharp_720s.{record}_TAI.{segment}.fits"
            )
            sunpy.map.Map(smap.data, meta).save(tmp_path / name)
    names = [name for name, _ in find_hmi_maps(tmp_path)]
    assert names == ["0.magnetogram.fits", "hmi.sharp_720s.1_TAI.magnetogram.fits"]


def test_an_image_of_one_sign_is_no_field():
    values = np.full((64, 64), 3.0)
    for wrong in (values, -values):
        with pytest.raises(TypeError, match="one sign"):
            check_signs(wrong)
    check_signs(values[1:])  # the middle of a spot
    values[0, 0] = -1
    check_signs(values)


#: Files of each folder that `read_map` takes for magnetograms of MDI and HMI.
REAL = {
    "hmi_ccd": 12, "hmi_los_from_vector": 13, "hmi_sharp_br": 7, "hmi_sharp_los": 98,
    "mdi_fulldisk": 2, "quirks": 5,
}  # fmt: skip


@pytest.mark.real_data
def test_real_files_are_classified_rightly(real_data):
    """The others are of other observables and instruments, or have no WCS."""
    taken, reasons = Counter(), {}
    for path in sorted(real_data.rglob("*.f*t*")):
        if path.parent.name == "hmi_sharp_los" and taken["hmi_sharp_los"] > 4:
            check_product({}, path.name)
            taken["hmi_sharp_los"] += 1
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read_map(path)
                taken[path.parent.name] += 1
            except (TypeError, ValueError) as error:
                reasons[path.name] = str(error)
    assert taken == REAL
    refused = [name for name, reason in reasons.items() if "not a magnetogram" in reason]
    assert refused == ["mdi.fd_Ic.20101015_230100_TAI.data.fits"]
