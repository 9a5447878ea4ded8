"""The package neither depends on torch's global state nor changes it."""

import numpy as np
import pytest

from sunpy_superres import simulate_mdi, super_resolve

torch = pytest.importorskip("torch")

OPTIONS = {"n_samples": 2, "seed": 1, "progress": False, "dtype": "float32"}


def test_random_numbers_of_the_session_go_on(mdi_cutout):
    super_resolve(mdi_cutout, **OPTIONS)  # the model is loaded
    for noise in ("sun", "array"):
        torch.manual_seed(0)
        expected = torch.rand(3)
        torch.manual_seed(0)
        state = np.random.get_state()[1].copy()  # noqa: NPY002 - that of the session
        super_resolve(mdi_cutout, noise=noise, **OPTIONS)
        assert torch.equal(torch.rand(3), expected)
        assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_another_default_device_changes_nothing(mdi_cutout):
    expected = super_resolve(mdi_cutout, **OPTIONS)
    simulated = simulate_mdi(expected.hmi_like, seed=1)
    torch.set_default_device("meta")
    try:
        found = super_resolve(mdi_cutout, **OPTIONS)
        again = simulate_mdi(expected.hmi_like, seed=1)
        assert torch.get_default_device().type == "meta"
    finally:
        torch.set_default_device("cpu")
    assert np.array_equal(again.data, simulated.data, equal_nan=True)
    assert np.array_equal(found.hmi_like.data, expected.hmi_like.data, equal_nan=True)


def test_autocast_changes_nothing(mdi_cutout):
    expected = super_resolve(mdi_cutout, **OPTIONS)
    simulated = simulate_mdi(expected.hmi_like, seed=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = super_resolve(mdi_cutout, **OPTIONS)
        again = simulate_mdi(expected.hmi_like, seed=1)
        assert torch.is_autocast_enabled("cpu")
    assert np.array_equal(found.hmi_like.data, expected.hmi_like.data, equal_nan=True)
    assert np.array_equal(again.data, simulated.data, equal_nan=True)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_another_default_format_changes_nothing(mdi_cutout, tiny_folder, dtype):
    options = OPTIONS | {"dtype": dtype}
    for model in ("default", tiny_folder):
        expected = super_resolve(mdi_cutout, model=model, **options)
        torch.set_default_dtype(torch.float64)
        try:
            found = super_resolve(mdi_cutout, model=model, **options)
            assert torch.get_default_dtype() == torch.float64
        finally:
            torch.set_default_dtype(torch.float32)
        for one, other in zip(found, expected, strict=True):
            assert np.array_equal(one.data, other.data, equal_nan=True)
