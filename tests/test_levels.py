"""The level of MDI's calibration: read, refused, or scaled when asked."""

import re

import numpy as np
import pytest
import sunpy.map

from sunpy_superres import SuperResWarning, read_map, super_resolve
from sunpy_superres.cli import main
from sunpy_superres.maps.geometry import heliocentric_mu
from sunpy_superres.maps.levels import LEVELS, find_level
from sunpy_superres.maps.magnetogram import read_magnetogram

SHAPE = (64, 72)
OLD = {"date": "2002-04-12", "dsname": "prog:mdi,level:lev1.8,series:fd_M_96m_01d[3376]"}


@pytest.fixture
def frame(mdi_header, bipole):
    """``frame(noise, interval, **cards)``: a cut-out near disk centre."""

    def make(noise=21.0, interval=30.0, **cards):
        header = mdi_header(SHAPE, corner=(500, 480), interval=interval, **cards)
        return sunpy.map.Map(bipole(SHAPE, noise=noise), header)

    return make


@pytest.mark.parametrize(
    ("cards", "name"),
    [
        ({"bldver18": -60102}, "1.8.2"),
        ({"bldver18": 60102, "date": "2002-04-12"}, "1.8.2"),
        ({"note1": "Lev 1.8.2 created by fdmagcal on Thu Jan 28 03:01:00 2010"}, "1.8.2"),
        ({"note2": "Magnetic Flat Field Correction per Ulrich et al. 2008"}, "1.8.2"),
        ({"drms_id": "mdi.fd_M_96m_lev182:37516:data", "runtime": "2000.08.04_19:58_UTC"}, "1.8.2"),
        ({"tarpnum": 13520}, "1.8.2"),
        ({"runtime": "2000.08.04_19:58_UTC", "recnum": 64531}, "1.8.2"),
        (OLD | {"note1": "Lev 1.8.2 created by fdmagcal"}, "1.8.2"),
        ({"date": "2012-02-28T02:08"}, "1.8.2"),
        ({"bldver18": "60102"}, "1.8.2"),
        ({"level": "1.8.2"}, "1.8.2"),
        ({"drms_id": "mdi.fd_m_96m_lev182[:#1]", "history": "aligned with HMI level 1.5"}, "1.8.2"),
        ({"history": "noise level 1.8 G, compared with level 1.8.2 data"}, "1.8.2"),
        ({"comment": "aia_prep level 1.5, confidence level 95"}, "1.8.2"),
        ({"level": "1.8.2 (MDI)"}, "1.8.2"),
        ({"lvl_num": 1.82}, "1.8.2"),
        ({"note": "Lev 1.8.2, made of level 1.8"}, "1.8.2"),
        ({"source": "prog:mdi,level:lev1.5[1],series:fd_M_96m_01d[3376]"}, "1.8.2"),
        ({"level": "unknown", "note": "noise level 12.5 G"}, "1.8.2"),
        ({"notes": "Lev 1.8.2 created by fdmagcal", "level": "1.8"}, "1.8.2"),
        ({"notes": "Magnetic Flat Field Correction per Ulrich et al. 2008"}, "1.8.2"),
        ({"notes": "confidence level 1.5 sigma"}, "1.8.2"),
    ],
)
def test_the_header_says_the_level(frame, cards, name):
    assert read_magnetogram(frame(**cards)).level.name == name


@pytest.mark.parametrize(
    ("cards", "level"),
    [
        (OLD, "1.8"),
        ({"date": "2002-04-12", "wcsname": None}, "1.8"),
        ({"runtime": "2002.04.12_08:56:42_UT", "wcsname": None}, "1.8"),
        ({"dsname": "prog:mdi,level:lev1.8,series:fd_M_96m_01d[3376]"}, "1.8"),
        ({"note1": "Lev 1.8.1 created by fdmagcal"}, "1.8.1"),
        ({"level": 1.8}, "1.8"),
        (OLD | {"date": "2007-11-20"}, "1.8.1"),
        ({"date": "2008-05-02"}, "1.8.1"),
        ({"lvl_num": "lev1.8"}, "1.8"),
        ({"dsname": "prog:mdi,level:lev1.5[1],series:fd_M_96m_01d[3376]"}, "1.5"),
        *[({"level": text}, "1.8") for text in ("Level 1.8", "L1.8", "lev18", "1.80", "1.8 (new)")],
        *[({"level": text}, "1.8") for text in ("level=1.8", "'1.8'", "01.8", "1,8", "L1_8")],
        ({"calib_lv": "1.8"}, "1.8"),
        ({"proclevl": "1.8"}, "1.8"),
        ({"datafile": "/SUM12/D1234/S00000/lev1.8/fd_M_96m_01d.3376.0011.fits"}, "1.8"),
        *[({"series": name}, "1.8") for name in ("mdi.fd_M_96m_lev18", "mdi.fd_M_96m_lev1_8")],
        ({"dataseri": "mdi.fd_M_96m_lev15"}, "1.5"),
        ({"content": "MDI Full Disk 96m Magnetogram lev1.8"}, "1.8"),
        # A file that was written anew has another DATE than the level.
        ({"runtime": "2002.04.12_08:56:42_UT", "date": "2024-05-01", "wcsname": None}, "1.8"),
        ({"date": "2002-04-12", "camera": None, "wcsname": None}, "1.8"),
        ({"dsname": "/PDS86/D5418704/S00010/lev1.8/fd_M_96m_01d.3376.0010.fits"}, "1.8"),
        *[({"level": value}, "1") for value in ("1", 1, "lev1")],
        ({"level": "0"}, "0"),
        *[({"level": text}, "1.8") for text in ("Level: 1.8", "MDI L1.8", "v1.8", "lev_1.8")],
        *[({"lvl_num": number}, "1.8") for number in (1.7999999523162842, 1.8000000715255737)],
        ({"filename": "/data/smarp_test/x.fits", "level": "1.8"}, "1.8"),
        ({"lvl_num": 2.0}, "2"),
        ({"dsname": "prog:mdi,level:lev1,series:fd_M_01h[3376]"}, "1"),
        ({"dataset": "prog:mdi,level:lev1.8,series:fd_M_96m_01d[3376]"}, "1.8"),
        ({"note": "MDI level 1.8 magnetogram"}, "1.8"),
        ({"notes": "MDI level 1.8 magnetogram"}, "1.8"),
        ({"notes": "Lev 1.8 created", "level": "1.8.2"}, "1.8"),
        *[({name: "Lev 1.8.1"}, "1.8.1") for name in ("notes1", "note_1")],
        *[({"notes": text}, "1.8") for text in ("L1.8 data", "lev18", "Level: 1.8", "lev_1.8")],
        *[({name: "1.5"}, "1.5") for name in ("level", "lev", "lvl", "proc_lev")],
        ({"notes": "processed to level 1.5"}, "1.5"),
        ({"siminst": "", "level": "1.8"}, "1.8"),
        ({"siminst": "none", "level": "1.5"}, "1.5"),
        ({"note1": "Lev-1.8 created"}, "1.8"),
        ({"drms_id": "mdi.fd_M_96m_lev18:123:data"}, "1.8"),
        ({"filename": "mdi_fd_M_96m_lev1.8_20020331_173600_TAI.fits"}, "1.8"),
        ({"src_adj": "/PDS86/D5418704/lev1.8_adj/tables/scale_corrections"}, "1.8"),
    ],
)
def test_older_levels_are_refused(frame, cards, level):
    with pytest.raises(ValueError, match=f"says level {level}[,;].* fetch the frame of"):
        read_magnetogram(frame(noise=13.0, **cards))


@pytest.mark.parametrize("interval", ["30", "30 s", "30.0 seconds", "0.5 min", 0.5, None])
def test_the_noise_counts_whatever_the_interval_looks_like(frame, interval):
    """Without one, the noise of an average of five minutes is the least that MDI has."""
    noise = 13.0 if interval else 6.0
    text = "INTERVAL = 30 s" if interval else "October 2007\\), whose"
    with pytest.warns(SuperResWarning, match=f"that of level 1.8 .*{text}"):
        read_magnetogram(frame(noise=noise, interval=interval))


@pytest.mark.parametrize(
    ("cards", "mark"),
    [
        ({"caltbls": "NONE"}, "CALTBLS = NONE"),
        ({"bldver18": 60001}, "BLDVER18 = 60001 (not 60102)"),
        ({"bldver18": -50600}, "BLDVER18 = -50600 (not 60102)"),
        ({"history": "MDI level 1.8, of the DSDS"}, "The name of level 1.8 in HISTORY or COMMENT"),
        ({"comment": "magnetogram, lev1.8"}, "The name of level 1.8 in HISTORY or COMMENT"),
    ],
)
def test_a_mark_that_both_levels_have_gives_a_warning(frame, cards, mark):
    usual = f"{mark} is usual in files of MDI's level 1.8"
    with pytest.warns(SuperResWarning, match=re.escape(usual)):
        assert read_magnetogram(frame(**cards)).level.name == "1.8.2"
    stated = cards | {"note1": "Lev 1.8.2 created by fdmagcal"}
    assert read_magnetogram(frame(**stated)).level.source == "header"


@pytest.mark.parametrize("noise", [5.6, 12.5])
def test_without_interval_the_noise_of_both_levels_gives_a_warning(mdi_header, bipole, noise):
    """12 G are usual in level 1.8 after 30 s, and in level 1.8.2 after 300 s."""
    header = mdi_header(SHAPE, corner=(500, 480))
    del header["interval"]
    frame = sunpy.map.Map(bipole(SHAPE, noise=noise).astype(np.float32), header)
    with pytest.warns(SuperResWarning, match="does not tell the level, nor INTERVAL"):
        assert read_magnetogram(frame).level.name == "1.8.2"
    assert read_magnetogram(frame, level="1.8").level.factor == 1.65


def test_the_noise_that_tells_the_level_grows_toward_the_limb(mdi_header, bipole):
    """A real frame of level 1.8 has 12 G at disk centre and up to 27 G in places at the limb."""
    at_limb = mdi_header(SHAPE, corner=(60, 480), interval=30.0)
    for noise, is_told in ((21.0, True), (45.0, False)):
        frame = sunpy.map.Map(bipole(SHAPE, noise=noise), at_limb)
        mu = heliocentric_mu(frame)
        assert np.nanquantile(mu, 0.75) < 0.6
        told = find_level(frame.meta, frame.data, np.isfinite(mu), mu=mu)[1]
        assert any("is that of level 1.8" in note for note in told) == is_told
        assert not find_level(frame.meta, frame.data, np.isfinite(mu), mu=1.0)[1]


def test_an_older_level_is_scaled_when_asked(frame):
    old = frame(noise=13.0, **OLD)
    scaled = read_magnetogram(old, level="1.8")
    np.testing.assert_allclose(scaled.frame, 1.65 * old.data, rtol=1e-6)
    assert scaled.gain_uncertainty == pytest.approx(np.hypot(0.05, 0.03))
    options = {"n_samples": 2, "seed": 1, "progress": False, "dtype": "float32"}
    result = super_resolve(old, level="1.8", **options)
    meta = result.hmi_like.meta
    assert [meta[k] for k in ("srlevel", "srlevby", "srlevfac")] == ["1.8", "option", 1.65]
    assert meta["srgainu"] == pytest.approx(0.0583, abs=1e-4)
    assert "input of level 1.8, as the user says; multiplied by 1.65" in " ".join(
        meta["history"].split()
    )
    # What the same field of level 1.8.2 gives, but for the uncertainty of the factor.
    same = sunpy.map.Map(1.65 * old.data, dict(frame(bldver18=-60102).meta))
    np.testing.assert_allclose(
        result.hmi_like.data, super_resolve(same, **options).hmi_like.data, atol=0.5
    )


def test_a_simulated_frame_that_names_an_older_level_is_told(frame):
    """It is of level 1.8.2 whatever HMI's header says, unless the card is left over."""
    for cards, options in (({"level": "1.8"}, {}), ({}, {"level": "1.8"})):
        with pytest.warns(SuperResWarning, match="SIMINST = 'MDI' says .* simulated.* level 1.8;"):
            read = read_magnetogram(frame(siminst="MDI", simnoise=21.0, **cards), **options)
        assert (read.level.name, read.level.factor) == ("simulated", 1.0)
    assert read_magnetogram(frame(siminst="MDI", lvl_num=1.5)).level.name == "simulated"


def test_the_noise_decides_where_the_header_does_not_tell(frame):
    assert read_magnetogram(frame()).level.source == "noise"
    for noise, interval in ((12.6, 30.0), (5.5, 300.0)):
        with pytest.warns(SuperResWarning, match="noise of .* G is that of level 1.8 "):
            read = read_magnetogram(frame(noise, interval))
        assert (read.level.name, read.level.factor) == ("1.8.2", 1.0)
        for level, factor in zip(LEVELS, (1.0, 1.65), strict=True):
            scaled, notes = find_level({"interval": interval}, read.frame, read.good, level)
            assert (scaled.factor, notes) == (factor, [])


def test_who_contradicts_the_header_is_told(frame):
    with pytest.warns(SuperResWarning, match=r"header says level 1\.8\.2; .* taken for level 1\.8"):
        read_magnetogram(frame(noise=13.0, bldver18=-60102), level="1.8")
    with pytest.warns(SuperResWarning, match="noise of .* is that of level 1.8.2 .* not be scaled"):
        read_magnetogram(frame(noise=21.0, **OLD), level="1.8")
    with pytest.raises(ValueError, match=r"level must be '1\.8\.2' or '1\.8', or None"):
        read_magnetogram(frame(), level="1.5")


@pytest.mark.parametrize(
    ("pattern", "name", "source"),
    [
        ("mdi_fulldisk/*19991211*", "1.8.2", "header"),
        ("mdi_fulldisk/*20101015*", "1.8.2", "header"),
        ("quirks/20000101_1247*", "1.8.2", "noise"),
        ("quirks/mdi.smarp*", "1.8.2", "header"),
        ("quirks/mdi_fd_M_96m_lev1.8*", "1.8", None),
    ],
)
@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore::sunpy_superres.SuperResWarning")
def test_real_files_have_their_level(real_data, pattern, name, source):
    (path,) = real_data.glob(pattern)
    smap = read_map(path)
    if source is None:
        with pytest.raises(ValueError, match=r"level 1\.8, as processed before October 2007"):
            read_magnetogram(smap)
        read = read_magnetogram(smap, level=name)
        # Scaled, its noise is what level 1.8.2 has with this INTERVAL.
        assert 20 < np.median(read.noise[read.good]) < 28
        return
    level = read_magnetogram(smap).level
    assert (level.name, level.source) == (name, source)


@pytest.mark.real_data
def test_a_quick_look_image_has_its_level(real_data):
    """It still names the level that it was made from."""
    (path,) = real_data.glob("quirks/mdi_fd_M_96m_01d.5874*")
    smap = read_map(path)
    assert "lev1.8," in smap.meta["dsname"]
    level, _ = find_level(smap.meta, smap.data, np.ones(smap.data.shape, bool))
    assert (level.name, level.source) == ("1.8.2", "header")


@pytest.mark.needs_torch
def test_files_of_an_older_level_are_scaled_by_the_option(frame, tmp_path, capsys):
    old = frame(noise=13.0, **OLD)
    old.save(tmp_path / "old.fits")
    command = ["run", str(tmp_path / "old.fits"), "-o", str(tmp_path / "out"), "--n-samples", "2"]
    assert main(command) == 1
    assert "give level='1.8' (--level 1.8)" in capsys.readouterr().err
    assert main([*command, "--level", "1.8", "--lossless", "--dtype", "float32"]) == 0
    result = read_map(tmp_path / "out" / "old_hmi_like.fits")
    assert result.meta["srlevel"] == "1.8"
    # Another level is another result.
    assert main([*command, "--level", "1.8.2", "--lossless", "--dtype", "float32"]) == 1
    assert "--overwrite" in capsys.readouterr().err
