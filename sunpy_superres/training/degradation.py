"""Turn HMI crops into MDI-like frames, with the instrument drawn anew for each crop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.nn import functional as F

from sunpy_superres.instruments import FACTOR, MDI
from sunpy_superres.instruments.forward import block_mean, blur, gain_response, saturate
from sunpy_superres.instruments.resampling import native_pixels, noise_variance

__all__ = ["DegradationConfig", "DegradedBatch", "degrade"]


@dataclass(frozen=True)
class DegradationConfig:
    """
    Ranges from which an instrument is drawn for each crop.

    Parameters
    ----------
    blur : tuple of float
        Gaussian sigma in HMI pixels; 2.55 is 3.0" FWHM.  Two real frames, registered on HMI with
        roll and scale, have a core of 2.0, and wings with 12 to 15 per cent of the light.
    wings : tuple of float
        Share of the light in a second, wider Gaussian, for half of the crops; the others have
        none.
    wing_blur : tuple of float
        Sigma of that second Gaussian, in MDI pixels; 2 is 9.5" FWHM.
    gain, weak_excess : tuple of float
        See `sunpy_superres.instruments.forward.gain_response`.
    weak_scale : float
        HMI Gauss; see the same function.
    noise : tuple of float
        Standard deviation in MDI Gauss, log-uniform.  The range reaches from the best frames with
        an INTERVAL of 300 s to the limb in frames with 30 s.
    noise_slope : float
        Standard deviation of the logarithm of the ratio between the noise at opposite sides of a
        crop: real frames are noisier at the limb and in some parts of the disk.
    noise_misjudged : float
        Relative error (log-normal) of the noise level that the network sees.
    saturation : tuple of float
        MDI Gauss, for half of the crops; the others use the largest value.
    offset : float
        Standard deviation of the error of the zero level, in MDI Gauss.
    limb, gaps : float
        Share of the crops with a limb, and of those with missing columns.
    resampled : float
        Share of the crops that are shifted by a fraction of a pixel after the observation, with
        bilinear interpolation, as remapped frames are.
    rotated : float
        Share of the crops whose MDI pixels are rotated, shifted and stretched against the grid of
        the frame, which is made from them by bilinear interpolation or of the nearest pixels.
        Half of them have an angle of any size, the others one of 0.1 to 5 degrees.  With 0, all
        batches are those of versions that did not have this setting.
    nearest : float
        Share of these that are made of the nearest pixels: displaced by up to half a pixel, with
        some pixels repeated.
    stretch : float
        Largest relative difference between the sides of an MDI pixel and a pixel of such frames.
    """

    blur: tuple[float, float] = (1.75, 3.0)
    wings: tuple[float, float] = (0.0, 0.2)
    wing_blur: tuple[float, float] = (1.6, 2.1)
    gain: tuple[float, float] = (1.28, 1.52)
    weak_excess: tuple[float, float] = (0.0, 0.16)
    weak_scale: float = MDI.weak_scale
    noise: tuple[float, float] = (6.0, 45.0)
    noise_slope: float = 0.15
    noise_misjudged: float = 0.1
    saturation: tuple[float, float] = (2200.0, 4500.0)
    offset: float = 1.0
    limb: float = 0.12
    gaps: float = 0.03
    resampled: float = 0.25
    rotated: float = 0.15
    nearest: float = 0.5
    stretch: float = 0.03


#: Limits, in degrees, of the small angles of rotated crops.
_SMALL_ANGLES = (0.1, 5.0)
#: Standard deviation of a normal distribution over the median of its absolute values.
_MEDIAN_TO_SIGMA = 1.4826


class DegradedBatch(NamedTuple):
    """
    A training batch; fields in Gauss, ``(n, 1, ny, nx)`` on the grid of MDI.

    Parameters
    ----------
    frame, mask, noise : torch.Tensor
        MDI-like frame, its good pixels, and the noise level that the network sees.
    target : torch.Tensor
        HMI field, ``(n, 1, 4 ny, 4 nx)``.
    foreshortening : torch.Tensor
        Lengths of the pixels' sides, ``(n, 2, 1, 1)``.
    """

    frame: torch.Tensor
    mask: torch.Tensor
    noise: torch.Tensor
    target: torch.Tensor
    foreshortening: torch.Tensor

    @property
    def inputs(self):
        """Tensors that the networks see, in the order of their arguments."""
        return self.frame, self.mask, self.noise, self.foreshortening


def _uniform(rng, n, low, high):
    return low + (high - low) * torch.rand(n, 1, 1, 1, generator=rng)


def _limb_mask(rng, n, size, share):
    """Draw a mask, 1 on the disk, 0 off it; the limb is a straight line through some crops."""
    angle = _uniform(rng, n, 0.0, 2 * torch.pi)
    depth = _uniform(rng, n, 0.15, 0.75) * size
    axis = torch.arange(size) - (size - 1) / 2
    along = angle.cos() * axis + angle.sin() * axis[:, None]
    cut = torch.rand(n, 1, 1, 1, generator=rng) < share
    return torch.where(cut, along < depth - size / 2, True).float()


def _slope(rng, n, size, strength):
    """Draw factors that grow exponentially in a random direction and are 1 in the middle."""
    tilt = strength * torch.randn(2, n, 1, 1, generator=rng)
    axis = torch.linspace(-0.5, 0.5, size)
    return torch.exp(tilt[0] * axis[:, None] + tilt[1] * axis)[:, None]


def _resample(reading, quarter):
    """
    Interpolate frames back from grids that are shifted by some quarters of a pixel (bilinear).

    Returns the frames, and the factors by which this lowers their noise as it is measured on real
    frames, by `~sunpy_superres.maps.noise.diagonal_differences`.
    """
    factor = torch.ones(len(reading), 1, 1, 1)
    for axis, part in zip((-2, -1), quarter, strict=True):
        part = part / 4
        weight = part.to(reading)
        reading = (1 - weight) * reading + weight * reading.roll(1, axis)
        factor = factor * ((1 - part) ** 2 + (2 * part - 1) ** 2 + part**2) / 2
    return reading, factor.sqrt()


def _shift(field, quarter):
    """Shift each crop by its own number of HMI pixels, 0 to 3 along each axis."""
    rows, columns = (q.flatten().tolist() for q in quarter)
    shifted = [
        crop.roll((-int(row), -int(column)), (-2, -1))
        for crop, row, column in zip(field, rows, columns, strict=True)
    ]
    return torch.stack(shifted)


def _turned(rng, n, size, config):
    """
    Draw which crops are rotated.

    Returns their numbers in the batch, and their `NativePixels`; None if there are none.
    """
    turned = torch.rand(n, generator=rng) < config.rotated
    nearest = torch.rand(n, generator=rng) < config.nearest
    any_angle = 2 * torch.pi * torch.rand(n, generator=rng)
    low, high = _SMALL_ANGLES
    small = torch.deg2rad(low * (high / low) ** torch.rand(n, generator=rng))
    small = torch.where(torch.rand(n, generator=rng) < 0.5, small, -small)
    angle = torch.where(torch.rand(n, generator=rng) < 0.5, any_angle, small)
    shift = torch.rand(n, 2, generator=rng) - 0.5
    stretch = 1 + config.stretch * (2 * torch.rand(n, generator=rng) - 1)
    which = turned.nonzero().flatten()
    if not len(which):
        return which, None
    parts = (part[which] for part in (angle, shift, stretch, nearest))
    return which, native_pixels((size, size), *parts)


def _measured_share(variance):
    """
    Compute the noise that is measured on resampled frames, for native noise of 1.

    As `sunpy_superres.maps.noise.estimate_noise` does: the median of the absolute differences
    in blocks, whose variance is given, and the 0.4 quantile of the blocks.
    """
    side = min(16, *variance.shape[-2:])
    std = F.unfold(variance, side, stride=side).sqrt().clamp(min=1e-6)
    low, high = torch.zeros_like(std[:, :1]), 2 * std.amax(1, keepdim=True)
    for _ in range(16):  # find the median by bisection
        middle = (low + high) / 2
        below = torch.erf(middle / std / 2**0.5).mean(1, keepdim=True) < 0.5
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return _MEDIAN_TO_SIGMA * low[:, 0].quantile(0.4, dim=1)[:, None, None, None]


def degrade(
    crops, config: DegradationConfig, rng: torch.Generator, margin: int, foreshortening=None
) -> DegradedBatch:
    """
    Observe each HMI crop through an MDI instrument of its own, drawn at random.

    Parameters
    ----------
    crops : torch.Tensor
        HMI field in Gauss, ``(n, 1, size, size)``, sides divisible by 4.
    config : DegradationConfig
    rng : torch.Generator
        Source of all random numbers, on the CPU.
    margin : int
        HMI pixels to cut off at each edge after the blur, divisible by 4.
    foreshortening : torch.Tensor, optional
        Lengths of the sides of the crops' pixels, ``(n, 2, 1, 1)``; 1 by default.

    Returns
    -------
    DegradedBatch
    """
    n, size = len(crops), crops.shape[-1]
    device = crops.device
    disk = _limb_mask(rng, n, size, config.limb).to(device)
    sigma = _uniform(rng, n, *config.blur).flatten()
    gain = _uniform(rng, n, *config.gain)
    excess = _uniform(rng, n, *config.weak_excess)
    level = _uniform(rng, n, *config.saturation)
    level = torch.where(torch.rand(n, 1, 1, 1, generator=rng) < 0.5, level, config.saturation[1])
    fold = _uniform(rng, n, 0.0, 0.3)
    low, high = config.noise
    noise = low * (high / low) ** torch.rand(n, 1, 1, 1, generator=rng)
    noise = noise * _slope(rng, n, size // FACTOR, config.noise_slope)
    offset = config.offset * torch.randn(n, 1, 1, 1, generator=rng)
    stated = noise * torch.exp(config.noise_misjudged * torch.randn(n, 1, 1, 1, generator=rng))
    white = torch.randn(n, 1, size // FACTOR, size // FACTOR, generator=rng)
    gaps = torch.rand(n, 1, 1, 1, generator=rng) < config.gaps
    lines = torch.rand(n, 1, 1, size // FACTOR, generator=rng) < 0.1

    moved = torch.rand(n, 1, 1, 1, generator=rng) < config.resampled
    quarter = [torch.randint(0, 4, (n, 1, 1, 1), generator=rng) * moved for _ in range(2)]

    share = _uniform(rng, n, *config.wings)
    share = share * (torch.rand(n, 1, 1, 1, generator=rng) < 0.5)
    wing = _uniform(rng, n, *config.wing_blur).flatten()

    turned, native = (), None
    if config.rotated:  # the last numbers of all: without it, the others stay what they were
        turned, native = _turned(rng, n, size // FACTOR, config)
        quarter = [part.index_fill(0, turned, 0) for part in quarter]

    def spread(field):
        """Blur a field by the core, and by the wings on MDI's pixels."""
        return blur(field, sigma), blur(block_mean(_shift(field, quarter)), wing)

    def observe(core, wide):
        """Add core and wings on the pixels of the frame."""
        core = block_mean(_shift(core, quarter))
        return torch.lerp(core, wide, share.to(core))

    def observe_native(core, wide):
        """Add core and wings on the native pixels of the crops that are rotated."""
        core = native.sample(F.avg_pool2d(core[turned], FACTOR, stride=1), FACTOR)
        return torch.lerp(core, native.sample(wide[turned]), share[turned].to(core))

    def read(image, disk, crops=slice(None)):
        """Return what MDI reads without noise, and with the error of its zero level."""
        image = image / disk.clamp(min=0.05)
        strong, weak, top, drop = (x[crops].to(device) for x in (gain, excess, level, fold))
        return saturate(gain_response(image, strong, weak, config.weak_scale), top, drop)

    target = crops * disk
    field, visible = spread(target), spread(disk)
    frame = read(observe(*field), observe(*visible))
    frame, damping = _resample(frame + (offset + noise * white).to(device), quarter)
    stated = stated * damping
    missing = gaps & lines
    mask = (block_mean(disk) > 0.5).float() * (1 - missing.float()).to(device)
    if native is not None:
        reading = read(observe_native(*field), observe_native(*visible), turned)
        error = offset[turned] + noise[turned] * native.take(white[turned, 0])
        frame[turned] = native.combine(reading + error.to(device))
        off_disk = native.sample(F.avg_pool2d(disk[turned], FACTOR, stride=1), FACTOR) <= 0.5
        lost = native.take(missing[turned, 0]).to(device) | off_disk
        mask[turned] = (native.combine(lost.float()) == 0).float()
        measured = stated[turned] * _measured_share(noise_variance(native)).float()
        stated[turned] = measured.clamp(min=MDI.least_noise)
    inner = slice(margin // FACTOR, size // FACTOR - margin // FACTOR)
    fine = slice(margin, size - margin)
    mask = mask[..., inner, inner]
    return DegradedBatch(
        frame[..., inner, inner] * mask,
        mask,
        stated[..., inner, inner].to(device),
        target[..., fine, fine],
        crops.new_ones(n, 2, 1, 1) if foreshortening is None else foreshortening,
    )
