"""Where a result comes from."""

import numpy as np
import pytest
import sunpy.map

from sunpy_superres.maps.provenance import add_provenance, fit_comments, retire_record

RECORD = {
    "date": "2012-02-28T02:08",
    "origin": "SOI Science Support Center",
    "recnum": 64531,
    "drms_id": "mdi.fd_M_96m_lev182:64531:data",
    "t_rec": "1999.12.11_00:00:00_TAI",
    "filename": "a" * 90 + ".fits",
    "extname": "data",
    "checksum": "abc",
    "headsum": "def",
    "primaryk": "T_REC",
    "bldver18": -60102,
    "runtime": "2000.08.04_19:58_UTC",
    "history": "first\nsecond",
    "note1": "Lev 1.8.2 created by fdmagcal",
    "t_obs": "1999.12.10_23:59:30_TAI",
}


def test_the_record_of_the_input_moves():
    meta = retire_record(RECORD)
    moved = "date origin recnum drms_id t_rec filename extname".split()
    assert not set(moved) & set(meta)
    assert [meta["srin" + end] for end in "date orig recn drms trec file extn".split()] == [
        RECORD[name] for name in moved
    ]
    assert not {"checksum", "headsum", "primaryk", "runtime"} & set(meta)
    for name in ("history", "note1", "bldver18", "t_obs"):
        assert meta[name] == RECORD[name]


def test_an_empty_card_is_not_kept():
    assert retire_record({"date": " ", "origin": ""}) == {}


def test_comments_survive_the_disk(mdi_header, tmp_path):
    """Those of the input too; one that does not fit is cut, and astropy warns of nothing."""
    meta = mdi_header((20, 24), **RECORD)
    meta["keycomments"] = {"CRPIX1": "[pix] where", "CONTENT": "c" * 60, "GONE": "no such card"}
    meta = add_provenance(
        retire_record(meta),
        {"srseed": 5, "srmodel": "a long name of a model", "srsha256": "0" * 64},
        ["made"],
        {"srseed": "seed", "srmodel": "model", "srsha256": "checksum", "srother": "absent"},
    )
    sunpy.map.Map(np.zeros((20, 24), "f4"), meta).save(tmp_path / "r.fits")
    again = sunpy.map.Map(tmp_path / "r.fits")
    comments = again.meta["keycomments"]
    assert comments["SRSEED"] == "seed"
    assert comments["SRMODEL"] == "model"
    assert comments["CRPIX1"] == "[pix] where"
    assert comments["SRINTREC"] == "T_REC of the input"
    assert 10 < len(comments["CONTENT"]) < 47
    assert not {"GONE", "SRSHA256", "SROTHER", "SRINFILE"} & set(comments)
    assert again.meta["srinfile"] == RECORD["filename"]
    assert again.meta["history"] == "first\nsecond\nmade"


@pytest.mark.parametrize("known", [None, {}, "text"])
def test_comments_that_are_none(known):
    meta = add_provenance({"keycomments": known}, {"srseed": 5}, [], {"srseed": "seed"})
    assert meta["keycomments"] == {"SRSEED": "seed"}


def test_the_input_is_not_changed():
    comments = {"SRSEED": "x" * 80}
    meta = {"keycomments": comments, "srseed": 1, "date": "2012-02-28"}
    fit_comments(meta)
    add_provenance(retire_record(meta), {}, [], {"srseed": "y"})
    assert meta == {"keycomments": {"SRSEED": "x" * 80}, "srseed": 1, "date": "2012-02-28"}
