"""The noise that is found in frames whose noise is known."""

import numpy as np
import pytest
import sunpy.map

from sunpy_superres.maps.magnetogram import read_magnetogram
from sunpy_superres.maps.noise import estimate_noise, noise_map


@pytest.mark.parametrize("noise", [8.0, 12.0, 24.0])
@pytest.mark.parametrize("seed", range(3))
def test_noise_beside_an_active_region(bipole, noise, seed):
    field = bipole((128, 128), seed=seed, noise=noise, peak=1500.0)
    # Plage over a fifth of the frame.
    rng = np.random.default_rng(seed + 100)
    field[40:90, 30:100] += 150 * rng.standard_normal((50, 70))
    measured = estimate_noise(field.astype(np.float32), np.ones(field.shape, bool))
    assert measured == pytest.approx(noise, rel=0.1)


def test_noise_ignores_what_is_not_good(bipole):
    field = bipole((96, 96))
    good = np.ones(field.shape, bool)
    good[:, ::7] = False
    field[~good] = 1e4
    assert estimate_noise(field, good) == pytest.approx(12, rel=0.1)


def test_noise_of_too_few_pixels_is_unknown():
    good = np.zeros((32, 32), bool)
    good[:4, :4] = True
    assert np.isnan(estimate_noise(np.zeros((32, 32)), good))


def test_noise_that_grows_to_the_limb_is_followed(mdi_header):
    """A quarter of the disk; noise of 10 G at its centre, 16 G at the limb."""
    shape = (520, 520)
    header = mdi_header(shape, crpix1=10.0, crpix2=10.0, r_sun=488.6)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    squared = (np.hypot(rows - 9, columns - 9) / 488.6) ** 2
    truth = 10 + 6 * np.clip(squared, 0, 1)
    field = np.random.default_rng(5).standard_normal(shape) * truth
    field[squared > 1] = np.nan
    read = read_magnetogram(sunpy.map.Map(field, header))
    for low, high in ((0, 0.1), (0.4, 0.6), (0.9, 0.98)):
        ring = read.good & (squared >= low) & (squared < high)
        assert np.mean(read.noise[ring] / truth[ring]) == pytest.approx(1, abs=0.08)


def test_a_noisy_part_of_the_disk_is_found(mdi_header):
    """Noise of 10 G, and of 24 G in a part, as real frames have it; plage in both."""
    shape = (384, 384)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    part = np.exp(-(((rows - 120) / 60) ** 2 + ((columns - 270) / 60) ** 2) / 2)
    truth = 10 + 14 * part
    rng = np.random.default_rng(8)
    field = rng.standard_normal(shape) * truth
    field[100:140, 250:290] += 200 * rng.standard_normal((40, 40))
    field[300:340, 60:100] += 200 * rng.standard_normal((40, 40))
    smap = sunpy.map.Map(field, mdi_header(shape, corner=(320, 320)))
    found, _ = noise_map(smap, field.astype(np.float32), np.ones(shape, bool))
    ratio = found / truth
    assert np.sqrt(np.mean((ratio - 1) ** 2)) < 0.09
    # Under the plage it is what it is around it.
    np.testing.assert_allclose(ratio[105:135, 255:285], 1, atol=0.2)
    np.testing.assert_allclose(ratio[305:335, 65:95], 1, atol=0.2)


def test_a_frame_full_of_field_has_the_noise_of_its_few_quiet_blocks(mdi_header):
    shape = (96, 96)
    rng = np.random.default_rng(9)
    field = 300 * rng.standard_normal(shape)
    field[:32, :32] = 15 * rng.standard_normal((32, 32))
    smap = sunpy.map.Map(field, mdi_header(shape, corner=(460, 460)))
    found, _ = noise_map(smap, field.astype(np.float32), np.ones(shape, bool))
    np.testing.assert_allclose(found, 15, rtol=0.25)
