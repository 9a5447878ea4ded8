"""The contract of super_resolve, on small Maps and the embedded model."""

import copy

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.wcs import WCS

from sunpy_superres import ModelError, SuperResWarning, metrics, read_map, super_resolve
from sunpy_superres.maps.geometry import on_disk_mask

#: float32, in which "equal to rounding" means the same on every machine.
QUICK = {"n_samples": 3, "num_steps": 2, "seed": 5, "progress": False, "dtype": "float32"}


def test_history_lists_each_repair_once(mdi_header, bipole, tmp_path):
    """For a file that read_map reads, and for a Map that sunpy made."""
    data = bipole((24, 24))
    header = mdi_header(data.shape, corner=(540, 500), crota2=None, crota1=180.0)
    smap = sunpy.map.Map(data, header)
    smap.save(tmp_path / "old.fits")
    for mdi_map in (smap, read_map(tmp_path / "old.fits")):
        history = super_resolve(mdi_map, **QUICK | {"n_samples": 1})[0].meta["history"]
        repairs = [line for line in history.splitlines() if "repaired" in line]
        assert repairs == ["input header repaired: CROTA2: 180.000 deg from CROTA1"]


def rotated(smap, turns):
    """The same sky in an image turned by quarter turns."""
    data = np.rot90(smap.data, turns)
    matrix = np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), turns % 4)
    ny, nx = smap.data.shape
    centre_old = np.array([(nx + 1) / 2, (ny + 1) / 2])
    centre_new = np.array([(data.shape[1] + 1) / 2, (data.shape[0] + 1) / 2])
    meta = dict(smap.meta)
    crpix = np.array([meta["crpix1"], meta["crpix2"]])
    meta["crpix1"], meta["crpix2"] = np.linalg.inv(matrix) @ (crpix - centre_old) + centre_new
    meta.pop("crota2", None)
    for i in (0, 1):
        for j in (0, 1):
            meta[f"pc{i + 1}_{j + 1}"] = float(matrix[i, j])
    return sunpy.map.Map(data, meta)


@pytest.fixture(scope="module")
def small(request):
    from sunpy_superres.data import example_mdi_map

    return example_mdi_map().submap([30, 40] * u.pix, width=39 * u.pix, height=31 * u.pix)


@pytest.fixture(scope="module")
def result(small):
    return super_resolve(small, return_samples=True, **QUICK)


def test_unpacks_in_two(small):
    hmi_like, uncertainty = super_resolve(small, **QUICK)
    assert isinstance(hmi_like, sunpy.map.GenericMap)
    assert isinstance(uncertainty, sunpy.map.GenericMap)


def test_shape_unit_and_plate_scale(small, result):
    for smap in (result.hmi_like, result.uncertainty):
        assert smap.data.shape == (128, 160)
        assert smap.data.dtype == np.float32
        assert smap.unit == u.G
        assert smap.scale.axis1.value == pytest.approx(small.scale.axis1.value / 4, rel=1e-12)
    assert np.isfinite(result.hmi_like.data).all()
    assert (result.uncertainty.data > 0).all()


def test_same_sky(small, result):
    """The centre of each input pixel is the corner between four of its pixels."""
    x, y = np.array([0.0, 17.0, 39.0]), np.array([0.0, 9.0, 31.0])
    coarse = small.wcs.pixel_to_world_values(x, y)
    fine = result.hmi_like.wcs.pixel_to_world_values(4 * (x + 0.5) - 0.5, 4 * (y + 0.5) - 0.5)
    np.testing.assert_allclose(fine, coarse, atol=1e-9)


def test_structure_lies_where_the_input_has_it(small, result):
    """A shift of one fine pixel or a flip would lower the correlation with the input."""
    blocks = result.hmi_like.data.reshape(32, 4, 40, 4).mean(axis=(1, 3))
    here = np.corrcoef(blocks.ravel(), small.data.ravel())[0, 1]
    assert here > 0.95
    for axis in (0, 1):
        for shift in (-1, 1):
            moved = np.roll(blocks, shift, axis)[2:-2, 2:-2]
            assert np.corrcoef(moved.ravel(), small.data[2:-2, 2:-2].ravel())[0, 1] < here


def test_input_is_not_changed(small):
    data, meta = small.data.copy(), copy.deepcopy(small.meta)
    super_resolve(small, **QUICK)
    np.testing.assert_array_equal(small.data, data)
    assert small.meta == meta


def test_same_seed_same_bytes_other_seed_other(small, result):
    again = super_resolve(small, **QUICK)
    assert again.hmi_like.data.tobytes() == result.hmi_like.data.tobytes()
    assert again.uncertainty.data.tobytes() == result.uncertainty.data.tobytes()
    other = super_resolve(small, **{**QUICK, "seed": 6})
    assert not np.array_equal(other.hmi_like.data, result.hmi_like.data)


def test_a_member_does_not_depend_on_the_number_of_members(small, result):
    one = super_resolve(small, **{**QUICK, "n_samples": 1})
    np.testing.assert_allclose(one.hmi_like.data, result.samples.data[0], atol=0.05)
    assert (one.uncertainty.data > 0).all()


def test_tiles_and_batches_change_nothing_but_rounding(small, result):
    tiled = super_resolve(small, tile_size=16, batch_size=2, return_samples=True, **QUICK)
    np.testing.assert_allclose(tiled.samples.data, result.samples.data, atol=0.05)


def test_estimates_and_their_uncertainty(small, result):
    members = result.samples.data
    np.testing.assert_array_equal(result.hmi_like.data, members[0])
    found = {name: super_resolve(small, estimate=name, **QUICK) for name in ("mean", "median")}
    mean = found["mean"].hmi_like.data
    # The mean lies within its sampling error of the members' own.
    off = (mean - members.mean(0)) / (members.std(0, ddof=1) / np.sqrt(3))
    assert np.sqrt(np.median(off**2)) < 2
    middle = np.median(members, 0) - members.mean(0)
    np.testing.assert_allclose(found["median"].hmi_like.data - mean, middle, atol=1e-2)
    distance = members[0] - mean
    np.testing.assert_allclose(
        result.uncertainty.data**2, found["mean"].uncertainty.data ** 2 + distance**2, rtol=1e-3
    )


def test_samples_are_a_cube_on_the_same_sky(result):
    cube = result.samples
    assert cube.data.shape == (3, 128, 160)
    assert cube.unit == u.G
    values = cube.wcs.pixel_to_world_values(7.0, 11.0, 1.0)
    np.testing.assert_allclose(
        values[:2], result.hmi_like.wcs.pixel_to_world_values(7.0, 11.0), rtol=1e-12
    )
    assert values[2] == pytest.approx(1.0)


def test_numpy_averages_the_members(result):
    """A plain NDCube would come back whole."""
    cube = result.samples
    for function in (np.mean, np.median, np.nanmean, np.nanmedian):
        np.testing.assert_allclose(function(cube, axis=0), function(cube.data, axis=0))
    assert np.mean(cube) == pytest.approx(cube.data.mean(), rel=1e-5)
    with pytest.raises(TypeError, match="An ensemble is an NDCube"):
        metrics.crps(np.mean(cube, axis=0), result.hmi_like)


def test_a_slice_of_the_samples_keeps_its_place_and_its_number(result):
    cube = result.samples
    assert cube[1].global_coords["member"].value == pytest.approx(1)
    part = result.hmi_like.submap([20, 12] * u.pix, top_right=[59, 41] * u.pix)
    maps = [sunpy.map.Map(data, result.hmi_like.meta) for data in cube.data]
    parts = [m.submap([20, 12] * u.pix, top_right=[59, 41] * u.pix) for m in maps]
    expected = metrics.crps(parts, part)
    found = metrics.crps(cube[:, 12:42, 20:60], part)
    assert found.value == pytest.approx(expected.value)
    of_slice = metrics.with_error(metrics.unsigned_flux, cube[:, 12:42, 20:60])
    of_maps = metrics.with_error(metrics.unsigned_flux, parts)
    assert of_slice.value.value == pytest.approx(of_maps.value.value)
    with pytest.raises(ValueError, match="not those of the header"):
        metrics.crps(cube.rebin((1, 2, 2)), part)


def test_header_says_how_it_was_made(result):
    meta = result.hmi_like.meta
    assert meta["camera"] == "MDI"
    assert meta["telescop"] == "SOHO"
    assert meta["srseed"] == 5
    assert meta["srsteps"] == 2
    assert meta["srnsamp"] == 3
    assert meta["srestim"] == "sample"
    assert len(meta["srsha256"]) == 64
    assert 0.2 < meta["srchisq"] < 3
    assert meta["srnoise"] == pytest.approx(12, rel=0.3)
    assert "HMI-like" in meta["content"]
    assert "not an HMI observation" in meta["history"]
    assert "error" in result.uncertainty.meta["content"]
    assert meta["creator"].startswith("sunpy_superres ")
    assert (meta["srdevice"], meta["srdtype"]) == ("cpu", "float32")
    assert all(len(key) <= 8 for key in meta if key != "keycomments")
    commented = {key.lower() for key in meta["keycomments"]}
    # The checksum fills its card.
    assert {key for key in meta if key.startswith("sr")} - commented == {"srsha256"}


def test_the_record_of_the_input_stays_known(result):
    """But it no longer passes for the result's."""
    meta = result.hmi_like.meta
    assert meta["srintrec"] == "2010.10.15_00:00:00.000_TAI"
    assert "t_rec" not in meta
    assert meta["t_obs"] == "2010.10.15_00:03:30.000_TAI"


def test_the_ratio_is_uncertain_for_a_real_frame_only():
    from sunpy_superres.data import example_mdi_map

    simulated = example_mdi_map().submap([40, 40] * u.pix, width=47 * u.pix, height=39 * u.pix)
    meta = {k: v for k, v in simulated.meta.items() if k != "siminst"}
    meta |= {"telescop": "SOHO", "instrume": "MDI"}
    real = sunpy.map.Map(simulated.data, meta)
    options = {**QUICK, "estimate": "mean"}
    field, alone = super_resolve(simulated, **options)[:2]
    same, sigma = super_resolve(real, **options)[:2]
    assert [m.meta["srgainu"] for m in (field, same)] == [0.0, 0.05]
    np.testing.assert_array_equal(same.data, field.data)
    expected = alone.data**2 + (0.05 * field.data) ** 2
    np.testing.assert_allclose(sigma.data**2, expected, rtol=1e-3)


def test_seed_is_recorded_when_it_was_drawn(small):
    options = {**QUICK, "n_samples": 1}
    del options["seed"]
    first = super_resolve(small, **options)
    seed = first.hmi_like.meta["srseed"]
    again = super_resolve(small, seed=seed, **options)
    np.testing.assert_array_equal(first.hmi_like.data, again.hmi_like.data)


def test_saved_and_read_again_is_the_same(result, tmp_path):
    for smap in result[:2]:
        path = tmp_path / "map.fits"
        smap.save(path, overwrite=True)
        again = sunpy.map.Map(path)
        np.testing.assert_array_equal(again.data, smap.data)
        assert type(again) is type(smap)
        for key, value in smap.meta.items():
            if key == "keycomments":  # astropy adds its own
                assert again.meta[key] == again.meta[key] | value
            else:
                assert again.meta[key] == value, key
        pixel = np.array([0.0, 100.0])
        np.testing.assert_array_equal(
            again.wcs.pixel_to_world_values(*pixel), smap.wcs.pixel_to_world_values(*pixel)
        )


def limb_cutout(noise=12.0):
    """A quiet cut-out across the west limb."""
    from sunpy_superres.maps.examples import _MDI_HEADER

    rng = np.random.default_rng(1)
    meta = dict(_MDI_HEADER, crpix1=512.3 - 980, crpix2=512.7 - 490, missvals=0, datavals=1)
    field = rng.normal(0, noise, (44, 40))
    grid = sunpy.map.Map(field, meta)
    return sunpy.map.Map(np.where(on_disk_mask(grid), field, np.nan), meta)


def test_off_disk_is_missing_by_the_geometry():
    mdi_map = limb_cutout()
    hmi_like, uncertainty = super_resolve(mdi_map, **QUICK)
    x, y = np.meshgrid(np.arange(160), np.arange(176))
    tx, ty = hmi_like.wcs.pixel_to_world_values(x, y)
    limb = np.hypot(tx, ty) * (3600 if hmi_like.wcs.wcs.cunit[0] == u.deg else 1)
    inside = limb < hmi_like.rsun_obs.value
    assert 0.2 < inside.mean() < 0.9
    disagree = np.isfinite(hmi_like.data) != inside
    assert disagree.mean() < 2e-3  # the plane of the sky against the tangent projection
    np.testing.assert_array_equal(np.isfinite(uncertainty.data), np.isfinite(hmi_like.data))
    assert hmi_like.meta["datavals"] == np.isfinite(hmi_like.data).sum()
    assert hmi_like.meta["missvals"] == 0
    # No halo: the field along the limb is as weak as elsewhere.
    edge = inside & (limb > hmi_like.rsun_obs.value - 4)
    assert np.nanstd(hmi_like.data[edge]) < 2 * np.nanstd(hmi_like.data[inside])


def test_missing_pixels_stay_missing(small):
    data = small.data.copy()
    data[10:13, 20:22] = np.nan
    hmi_like, _ = super_resolve(sunpy.map.Map(data, small.meta), **QUICK)
    expected = np.kron(np.isnan(data), np.ones((4, 4), bool))
    np.testing.assert_array_equal(np.isnan(hmi_like.data), expected)


def test_tiles_do_not_show_at_the_limb():
    mdi_map = limb_cutout()
    whole = super_resolve(mdi_map, return_samples=True, **QUICK)
    tiled = super_resolve(mdi_map, tile_size=16, return_samples=True, **QUICK)
    np.testing.assert_allclose(tiled.samples.data, whole.samples.data, atol=0.05)


def test_another_grid_is_filled_where_the_disk_is_known():
    mdi_map = limb_cutout()
    upright = super_resolve(mdi_map, **QUICK)
    target = upright.hmi_like.wcs.deepcopy()
    target.array_shape = (190, 175)
    moved, _ = super_resolve(mdi_map, target_wcs=target, **QUICK)
    inside = on_disk_mask(moved)
    assert not np.isfinite(moved.data[~inside]).any()
    known = np.isfinite(upright.hmi_like.data)
    np.testing.assert_array_equal(np.isfinite(moved.data[:176, :160]), known)
    assert not np.isfinite(moved.data[176:]).any()
    assert moved.meta["missvals"] == (inside & ~np.isfinite(moved.data)).sum() > 0


def test_another_grid_takes_the_observer_of_the_target(small):
    source = sunpy.map.Map(small.data, dict(small.meta, obs_b0=5.9, obs_l0=203.4, obs_dist=0.985))
    target = small.wcs.deepcopy()
    target.array_shape = (40, 44)
    target.wcs.aux.dsun_obs = 1.496e11
    moved, _ = super_resolve(source, target_wcs=target, **QUICK)
    assert moved.observer_coordinate.radius.to_value("m") == pytest.approx(1.496e11)
    assert "observed 2010-10-15" in moved.meta["history"].replace("\n", " ")


def test_another_grid_without_an_observer_takes_the_input_s(small):
    header = small.wcs.to_header()
    names = ("CTYPE", "CUNIT", "CRVAL", "CRPIX", "CDELT")
    target = WCS({n + a: header[n + a] for n in names for a in "12"})
    target.array_shape = small.data.shape
    moved, _ = super_resolve(small, target_wcs=target, **QUICK)
    assert moved.dsun.to_value("m") == pytest.approx(small.dsun.to_value("m"))
    assert target.wcs.aux.dsun_obs is None
    assert np.isfinite(moved.data).mean() > 0.9


@pytest.mark.filterwarnings("ignore::sunpy_superres.SuperResWarning")
@pytest.mark.parametrize("shape", [(16, 16), (17, 31), (24, 19)])
def test_any_size(small, shape):
    ny, nx = shape
    cut = small.submap([0, 0] * u.pix, width=(nx - 1) * u.pix, height=(ny - 1) * u.pix)
    hmi_like, _ = super_resolve(cut, **QUICK)
    assert hmi_like.data.shape == (4 * ny, 4 * nx)
    assert np.isfinite(hmi_like.data).all()


@pytest.mark.parametrize("turns", [1, 2])
def test_a_rolled_input_gives_the_same_flux_on_the_same_sky(small, turns):
    """The network has not learnt a direction: the mean agrees within the ensemble's spread."""
    options = {**QUICK, "estimate": "mean", "n_samples": 6, "num_steps": 4}
    upright = super_resolve(small, **options)
    rolled = super_resolve(rotated(small, turns), **options)
    back = np.rot90(rolled.hmi_like.data, -turns)
    deviation = (back - upright.hmi_like.data) / upright.uncertainty.data
    assert np.sqrt(np.mean(deviation**2)) < 1.0
    corner = rolled.hmi_like.wcs.world_to_pixel_values(
        *upright.hmi_like.wcs.pixel_to_world_values(10.0, 20.0)
    )
    expected = {1: (127 - 20.0, 10.0), 2: (159 - 10.0, 127 - 20.0)}[turns]
    np.testing.assert_allclose(corner, expected, atol=1e-6)


def test_polarity_flip_flips_the_mean(small):
    options = {**QUICK, "estimate": "mean", "n_samples": 6, "num_steps": 4}
    plus = super_resolve(small, **options)
    minus = super_resolve(sunpy.map.Map(-small.data, small.meta), **options)
    deviation = (plus.hmi_like.data + minus.hmi_like.data) / plus.uncertainty.data
    assert np.sqrt(np.mean(deviation**2)) < 1.0


def test_units_do_not_matter(small, result):
    meta = dict(small.meta, bunit="kG")
    hmi_like, _ = super_resolve(sunpy.map.Map(small.data / 1000, meta), **QUICK)
    np.testing.assert_allclose(hmi_like.data, result.hmi_like.data, atol=0.1)
    meta["bunit"] = "Mx/cm^2"
    hmi_like, _ = super_resolve(sunpy.map.Map(small.data, meta), **QUICK)
    np.testing.assert_array_equal(hmi_like.data, result.hmi_like.data)
    assert hmi_like.unit == u.G


def test_lazy_data(small, result):
    array = pytest.importorskip("dask.array")
    lazy = sunpy.map.Map(array.from_array(small.data, chunks=16), small.meta)
    hmi_like, _ = super_resolve(lazy, **QUICK)
    np.testing.assert_array_equal(hmi_like.data, result.hmi_like.data)


def test_on_another_grid_keeps_the_flux(small, result):
    target = copy.deepcopy(result.hmi_like.wcs)
    scale = 0.5043 / result.hmi_like.scale.axis1.value
    target.wcs.cdelt = target.wcs.cdelt * scale
    target.wcs.crpix = [(target.wcs.crpix[i] - 0.5) / scale + 0.5 + 4 for i in (0, 1)]
    target.array_shape = (136, 168)
    moved = super_resolve(small, target_wcs=target, return_samples=True, **QUICK)
    assert moved.hmi_like.data.shape == (136, 168)
    assert moved.samples.data.shape == (3, 136, 168)
    assert moved.hmi_like.scale.axis1.to_value("arcsec/pix") == pytest.approx(0.5043)
    for power in (1, 2):  # signed and unsigned
        before = np.nansum(np.abs(result.hmi_like.data) if power == 2 else result.hmi_like.data)
        after = moved.hmi_like.data * scale**2
        after = np.nansum(np.abs(after) if power == 2 else after)
        assert after == pytest.approx(before, rel=0.03)
    spread = moved.samples.data.std(0, ddof=1)
    inner = np.isfinite(spread) & np.isfinite(moved.uncertainty.data)
    assert np.median(moved.uncertainty.data[inner]) > np.median(spread[inner])
    header = target.to_header()
    header["NAXIS1"], header["NAXIS2"] = 168, 136
    for same in (header, dict(header)):
        by_header = super_resolve(small, target_wcs=same, **QUICK)
        # wcslib writes 12 digits of a card.
        np.testing.assert_allclose(by_header.hmi_like.data, moved.hmi_like.data, atol=1e-3)
        assert by_header.hmi_like.wcs.wcs.compare(moved.hmi_like.wcs.wcs, tolerance=1e-9)


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (WCS(naxis=2), ValueError, "array_shape"),
        ({"ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN"}, ValueError, "array_shape"),
        ("the HMI grid", TypeError, "astropy WCS or a header, not str"),
        (np.eye(2), TypeError, "not ndarray"),
    ],
)
def test_a_wrong_target_names_the_fix(small, target, error, message):
    with pytest.raises(error, match=message):
        super_resolve(small, target_wcs=target, **QUICK)


def test_float32_and_bfloat16_agree(small, result):
    half = super_resolve(small, **{**QUICK, "dtype": "bfloat16"})
    difference = half.hmi_like.data - result.hmi_like.data
    assert np.sqrt(np.mean(difference**2)) < 0.3 * np.median(result.uncertainty.data)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("estimate", "mode", "median"),
        ("n_samples", 0, "n_samples"),
        ("n_samples", None, "n_samples"),
        ("num_steps", 0, "num_steps"),
        ("tile_size", 4, "tile_size"),
        ("batch_size", 1.5, "batch_size"),
        ("dtype", "int8", "dtype"),
        ("seed", -1, "seed"),
        ("device", "abacus", "device"),
    ],
)
def test_wrong_options_name_themselves(small, option, value, message):
    with pytest.raises(ValueError, match=message):
        super_resolve(small, **{**QUICK, option: value})


def test_unknown_model(small):
    with pytest.raises(ModelError, match="default"):
        super_resolve(small, model="nowhere", **QUICK)


def test_suspicious_input_warns(small):
    with pytest.warns(SuperResWarning, match="QUALITY"):
        super_resolve(sunpy.map.Map(small.data, dict(small.meta, quality=0x400)), **QUICK)


def test_progress_goes_to_stderr_and_can_be_silenced(small, capsys, monkeypatch):
    super_resolve(small, **{**QUICK, "progress": True})
    assert capsys.readouterr() == ("", "")  # stderr is no terminal
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    super_resolve(small, **{**QUICK, "progress": True})
    captured = capsys.readouterr()
    assert "super-resolving" in captured.err
    assert not captured.out
    super_resolve(small, **QUICK)
    assert not capsys.readouterr().err


def test_the_members_change_nothing_whether_they_are_held_or_not(tiny_model, monkeypatch):
    from sunpy_superres.maps.examples import example_mdi_map
    from sunpy_superres.sampling import drawing

    made = []

    class Watched(drawing.Ensemble):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(drawing, "Ensemble", Watched)
    options = {"model": tiny_model, "n_samples": 5, "seed": 3, "progress": False}
    folded = super_resolve(example_mdi_map(), **options)
    held = super_resolve(example_mdi_map(), return_samples=True, **options)
    assert [ensemble.members is None for ensemble in made] == [True, False]
    for one, other in zip(folded, held[:2], strict=True):
        np.testing.assert_array_equal(one.data, other.data)
    np.testing.assert_array_equal(held.samples.data[0], held.hmi_like.data)
    median, _ = super_resolve(example_mdi_map(), estimate="median", **options)
    mean, _ = super_resolve(example_mdi_map(), estimate="mean", **options)
    difference = np.median(held.samples.data, axis=0) - held.samples.data.mean(0)
    np.testing.assert_allclose(median.data - mean.data, difference, atol=0.05)


def test_the_uncertainty_of_one_draw_shows_no_pixels_of_mdi(small):
    """It is predicted for each of MDI's pixels, and their pattern is no property of the Sun."""
    sigma = super_resolve(small, n_samples=1, seed=1, progress=False).uncertainty.data
    inner = sigma[16:-16, 16:-16]
    places = [np.nanmedian(inner[i::4, j::4]) for i in range(4) for j in range(4)]
    assert max(places) < 1.12 * min(places)
