"""The table of all metrics, and the collections' distances."""

import sys

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from scipy import linalg

from sunpy_superres import metrics
from sunpy_superres.data import example_hmi_map


@pytest.fixture(scope="module")
def truth():
    return example_hmi_map()


@pytest.fixture(scope="module")
def noisy(truth):
    data = 0.9 * truth.data + np.random.default_rng(0).normal(0, 10, truth.data.shape)
    return sunpy.map.Map(data, truth.meta)


def rows(table):
    return {row["metric"]: row for row in table}


def test_a_map_against_itself_is_perfect(truth):
    table = rows(metrics.compare(truth, truth))
    for name in ("RMSE", "MAE", "Wasserstein distance", "flux centre, shift in x"):
        assert table[name]["value"] == 0, name
    for name in ("SSIM", "correlation", "gradient ratio", "active regions, Dice",
                 'power ratio, 2-4"', 'power ratio, 8-20"'):  # fmt: skip
        assert table[name]["value"] == pytest.approx(1, abs=1e-5), name
    for name in ("unsigned flux", "active-region area", "inversion line", "Schrijver's R",
                 "bipole, separation", "bipole, tilt"):  # fmt: skip
        assert np.isfinite(table[name]["value"]), name
        assert table[name]["relative_error"] == 0, name


def test_rows_are_what_the_functions_give(truth, noisy):
    table = rows(metrics.compare(noisy, truth))
    single = {
        "RMSE": metrics.rmse, "MAE": metrics.mae, "PSNR": metrics.psnr, "SSIM": metrics.ssim,
        "correlation": metrics.correlation, "gradient ratio": metrics.gradient_ratio,
        "Wasserstein distance": metrics.wasserstein_distance,
        "resolved scale": metrics.resolved_scale,
    }  # fmt: skip
    for name, function in single.items():
        value = u.Quantity(function(noisy, truth)).value
        assert table[name]["value"] == pytest.approx(value, rel=1e-6), name
    for name in ("unsigned", "net"):
        function = getattr(metrics, f"{name}_flux")
        row = table[f"{name} flux"]
        assert row["value"] == pytest.approx(function(noisy).value, rel=1e-6)
        assert row["reference"] == pytest.approx(function(truth).value, rel=1e-6)
        assert row["relative_error"] == pytest.approx(
            (row["value"] - row["reference"]) / abs(row["reference"])
        )
        assert row["unit"] == "Mx"
    limit = {"max_angle": 70 * u.deg}
    assert table["active-region area"]["value"] == pytest.approx(
        metrics.active_regions(noisy, **limit).area.value, rel=1e-6
    )
    assert table["active regions, Jaccard"]["value"] == pytest.approx(
        metrics.jaccard(noisy, truth, **limit)
    )
    assert table["Schrijver's R"]["value"] == pytest.approx(
        metrics.polarity_inversion_line(noisy).r_value.value
    )
    largest = metrics.active_regions(truth, **limit).labels == 1
    assert table["bipole, tilt"]["reference"] == pytest.approx(
        metrics.bipole(truth, region=largest).tilt.value
    )


def test_band_power_is_the_sum_over_its_modes(truth, noisy):
    """By numpy, on the whole plane of wavenumbers."""
    scale = truth.scale[0].value
    window = np.outer(*(np.sin(np.pi * (np.arange(512) + 0.5) / 512) ** 2,) * 2)
    frequency = np.hypot(np.fft.fftfreq(512, scale)[:, None], np.fft.fftfreq(512, scale))
    chosen = (frequency > 1 / 8) & (frequency <= 1 / 4)
    powers = []
    for smap in (noisy, truth):
        mean = (smap.data * window).sum() / window.sum()
        powers.append((np.abs(np.fft.fft2((smap.data - mean) * window)) ** 2)[chosen].sum())
    table = rows(metrics.compare(noisy, truth))
    assert table['power ratio, 4-8"']["value"] == pytest.approx(powers[0] / powers[1], rel=1e-3)


def test_an_ensemble_and_an_uncertainty_add_rows(truth):
    rng = np.random.default_rng(1)
    part = truth.submap([100, 100] * u.pix, width=63 * u.pix, height=63 * u.pix)
    members = [sunpy.map.Map(part.data + rng.normal(0, 20, (64, 64)), part.meta) for _ in range(6)]
    sigma = sunpy.map.Map(np.full((64, 64), 20.0), part.meta)
    table = rows(metrics.compare(members[0], part, uncertainty=sigma, samples=members))
    assert table["coverage, 1 sigma"]["value"] == pytest.approx(0.683, abs=0.03)
    assert table["coverage, 2 sigma"]["reference"] == pytest.approx(0.9545)
    assert table["error / uncertainty, rms"]["value"] == pytest.approx(1, abs=0.04)
    assert table["CRPS"]["value"] == pytest.approx(metrics.crps(members, part).value)
    assert table["spread / skill"]["value"] == metrics.spread_skill(members, part)


def test_a_small_quiet_map_has_rows_without_a_value(truth):
    part = truth.submap([2, 2] * u.pix, width=6 * u.pix, height=6 * u.pix)
    quiet = sunpy.map.Map(np.clip(part.data, -20, 20), part.meta)
    table = metrics.compare(quiet, quiet)
    values = rows(table)
    for name in ("SSIM", "bipole, tilt", 'power ratio, 2-4"', "resolved scale",
                 "flux centre, shift in x", "active regions, Jaccard"):  # fmt: skip
        assert np.isnan(values[name]["value"]), name
    assert values["active regions"]["value"] == 0
    assert str(table["unit"].dtype).startswith("<U")


@pytest.mark.parametrize("size", [(1, 40), (2, 2), (1, 1)])
def test_even_tiny_maps_have_a_table(truth, size):
    mask = np.zeros(truth.data.shape, bool)
    mask[200 : 200 + size[0], 200 : 200 + size[1]] = True
    table = rows(metrics.compare(truth, truth, region=mask))
    assert table["RMSE"]["value"] == 0
    assert np.isnan(table["gradient ratio"]["value"])


def test_keywords_are_those_of_the_largest_region(truth, noisy):
    table = rows(metrics.compare(noisy, truth))
    largest = metrics.active_regions(truth, max_angle=70 * u.deg).labels == 1
    for name in ("R_VALUE", "USFLUXL", "MEANGBL", "AREA_ACR"):
        for column, smap in (("value", noisy), ("reference", truth)):
            expected = metrics.region_keywords(smap, region=largest)[name][0]
            assert table[name][column] == pytest.approx(u.Quantity(expected).value), name
    assert table["USFLUXL"]["unit"] == "Mx"


def test_printed_tables_show_all(truth):
    printed = str(metrics.compare(truth, truth))
    assert "..." not in printed
    assert len(printed.splitlines()) == len(metrics.compare(truth, truth)) + 2
    regions = metrics.active_regions(truth).table
    assert all(name in str(regions) for name in regions.colnames)


def test_an_ensemble_may_come_once(truth):
    part = truth.submap([100, 100] * u.pix, width=31 * u.pix, height=31 * u.pix)
    table = rows(metrics.compare(part, part, samples=(m for m in (part, part, part))))
    assert table["CRPS"]["value"] == 0


def test_frechet_distance_of_normal_features(truth):
    """Two sets of features with known moments, by scipy's matrix root."""
    rng = np.random.default_rng(2)
    mixing = rng.normal(size=(5, 5))
    samples = [rng.normal(size=(4000, 5)), rng.normal(size=(4000, 5)) @ mixing + 0.5]
    sets = iter(samples)
    found = metrics.frechet_distance([truth], [truth], features=lambda field: next(sets))
    mean1, mean2 = (s.mean(0) for s in samples)
    cov1, cov2 = (np.cov(s.T) for s in samples)
    expected = ((mean1 - mean2) ** 2).sum() + np.trace(
        cov1 + cov2 - 2 * linalg.sqrtm(cov1 @ cov2).real
    )
    assert found == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_orders_blur_and_noise(truth):
    """By the autoencoder's features: the nearer to the truth, the smaller."""
    from scipy import ndimage

    rng = np.random.default_rng(3)
    turned = sunpy.map.Map(truth.data[::-1].copy(), truth.meta)
    slightly = sunpy.map.Map(ndimage.gaussian_filter(truth.data, 0.7), truth.meta)
    badly = sunpy.map.Map(ndimage.gaussian_filter(truth.data, 2.5), truth.meta)
    noisy = sunpy.map.Map(truth.data + rng.normal(0, 40, truth.data.shape), truth.meta)
    distance = [metrics.frechet_distance(m, truth) for m in (truth, turned, slightly, badly, noisy)]
    assert distance[0] == pytest.approx(0, abs=1e-6)
    assert distance[1] < 0.3 * min(distance[3:])
    assert distance[2] < distance[3]


def test_features_of_the_wrong_shape_are_refused(truth):
    with pytest.raises(ValueError, match="shape"):
        metrics.frechet_distance(truth, truth, features=lambda f: np.ones(50))
    one = metrics.frechet_distance(truth, truth, features=lambda f: f.reshape(-1, 1)[:500])
    assert one == pytest.approx(0, abs=1e-6)


def test_frechet_distance_needs_enough(truth):
    part = truth.submap([100, 100] * u.pix, width=63 * u.pix, height=63 * u.pix)
    with pytest.raises(ValueError, match="too few"):
        metrics.frechet_distance(part, truth)
    with pytest.raises(ValueError, match="empty"):
        metrics.frechet_distance([], truth)
    tiny = truth.submap([100, 100] * u.pix, width=20 * u.pix, height=20 * u.pix)
    with pytest.raises(ValueError, match="smaller"):
        metrics.frechet_distance(tiny, truth)
    with pytest.raises(TypeError, match="sunpy Map"):
        metrics.frechet_distance([truth.data], truth)


def test_fid_with_a_network_of_ones_own(truth):
    """Mean grey as the only two features: the distance of the means by hand."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchmetrics")

    class Mean(torch.nn.Module):
        num_features = 2

        def forward(self, images):
            flat = images.double().flatten(1)
            return torch.stack([flat.mean(1), flat.std(1)], 1)

    brighter = sunpy.map.Map(truth.data + 47.06, truth.meta)  # two grey levels of 6000 / 255 G
    found = metrics.fid([brighter], [truth], network=Mean(), size=128)
    assert found == pytest.approx(4, rel=0.02)
    assert metrics.fid([truth], [truth], network=Mean(), size=128) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="squares"):
        metrics.fid([truth], [truth], network=Mean(), size=400)


@pytest.mark.needs_torch
def test_without_the_extra_the_advice_is_to_install_it(truth, monkeypatch):
    for name in ("torchmetrics", "torchmetrics.image.fid", "torchmetrics.functional.image"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="perceptual"):
        metrics.lpips(truth, truth)
    with pytest.raises(ImportError, match="perceptual"):
        metrics.fid([truth], [truth])


def test_lpips_scales_and_clips(truth, monkeypatch):
    """What reaches the network: three channels from -1 to 1 over the data range."""
    functional = pytest.importorskip("torchmetrics.functional.image")
    seen = {}

    def similarity(first, second, net_type, normalize):
        seen.update(first=first, second=second, net_type=net_type, normalize=normalize)
        return (first - second).abs().mean()

    monkeypatch.setattr(functional, "learned_perceptual_image_patch_similarity", similarity, False)
    found = metrics.lpips(truth, sunpy.map.Map(truth.data + 100, truth.meta), data_range=2e3 * u.G)
    assert seen["first"].shape == (1, 3, 512, 512)
    assert float(seen["first"].max()) == 1
    assert float(seen["first"].min()) == -1
    assert (seen["net_type"], seen["normalize"]) == ("alex", False)
    assert found == pytest.approx(0.1, rel=0.05)


def test_metrics_load_no_torch():
    import subprocess

    code = "import sys, sunpy_superres.metrics; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
