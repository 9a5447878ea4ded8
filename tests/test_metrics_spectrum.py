"""Spectra of waves and noise whose power is known."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
import sunpy.map
from scipy import ndimage

from sunpy_superres import metrics

SHAPE = (192, 256)
SCALE = 1.9860081672668457


@pytest.fixture(scope="module")
def make(mdi_header):
    header = mdi_header(SHAPE, corner=(380, 410))

    def make(data):
        return sunpy.map.Map(data, header)

    return make


def noise(seed, amplitude=10.0):
    return np.random.default_rng(seed).normal(0, amplitude, SHAPE)


def test_white_noise_has_a_flat_spectrum_of_its_variance(make):
    spectrum = metrics.power_spectrum(make(noise(0)))
    # A variance of 100 G^2 over the Nyquist square of (1 / scale)^2.
    mean = np.average(spectrum.value.value, weights=spectrum.modes)
    assert mean == pytest.approx(100 * SCALE**2, rel=0.02)
    enough = spectrum.modes > 2500
    assert enough.sum() >= 4
    np.testing.assert_allclose(spectrum.value[enough].value, 100 * SCALE**2, rtol=0.1)
    assert spectrum.value.unit == u.G**2 * u.arcsec**2
    assert (np.diff(spectrum.scale.value) < 0).all()
    assert spectrum.scale[-1] > 2 * SCALE * u.arcsec


def test_a_wave_shows_at_its_wavelength(make):
    x = np.arange(SHAPE[1])
    spectrum = metrics.power_spectrum(
        make(np.broadcast_to(np.sin(2 * np.pi * x / 8) * 50, SHAPE).copy())
    )
    peak = spectrum.scale[np.argmax(spectrum.value * spectrum.modes)]
    assert peak.to_value(u.arcsec) == pytest.approx(8 * SCALE, rel=0.08)
    # Parseval: the modes' power adds up to the variance of the wave.
    cell = 1 / (SHAPE[0] * SHAPE[1] * SCALE**2)
    total = (spectrum.value.value * spectrum.modes).sum() * cell
    assert total == pytest.approx(50**2 / 2, rel=0.03)


def test_power_ratio_of_a_blur_is_its_squared_transfer_function(make):
    truth = noise(1)
    sigma = 1.2
    ratio = metrics.power_ratio(
        make(ndimage.gaussian_filter(truth, sigma, mode="wrap")), make(truth)
    )
    enough = (ratio.modes > 500) & (ratio.scale > 3 * SCALE * u.arcsec)
    expected = np.exp(-((2 * np.pi * sigma * SCALE / ratio.scale.value) ** 2))
    np.testing.assert_allclose(ratio.value.value[enough], expected[enough], rtol=0.12)
    assert ratio.at(ratio.scale[10]).value == pytest.approx(ratio.value[10].value, rel=1e-6)


def test_coherence_with_added_noise_is_known(make):
    """Signal with as much noise as itself: the coherence is the root of a half."""
    truth = noise(2)
    value = metrics.coherence(make(truth + noise(3)), make(truth))
    enough = value.modes > 1000
    np.testing.assert_allclose(value.value.value[enough], np.sqrt(0.5), atol=0.06)
    assert abs(metrics.coherence(make(noise(4)), make(truth)).value.value[enough]).max() < 0.15
    opposite = metrics.coherence(make(-truth), make(truth))
    np.testing.assert_allclose(opposite.value.value, -1, atol=1e-5)


def test_coherence_knows_where_things_are(make):
    """A shift keeps the power and destroys the coherence of fine structure."""
    truth = noise(5)
    moved = np.roll(truth, 1, axis=1)
    ratio = metrics.power_ratio(make(moved), make(truth))
    enough = ratio.modes > 500
    np.testing.assert_allclose(ratio.value.value[enough], 1, rtol=0.1)
    value = metrics.coherence(make(moved), make(truth)).value.value
    # The mean of cos(k) over the directions of a ring is the Bessel function J0.
    from scipy.special import j0

    scale = ratio.scale.value / SCALE
    np.testing.assert_allclose(value[enough], j0(2 * np.pi / scale[enough]), atol=0.12)


def test_resolved_scale_is_where_the_noise_takes_over(make):
    """A signal of power k^-3 and white noise: equal at a known wavenumber."""
    rng = np.random.default_rng(6)
    ky, kx = np.fft.fftfreq(SHAPE[0], SCALE)[:, None], np.fft.fftfreq(SHAPE[1], SCALE)
    k = np.hypot(ky, kx)
    k[0, 0] = np.inf
    turn = 1 / 16.0  # arcsec
    signal = np.fft.ifft2(np.fft.fft2(rng.normal(0, 10, SHAPE)) * (turn / k) ** 1.5).real
    found = metrics.resolved_scale(make(signal + noise(7)), make(signal), level=np.sqrt(0.5))
    assert found.to_value(u.arcsec) == pytest.approx(16, rel=0.12)
    # Between two members with noise of their own the coherence is one half there.
    members = [make(signal + noise(8)), make(signal + noise(9)), make(signal + noise(10))]
    assert metrics.resolved_scale(members).to_value(u.arcsec) == pytest.approx(16, rel=0.12)


def test_resolved_scale_at_the_ends(make):
    truth = make(noise(11))
    spectrum = metrics.coherence(truth, truth)
    assert metrics.resolved_scale(truth, truth) == spectrum.scale[-1]
    assert np.isnan(metrics.resolved_scale(make(-truth.data), truth))
    with pytest.raises(ValueError, match="a reference"):
        metrics.resolved_scale(truth)
    with pytest.raises(ValueError, match="a reference"):
        metrics.resolved_scale([truth, truth], truth)


def test_given_bins_are_used(make):
    edges = [4, 8, 16, 64] * u.arcsec
    spectrum = metrics.power_spectrum(make(noise(12)), bins=edges)
    assert spectrum.scale.size == 3
    for scale, high, low in zip(spectrum.scale, [64, 16, 8], [16, 8, 4], strict=True):
        assert low < scale.to_value(u.arcsec) < high
    with pytest.raises(ValueError, match="bins"):
        metrics.power_spectrum(make(noise(12)), bins=[3] * u.arcsec)
    with pytest.raises(ValueError, match="widen"):
        metrics.power_spectrum(make(noise(12)), bins=[1e-3, 2e-3] * u.arcsec)


def test_too_small_for_a_spectrum(make):
    mask = np.zeros(SHAPE, bool)
    mask[:5, :100] = True
    with pytest.raises(ValueError, match="8 x 8"):
        metrics.power_spectrum(make(noise(0)), region=mask)


def test_split_adds_up_exactly(make):
    data = noise(13)
    data[20:30, 40:60] = np.nan
    coarse, fine = metrics.split_scales(make(data), 12 * u.arcsec)
    np.testing.assert_array_equal(np.isnan(coarse.data), np.isnan(data))
    np.testing.assert_allclose(coarse.data + fine.data, data, rtol=0, atol=1e-12)
    assert "coarser than 12.0 arcsec" in coarse.meta["history"]
    assert "finer than 12.0 arcsec" in fine.meta["history"]
    assert fine.wcs.wcs.compare(make(data).wcs.wcs)


@pytest.mark.parametrize(("wavelength", "kept"), [(48, 0.96), (12, 0.5), (4, 0.002)])
def test_half_of_a_wave_of_that_scale_is_coarse(make, wavelength, kept):
    """Exp(-ln 2 (12 / wavelength)^2) in all."""
    x = np.arange(SHAPE[1]) * SCALE
    wave = np.broadcast_to(np.sin(2 * np.pi * x / wavelength), SHAPE) * 100
    coarse, _ = metrics.split_scales(make(wave.copy()), 12 * u.arcsec)
    inner = (slice(40, -40), slice(40, -40))
    share = (coarse.data[inner] * wave[inner]).sum() / (wave[inner] ** 2).sum()
    assert share == pytest.approx(np.exp(-np.log(2) * (12 / wavelength) ** 2), abs=0.01)
    assert share == pytest.approx(kept, abs=0.02)


def test_byte_order_does_not_matter_to_the_split(make):
    data = noise(3)
    swapped = make(data.astype(">f8"))
    coarse, fine = metrics.split_scales(swapped, 12 * u.arcsec)
    np.testing.assert_allclose(coarse.data + fine.data, data, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(
        coarse.data, metrics.split_scales(make(data), 12 * u.arcsec)[0].data
    )


def test_no_power_gives_no_ratio(make):
    flat = make(np.full(SHAPE, 3.0))
    assert np.isnan(metrics.power_ratio(make(noise(1)), make(np.zeros(SHAPE))).value).all()
    axes = metrics.plot_spectra(metrics.power_spectrum(make(np.zeros(SHAPE))))
    assert axes.get_yscale() == "linear"
    assert metrics.power_spectrum(flat).value.value.max() < 1e-6


def test_split_refuses_what_is_no_scale(make):
    with pytest.raises(ValueError, match="positive angle"):
        metrics.split_scales(make(noise(0)), 3 * u.G)
    with pytest.raises(ValueError, match="finite"):
        metrics.split_scales(make(np.full(SHAPE, np.inf)))
    with pytest.raises(ValueError, match="arcsec"):
        metrics.power_spectrum(make(noise(0)), bins=[3, 20])
    with pytest.raises(ValueError, match="dict"):
        metrics.plot_spectra([metrics.power_spectrum(make(noise(0)))])


def test_plots_have_axes_from_coarse_to_fine(make):
    power = metrics.power_spectrum(make(noise(0)))
    axes = metrics.plot_spectra(power)
    assert axes.xaxis_inverted()
    assert "arcsec" in axes.get_xlabel()
    assert "G" in axes.get_ylabel()
    assert axes.get_legend() is None
    _, own = plt.subplots()
    ratio = metrics.power_ratio(make(noise(0)), make(noise(1)))
    assert metrics.plot_spectra({"a": ratio, "b": ratio}, own) is own
    assert [t.get_text() for t in own.get_legend().get_texts()] == ["a", "b"]
    plt.close("all")
    with pytest.raises(ValueError, match="at least one"):
        metrics.plot_spectra({})
