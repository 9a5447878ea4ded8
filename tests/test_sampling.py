"""Schedule, solver, tiles, consistency and ensemble statistics."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sunpy_superres.instruments import MDI
from sunpy_superres.instruments.forward import (
    block_mean,
    blur,
    gain_response,
    inverse_gain_response,
    observe,
    saturate,
)
from sunpy_superres.sampling.consistency import Corrector, reduced_chi_square
from sunpy_superres.sampling.drawing import choose_dtype
from sunpy_superres.sampling.ensemble import (
    Ensemble,
    interpolate_calibration,
    member_variance,
    pool_variance,
)
from sunpy_superres.sampling.observation import Observation
from sunpy_superres.sampling.schedule import SolverSettings, angle_schedule, solve
from sunpy_superres.sampling.tiling import apply_tiled, make_tiles

SCALE = 0.495


def test_schedule_ends_at_zero_and_starts_at_sigma_max():
    sigmas = angle_schedule(6, sigma_max=40.0, power=2.0)
    assert len(sigmas) == 7
    assert sigmas[0] == pytest.approx(40.0)
    assert sigmas[-1] == 0.0
    assert all(a > b for a, b in zip(sigmas[:-1], sigmas[1:], strict=True))
    assert np.arctan(sigmas[3]) == pytest.approx(np.arctan(40.0) / 4)
    with pytest.raises(ValueError, match="num_steps"):
        angle_schedule(0)


@pytest.mark.parametrize(
    ("spread", "steps", "bound"),
    [(1.0, 6, 1e-3), (0.5, 6, 0.02), (0.8, 6, 0.01), (1.3, 6, 0.03), (0.5, 40, 1e-3)],
)
def test_solver_gives_the_distribution_of_a_gaussian(spread, steps, bound):
    """For N(m, s^2) the best denoiser is known, and so is the map from noise to signal."""
    mean = 0.3

    def denoise(x, sigma):
        return (spread**2 * x + sigma**2 * mean) / (spread**2 + sigma**2)

    noise = torch.linspace(-2, 2, 9, dtype=torch.float64)
    sigmas = angle_schedule(steps, power=1.75)
    out = solve(denoise, noise, sigmas)
    start = noise * np.hypot(1, sigmas[0])
    exact = mean + spread * (start - mean) / np.hypot(sigmas[0], spread)
    slope = float((out[-1] - out[0]) / (exact[-1] - exact[0]))
    assert slope == pytest.approx(1, abs=bound)
    assert float(out.mean()) == pytest.approx(float(exact.mean()), abs=0.03)


@pytest.mark.parametrize("spread", [0.5, 0.8, 1.3])
def test_default_schedule_converges_to_second_order(spread):
    """Of N(0, s^2), where the map from noise to signal is a factor; twice the steps, a quarter."""

    def error(steps):
        sigmas = angle_schedule(steps)
        start = torch.ones(1, dtype=torch.float64)

        def denoise(x, sigma):
            return spread**2 * x / (spread**2 + sigma**2)

        exact = spread * np.hypot(1, sigmas[0]) / np.hypot(sigmas[0], spread)
        return abs(float(solve(denoise, start, sigmas)) - exact)

    assert error(80) < error(40) / 3.5
    assert error(4) < 0.15 * spread  # the residual is near 1, where it is exact


@settings(max_examples=30, deadline=None)
@given(
    ny=st.integers(2, 40), nx=st.integers(2, 40), tile=st.integers(1, 12), halo=st.integers(0, 6)
)
def test_tiles_cover_every_needed_pixel_once(ny, nx, tile, halo):
    ny, nx, tile, halo = 2 * ny, 2 * nx, 2 * tile, 2 * halo
    needed = np.random.default_rng(ny * nx).random((ny, nx)) < 0.1
    count = np.zeros((ny, nx), int)
    for one in make_tiles(needed, tile, halo):
        count[one.inner] += 1
        for inner, outer, size in zip(one.inner, one.outer, (ny, nx), strict=True):
            assert inner.start - outer.start == min(halo, inner.start)
            assert outer.stop - inner.stop == min(halo, size - inner.stop)
            assert outer.start % 2 == 0
    assert count[needed].min(initial=1) == 1
    assert count.max(initial=0) <= 1


def test_tiled_convolution_equals_the_whole():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 30, 44, generator=generator, dtype=torch.float64)
    layer = torch.nn.Conv2d(3, 2, 5, padding=2).double()
    tiles = make_tiles(np.ones((30, 44), bool), 8, 2)
    assert len(tiles) > 10
    with torch.no_grad():
        out = torch.zeros(2, 2, 30, 44, dtype=torch.float64)
        apply_tiled(layer, [x], tiles, [out])
        torch.testing.assert_close(out, layer(x))


def test_odd_tile_size_is_refused():
    with pytest.raises(ValueError, match="even"):
        make_tiles(np.ones((8, 8), bool), 7, 2)


def test_blur_of_a_point_is_a_gaussian():
    point = torch.zeros(2, 1, 65, 65, dtype=torch.float64)
    point[:, :, 32, 32] = 1.0
    for sigma in (2.5, torch.tensor([2.5, 2.5]), torch.tensor([2.5, 1.0])):
        image = blur(point, sigma)[0, 0]
        offset = torch.arange(65) - 32.0
        assert float(image.sum()) == pytest.approx(1.0, abs=1e-9)
        second = float((image.sum(0) * offset**2).sum())
        assert second == pytest.approx(2.5**2, rel=2e-3)
    uniform = torch.full((1, 1, 20, 20), 7.0)
    torch.testing.assert_close(blur(uniform, 3.0), uniform)


@given(st.floats(-4000, 4000))
def test_gain_is_inverted(value):
    field = torch.tensor([value], dtype=torch.float64)
    reading = gain_response(field, 1.4, 0.12, 400.0)
    back = inverse_gain_response(reading, 1.4, 0.12, 400.0, iterations=20)
    torch.testing.assert_close(back, field, atol=1e-3, rtol=1e-6)


def test_saturation_folds_back_and_keeps_the_sign():
    reading = torch.tensor([-4000.0, -3000.0, 0.0, 3500.0, 4500.0])
    np.testing.assert_allclose(saturate(reading, 3500.0), [-3500, -3000, 0, 3500, 3500])
    np.testing.assert_allclose(saturate(reading, 3500.0, 0.2), [-3400, -3000, 0, 3500, 3300])


def _scene(seed=0, ny=32, nx=36, noise=12.0, strength=3000):
    generator = torch.Generator().manual_seed(seed)
    field = blur(torch.randn(1, 1, 4 * ny, 4 * nx, generator=generator), 4.0) * strength
    sigma = torch.full((1, 1, ny, nx), noise)
    frame = observe(field, MDI, SCALE) + noise * torch.randn(1, 1, ny, nx, generator=generator)
    return field, Observation(frame, torch.ones_like(frame), sigma, plate_scale=SCALE)


def test_chi_square_of_the_truth_is_one():
    """In weak field, where the uncertainty of the gain plays no part."""
    field, observation = _scene(strength=300)
    chi = float(reduced_chi_square(field, observation)[0])
    assert chi == pytest.approx(1.0, abs=0.15)


def test_consistency_leaves_the_truth_nearly_alone():
    field, observation = _scene()
    out = Corrector(observation).correct(field)
    assert float((out - field).std()) < 0.5 * 12.0 / 1.4


def test_consistency_mends_a_wrong_field():
    field, observation = _scene()
    wrong = 0.8 * field + 15.0
    before = float(reduced_chi_square(wrong, observation)[0])
    mended = Corrector(observation).correct(wrong)
    after = float(reduced_chi_square(mended, observation)[0])
    assert before > 3
    assert after < 1.5
    assert float((mended - field).std()) < float((wrong - field).std())


def test_consistency_does_not_follow_noise():
    """A frame of nothing but noise, and the right answer: hardly a pixel is changed."""
    _, observation = _scene(ny=96, nx=96)
    generator = torch.Generator().manual_seed(4)
    frame = observation.noise * torch.randn(observation.noise.shape, generator=generator)
    out = Corrector(replace(observation, frame=frame)).correct(torch.zeros(1, 1, 384, 384))
    assert float((out.abs() > 1).float().mean()) < 0.02
    assert float(out.square().mean().sqrt()) < 0.07 * 12.0 / 1.4


def test_consistency_mends_what_is_coherent_and_below_the_noise():
    """A spot of 30 G over 5 x 5 MDI pixels, in noise of 24 G: too coherent to be noise."""
    field = torch.zeros(1, 1, 160, 160)
    field[..., 70:90, 70:90] = 40.0
    noise = torch.full((1, 1, 40, 40), 24.0)
    generator = torch.Generator().manual_seed(5)
    frame = observe(field, MDI, SCALE) + noise * torch.randn(noise.shape, generator=generator)
    observation = Observation(frame, torch.ones_like(noise), noise, plate_scale=SCALE)
    out = Corrector(observation).correct(torch.zeros_like(field))
    assert float(out[..., 74:86, 74:86].mean()) > 10
    assert abs(float(out[..., :50, :].mean())) < 0.5


@pytest.mark.parametrize("strength", [-3.0, 6.0])
def test_consistency_keeps_a_wide_field_below_the_noise(strength):
    """As of a polar cap, in noise of 12 G, of which a network has left three quarters."""
    field = torch.full((1, 1, 384, 384), strength)
    noise = torch.full((1, 1, 96, 96), 12.0)
    noisy = noise * torch.randn(noise.shape, generator=torch.Generator().manual_seed(6))
    frame = observe(field, MDI, SCALE) + noisy
    corrector = Corrector(Observation(frame, torch.ones_like(noise), noise, plate_scale=SCALE))
    out = corrector.correct(0.75 * field)
    assert float(out.mean()) == pytest.approx(strength, abs=0.4)
    # Smoothly: the frame's noise is not taken on, and the right field keeps its mean.
    assert float((out - out.mean()).std()) < 0.6
    assert float((corrector.correct(field) - field).mean()) == pytest.approx(0, abs=0.02)


def test_consistency_does_not_touch_missing_or_saturated_pixels():
    field, observation = _scene()
    observation.good[..., :, 18:] = 0
    observation.frame[..., 18:] = 5e3
    wrong = field + 200.0
    out = Corrector(observation).correct(wrong)
    # Two MDI pixels away from the edge, for the interpolation.
    torch.testing.assert_close(out[..., 4 * 21 :], wrong[..., 4 * 21 :])
    saturated = torch.full_like(observation.frame, MDI.saturation + 1)
    everywhere = torch.ones_like(saturated)
    out = Corrector(replace(observation, frame=saturated, good=everywhere)).correct(wrong)
    torch.testing.assert_close(out, wrong)


UNIT = {"field": [0.0, 3000.0], "factor": [1.0, 1.0]}


def test_uncertainty_belongs_to_the_returned_map():
    rng = np.random.default_rng(0)
    members = rng.normal(100.0, 20.0, (8, 50, 60)).astype(np.float32)
    variance = members.var(0, ddof=1) * (1 + 1 / 8)
    mean, sigma = Ensemble.of(members).summarise("mean", UNIT)
    np.testing.assert_allclose(mean, members.mean(0), rtol=1e-5)
    np.testing.assert_allclose(sigma**2, variance, rtol=1e-4)
    sample, sigma = Ensemble.of(members).summarise("sample", UNIT)
    np.testing.assert_array_equal(sample, members[0])
    np.testing.assert_allclose(sigma**2, variance + (sample - mean) ** 2, rtol=1e-4)
    median, sigma = Ensemble.of(members).summarise("median", UNIT)
    np.testing.assert_allclose(median, np.median(members, axis=0), rtol=1e-5)
    np.testing.assert_allclose(sigma**2, variance + (median - mean) ** 2, rtol=1e-4)


def test_uncertainty_of_the_ratio_is_added_in_quadrature():
    members = np.random.default_rng(3).normal(-1000, 20, (8, 30, 40)).astype(np.float32)
    field, alone = Ensemble.of(members).summarise("sample", UNIT)
    same, sigma = Ensemble.of(members).summarise("sample", UNIT, gain_uncertainty=0.05)
    np.testing.assert_array_equal(same, field)
    expected = alone**2 + (0.05 * members.mean(0)) ** 2
    np.testing.assert_allclose(sigma**2, expected, rtol=1e-4)


def test_calibration_scales_the_spread_by_field_strength():
    calibration = {"field": [0.0, 100.0, 1000.0], "factor": [1.0, 2.0, 3.0]}
    np.testing.assert_allclose(
        interpolate_calibration(np.array([0.0, 50.0, 100.0, 5000.0]), calibration), [1, 1.5, 2, 3]
    )
    members = np.stack([np.full((3, 3), 90.0), np.full((3, 3), 110.0)]).astype(np.float32)
    _, sigma = Ensemble.of(members).summarise("mean", calibration)
    np.testing.assert_allclose(sigma, 2 * np.sqrt(200 * 1.5), rtol=1e-5)


def test_pooled_variance_is_as_large_and_less_uncertain():
    rng = np.random.default_rng(2)
    members = rng.normal(0.0, 20.0, (8, 80, 90)).astype(np.float32)
    members[:, :10] = np.nan
    plain, pooled = (pool_variance(member_variance(members), width) for width in (0.0, 1.5))
    np.testing.assert_allclose(plain[10:], members[:, 10:].var(0, ddof=1), rtol=1e-4)
    np.testing.assert_array_equal(np.isnan(pooled), np.isnan(plain))
    assert np.nanmean(pooled) == pytest.approx(400, rel=0.03)
    assert np.nanmean(pooled[10:13]) == pytest.approx(400, rel=0.1)  # not drawn down by the gap
    assert np.nanstd(pooled) < 0.4 * np.nanstd(plain)


def test_mean_moves_toward_the_regression_by_its_weight():
    rng = np.random.default_rng(1)
    members = rng.normal(0.0, 20.0, (4, 30, 30)).astype(np.float32)
    regression = np.full((30, 30), 3.0, np.float32)
    calibration = {**UNIT, "mean_weight": 0.75}
    variance = members.var(0, ddof=1) * (1 + 0.25**2 / 4)
    best = 0.25 * members.mean(0) + 0.75 * 3.0
    mean, sigma = Ensemble.of(members, regression).summarise("mean", calibration)
    np.testing.assert_allclose(mean, best, atol=1e-4)
    np.testing.assert_allclose(sigma**2, variance, rtol=1e-3)
    sample, sigma = Ensemble.of(members, regression).summarise("sample", calibration)
    np.testing.assert_array_equal(sample, members[0])
    np.testing.assert_allclose(sigma**2, variance + (sample - best) ** 2, rtol=1e-3)
    median, _ = Ensemble.of(members, regression).summarise("median", calibration)
    expected = np.median(members, 0) + best - members.mean(0)
    np.testing.assert_allclose(median, expected, atol=1e-4)


def test_one_member_takes_the_predicted_spread():
    members = np.zeros((1, 4, 4), np.float32)
    predicted = np.full((4, 4), 5.0, np.float32)
    _, sigma = Ensemble.of(members, std=predicted).summarise("sample", UNIT)
    np.testing.assert_allclose(sigma, 5 * np.sqrt(2), rtol=1e-5)
    with pytest.raises(ValueError, match="spread"):
        Ensemble.of(members).summarise("sample", UNIT)


def test_a_single_step_has_a_noise_level_of_its_own():
    several = SolverSettings(num_steps=4, sigma_max=40.0)
    single = SolverSettings(num_steps=1, sigma_max=40.0, single_sigma=1e4)
    assert several.levels() == angle_schedule(4, 40.0)
    assert several.levels(1) == angle_schedule(1, 40.0)
    assert single.levels() == [pytest.approx(1e4), 0.0]
    assert single.levels(4) == several.levels()

    def denoise(x, sigma):
        assert sigma == pytest.approx(1e4)
        # sin(angle) F, with F = 2: the preconditioned denoiser at a very large noise level.
        return x / (1 + sigma**2) + 2.0

    noise = torch.randn(1, 2, 8, 8)
    torch.testing.assert_close(
        solve(denoise, noise, single.levels()), noise + math.pi, atol=1e-3, rtol=1e-3
    )


def test_members_are_folded_into_sums():
    rng = np.random.default_rng(4)
    members = rng.normal(1000.0, 20.0, (9, 30, 40)).astype(np.float32)
    members[:, 0] = np.nan
    folded, kept = Ensemble(9), Ensemble.of(members)
    for number, member in enumerate(members):
        folded.add(member, float(number))
    assert folded.members is None
    assert folded.chi_square == pytest.approx(4)
    np.testing.assert_array_equal(kept.members, members)
    np.testing.assert_allclose(folded.average, members.mean(0), rtol=1e-6)
    np.testing.assert_allclose(folded.variance, members.astype(float).var(0, ddof=1), rtol=1e-4)
    np.testing.assert_allclose(folded.variance, member_variance(members), rtol=1e-3)
    for estimate in ("sample", "mean"):
        for ours, theirs in zip(
            *(e.summarise(estimate, UNIT) for e in (folded, kept)), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match="keep=True"):
        folded.summarise("median", UNIT)


def test_unknown_estimate():
    with pytest.raises(ValueError, match="median"):
        Ensemble.of(np.zeros((2, 3, 3), np.float32)).summarise("mode", UNIT)


def test_dtype_follows_the_processor(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert choose_dtype(torch.device("cpu")) is torch.bfloat16
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    assert choose_dtype(torch.device("cpu")) is torch.float32


def test_block_mean_keeps_the_mean():
    field = torch.arange(64.0).reshape(1, 1, 8, 8)
    assert float(block_mean(field).mean()) == float(field.mean())


def test_blurred_mean_is_the_mean_of_the_blur():
    from sunpy_superres.instruments.forward import blurred_mean

    generator = torch.Generator().manual_seed(3)
    field = torch.randn(2, 1, 40, 52, generator=generator, dtype=torch.float64)
    expected = block_mean(blur(field, MDI.blur_sigma(SCALE)))
    torch.testing.assert_close(blurred_mean(field, MDI, SCALE), expected)
