"""Whether the comparison of keywords says what is right of estimates whose errors are known."""

from dataclasses import replace

import astropy.units as u
import ndcube
import numpy as np
import pytest
import sunpy.map
from astropy.wcs import WCS

from sunpy_superres.evaluation.evaluate import interpolated_map
from sunpy_superres.evaluation.keywords import KeywordScores
from sunpy_superres.evaluation.truth import frames_with_truth
from sunpy_superres.maps.metadata import rebin_meta
from sunpy_superres.super_resolution import SuperResolutionSamples


@pytest.fixture(scope="module")
def frame():
    (only,) = frames_with_truth(None, "example")
    return only


def result_of(frame, factors):
    """A result whose members are HMI's field times factors, and whose map is their mean."""
    truth = np.asarray(frame.hmi_map.data, np.float32)
    meta = rebin_meta(frame.mdi_map.meta, truth.shape, 4) | {"bunit": "Gauss", "srnsamp": 2}
    members = np.stack([factor * truth for factor in factors])
    hmi_like = sunpy.map.Map(members.mean(0), meta)
    header = hmi_like.wcs.to_header()
    header["WCSAXES"], header["CTYPE3"] = 3, "SAMPLE"
    cube = ndcube.NDCube(members, wcs=WCS(header, naxis=3), unit=u.G, meta=dict(meta))
    return SuperResolutionSamples(hmi_like, hmi_like, cube)


def test_known_errors_are_found(frame):
    scores = KeywordScores()
    scores(frame, interpolated_map(frame.mdi_map), result_of(frame, [1.1, 0.9, 1.0]))
    table = scores.table()
    rows = {(r["keyword"], r["estimate"]): r for r in table}
    flux = {e: rows["USFLUXL", e] for e in ("MDI as is", "sample", "mean", "ensemble")}
    assert flux["sample"]["bias"] == pytest.approx(10, abs=0.01)
    assert flux["mean"]["bias"] == pytest.approx(0, abs=0.01)
    assert flux["ensemble"]["bias"] == pytest.approx(0, abs=0.01)
    assert flux["MDI as is"]["bias"] > 25  # the ratio of the instruments
    # The members' standard deviation is 10 per cent.
    assert scores.errors("USFLUXL", "sample")[2] == pytest.approx(10, rel=0.01)
    assert flux["sample"]["within 95 %"] == 1
    assert rows["MEANGBL", "mean"]["bias"] == pytest.approx(0, abs=0.01)
    assert np.ma.is_masked(flux["MDI as is"]["within 68 %"])


def test_what_the_members_share_is_found_and_added():
    """Errors of 5 per cent where the members scatter by 3: they share 4."""
    rng = np.random.default_rng(0)
    scores = KeywordScores()
    names = ("R_VALUE", "USFLUXL", "MEANGBL", "AREA", "AREA_ACR", "PIL length")
    for error in rng.normal(0, 0.05, 400):
        entry = {"HMI": 1.0, "ensemble": 1 + error, "error": 0.03}
        scores.values.append({e: dict.fromkeys(names, value) for e, value in entry.items()})
    shared = scores.shared_errors()
    assert shared["USFLUXL"] == pytest.approx(0.04, abs=0.004)
    assert shared["R_VALUE"] == shared["USFLUXL"]  # in dex
    wide = KeywordScores(shared)
    wide.values = scores.values
    for keyword in ("USFLUXL", "R_VALUE"):
        _, error, claimed = wide.errors(keyword, "ensemble")
        assert np.mean(np.abs(error) < claimed) == pytest.approx(0.68, abs=0.05)
    narrow = scores.errors("USFLUXL", "ensemble")
    assert np.mean(np.abs(narrow[1]) < narrow[2]) < 0.5


def test_areas_lack_a_factor_of_their_scatter():
    """Errors of twice the scatter, which is of 0.1 to 10 per cent: no one error is missing."""
    rng = np.random.default_rng(0)
    scores = KeywordScores()
    names = ("R_VALUE", "USFLUXL", "MEANGBL", "AREA", "AREA_ACR", "PIL length")
    for scatter in np.geomspace(0.001, 0.1, 400):
        entry = {"HMI": 1.0, "ensemble": 1 + rng.normal(0, 2 * scatter), "error": scatter}
        scores.values.append({e: dict.fromkeys(names, value) for e, value in entry.items()})
    assert "AREA" not in scores.shared_errors()
    factors = scores.spread_factors()
    assert factors == {"AREA": pytest.approx(2, rel=0.08)}
    wide = KeywordScores(scores.shared_errors(), factors)
    wide.values = scores.values
    np.testing.assert_allclose(
        wide.errors("AREA", "ensemble")[2],
        factors["AREA"] * scores.errors("AREA", "ensemble")[2],
    )
    for scatter in (0.0, 1.0):  # members that agree on what is wrong, or whose errors are small
        alone = KeywordScores()
        entry = {"HMI": 1.0, "ensemble": 1.01, "error": scatter}
        alone.values = [{e: dict.fromkeys(names, value) for e, value in entry.items()}]
        assert alone.spread_factors() == ({"AREA": 1.0} if scatter else {})


def test_frames_of_an_eclipse_do_not_count(frame, tmp_path):
    scores = KeywordScores()
    scores(replace(frame, eclipse=True), None, None)
    assert scores.names == []
    scores(frame, interpolated_map(frame.mdi_map), result_of(frame, [1.0, 1.2]))
    scores.write(tmp_path / "new", "test")
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "test_keywords.csv", "test_keywords.png",
    ]  # fmt: skip
    assert len((tmp_path / "new" / "test_keywords.csv").read_text().splitlines()) == 31
