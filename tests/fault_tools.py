"""What the tests of faults share: one attempt, and what a sound result is."""

import copy
import traceback
import warnings
from pathlib import Path

import numpy as np
import sunpy.map

import sunpy_superres
from sunpy_superres import SuperResWarning, super_resolve
from sunpy_superres.maps.geometry import on_disk_mask
from sunpy_superres.maps.headers import repair_header

QUICK = {"n_samples": 2, "num_steps": 1, "seed": 1, "progress": False, "dtype": "float32"}
PACKAGE = str(Path(sunpy_superres.__file__).parent)


def outcome(function, allowed=SuperResWarning):
    """
    "result", "flagged" (a result, with a SuperResWarning) or the name of an error of ours.

    Errors must be raised by the package, in a sentence; no other library may warn.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function()
        except (TypeError, ValueError, FileNotFoundError) as error:
            return _said(error), None
    foreign = [w for w in caught if not issubclass(w.category, allowed)]
    assert not foreign, [str(w.message) for w in foreign]
    return ("flagged" if caught else "result"), result


def _said(error):
    """Name of an error, which must be the package's own and a sentence."""
    frames = traceback.extract_tb(error.__traceback__)
    assert frames[-1].filename.startswith(PACKAGE), f"not ours: {error!r}"
    assert len(str(error)) > 40, str(error)
    assert str(error).rstrip().endswith((".", "|")), str(error)
    return type(error).__name__


def attempt(smap, model, **options):
    """`outcome` of `super_resolve`; the input is unchanged and a result is sound."""
    data, meta = np.array(smap.data), copy.deepcopy(dict(smap.meta))
    said, result = outcome(lambda: super_resolve(smap, model=model, **{**QUICK, **options}))
    np.testing.assert_array_equal(np.asarray(smap.data), data)
    assert repr(dict(smap.meta)) == repr(meta)
    if result is not None and "target_wcs" not in options:
        assert_sound(smap, result)
    return said, result


def assert_sound(smap, result):
    """Four times the pixels on the same sky, finite where the disk was seen and nowhere else."""
    hmi_like, uncertainty = result[:2]
    data = np.asarray(smap.data, dtype=np.float64)
    assert hmi_like.data.shape == tuple(4 * n for n in data.shape)
    x, y = np.array([0.0, data.shape[1] - 1]), np.array([0.0, data.shape[0] - 1])
    fine = hmi_like.wcs.pixel_to_world_values(4 * (x + 0.5) - 0.5, 4 * (y + 0.5) - 0.5)
    with warnings.catch_warnings():  # sunpy says what it assumes
        warnings.simplefilter("ignore")
        known = sunpy.map.Map(data, repair_header(smap.meta)[0])
        coarse = known.wcs.pixel_to_world_values(x, y)
        seen = on_disk_mask(known)
    np.testing.assert_allclose(fine, coarse, atol=1e-8)
    missing = ~np.isfinite(data) | (smap.mask if smap.mask is not None else False)
    # Of an MDI pixel whose middle is off the disk, the parts on the disk are drawn.
    missing &= seen
    expected = on_disk_mask(hmi_like) & ~np.kron(missing, np.ones((4, 4), bool))
    finite = np.isfinite(hmi_like.data)
    assert not (finite & ~expected).any()
    with np.errstate(over="ignore"):
        small = np.kron(np.abs(data) < 1.9, np.ones((4, 4), bool))  # in any unit up to tesla
    assert finite[expected & small].all()
    np.testing.assert_array_equal(np.isfinite(uncertainty.data), finite)
    assert (uncertainty.data[finite] > 0).all()
    assert hmi_like.unit == "G"


def options_of(tiny_model, folder, *more):
    """Options of ``run`` and ``batch`` for a quick result in a folder."""
    return [
        "-o",
        str(folder),
        "--model",
        str(tiny_model),
        "--n-samples",
        "1",
        "--num-steps",
        "1",
        *more,
    ]
