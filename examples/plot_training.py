"""
A training in miniature
=======================

From HMI-like fields to a model of your own that `~sunpy_superres.super_resolve` can use.

**A toy.** It learns from fields that are drawn in code, in a network of 80,000 parameters
and some hundreds of steps: a minute of work. It shows the way, not what a trained model
can do. The embedded model has 3.4 million parameters and saw real HMI magnetograms for some
thousands of steps; the page on :doc:`training </howto/train>` says how to do that.
"""

import logging
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage

from sunpy_superres import metrics, super_resolve
from sunpy_superres.data import example_hmi_map, example_mdi_map
from sunpy_superres.datasets.packed import Frame, save_pack
from sunpy_superres.evaluation.evaluate import interpolated_map
from sunpy_superres.models.loading import save_model
from sunpy_superres.training.recipe import Recipe
from sunpy_superres.training.train import train

logging.getLogger("accelerate").setLevel(logging.ERROR)
folder = Path(tempfile.mkdtemp())

###############################################################################
# Training fields, in Gauss on HMI's pixels: clumps and spots of either polarity, drawn in code.
# Each belongs to a region, and a region to one split, so that near copies of a training field
# are never tested on. With real files, ``sunpy-superres pack`` writes this file.


def active_region(rng, size=256):
    def smooth(width):
        noise = ndimage.gaussian_filter(rng.standard_normal((size, size)), width, mode="wrap")
        return noise / noise.std()

    field = 60 * np.exp(1.5 * smooth(1.6) + 0.8 * smooth(12)) * np.tanh(3 * smooth(10))
    rows, columns = np.indices(field.shape)
    for sign in (-1, 1):  # a spot of each polarity
        y, x = rng.uniform(0.2 * size, 0.8 * size, 2)
        distance = np.hypot(rows - y, columns - x) / rng.uniform(8, 24)
        inside = np.exp(-(distance**4))
        field = field * (1 - inside) + sign * rng.uniform(1000, 2300) * inside
    field = ndimage.gaussian_filter(np.clip(field, -2500, 2500), 0.7)
    return field + ndimage.gaussian_filter(rng.standard_normal(field.shape), 0.6) * 14


rng = np.random.default_rng(1)
frames = [Frame(f"field {i}", f"region {i}", "train", active_region(rng)) for i in range(6)]
save_pack(frames, folder / "train.safetensors")

###############################################################################
# The recipe has the architecture of the default model, but much smaller, and few steps of small
# batches. ``sunpy_superres.training.recipe.load_recipe("residual_ldm")`` is the real one.

short = {"warmup": 10, "size": 96, "batch": 4, "learning_rate": 2e-3, "ema": 0.9}
recipe = Recipe.from_dict(
    {
        "architecture": "residual_ldm",
        "model": {
            "autoencoder": {"width": 16, "decoder_blocks": 1},
            "regression": {"widths": [16, 24], "blocks": [1, 1, 1]},
            "denoiser": {"widths": [16, 24], "blocks": [1, 1, 1], "embedding": 32},
        },
        "stages": {
            "autoencoder": {**short, "steps": 40},
            "regression": {**short, "steps": 300},
            "diffusion": {**short, "steps": 200},
        },
        "sampler": {"num_steps": 4},
    }
)
network = train(folder / "train.safetensors", folder / "run", recipe, device="cpu", progress=False)
print(sum(p.numel() for p in network.parameters()), "parameters")

###############################################################################
# Written as a model folder, it is a ``model`` like any other. ``sunpy-superres export`` also
# calibrates the uncertainty on held-out regions; here its factor is 1 and the mean is the
# regression's.

save_model(
    folder / "model",
    network,
    sampler=recipe.sampler,
    calibration={"mean_weight": 1.0, "field": [0.0], "factor": [1.0]},
    training={"data": "active regions drawn in code"},
    revision="toy",
)

###############################################################################
# On the embedded example, beside bicubic interpolation and the embedded model. The example is
# simulated in code too, differently.

mdi_map, truth = example_mdi_map(), example_hmi_map()
options = {"estimate": "mean", "n_samples": 4, "seed": 1, "progress": False}
maps = {
    "Bicubic, calibrated": interpolated_map(mdi_map),
    "The toy, mean": super_resolve(mdi_map, model=folder / "model", **options).hmi_like,
    "Embedded model, mean": super_resolve(mdi_map, **options).hmi_like,
    "Truth (simulated)": truth,
}
for label, smap in list(maps.items())[:3]:
    print(f"{label:22} RMSE {metrics.rmse(smap, truth):.1f}, "
          f"gradient ratio {metrics.gradient_ratio(smap, truth):.2f}")  # fmt: skip

###############################################################################
# The toy has less error than interpolation, and more than the embedded model. It was trained on
# fields that resemble the example more than they do the Sun, so this does not show how it would
# do on real frames.

fig = plt.figure(figsize=(14, 4), layout="constrained")
for number, (title, smap) in enumerate(maps.items(), start=1):
    ax = fig.add_subplot(1, 4, number, projection=smap)
    image = smap.plot(
        axes=ax, cmap="gray", norm=plt.Normalize(-600, 600), interpolation="nearest", title=title
    )
    ax.grid(False)
    if number > 1:
        ax.coords[1].set_axislabel(" ")
        ax.coords[1].set_ticklabel_visible(False)
fig.colorbar(image, ax=fig.axes, extend="both", shrink=0.8, label="Line-of-sight field [G]")

plt.show()
