import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
import sunpy.map
from sunpy.util.exceptions import SunpyUserWarning

import sunpy_superres
from sunpy_superres import SuperResWarning, exceptions, metrics, super_resolve
from sunpy_superres.maps.magnetogram import read_magnetogram


@pytest.fixture
def odd(mdi_header, bipole):
    """A frame with QUALITY bits, without an instrument, and with more noise than usual."""
    header = mdi_header((40, 48), corner=(540, 500), camera=None, telescop=None, quality=4)
    return sunpy.map.Map(bipole((40, 48), noise=40.0), header)


def notes_of(call, error=None):
    """Warnings of a call, which may end with an error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if error is None:
            call()
        else:
            with pytest.raises(error):
                call()
    assert all(w.category is SuperResWarning for w in caught)
    return caught


def test_the_warning_is_one_of_sunpy():
    assert issubclass(SuperResWarning, SunpyUserWarning)
    assert SuperResWarning is exceptions.SuperResWarning
    again = pickle.loads(pickle.dumps(SuperResWarning("careful")))
    assert type(again) is SuperResWarning
    with pytest.raises(AttributeError, match="no attribute 'SuperResError'"):
        exceptions.SuperResError  # noqa: B018 - the look itself must fail


@pytest.mark.parametrize(
    "call", [read_magnetogram, lambda smap: super_resolve(smap, n_samples=0)], ids=["read", "front"]
)
def test_warnings_point_to_the_caller_in_the_order_of_the_checks(odd, call):
    caught = notes_of(lambda: call(odd), None if call is read_magnetogram else ValueError)
    assert [str(w.message).split()[0] for w in caught] == ["The", "QUALITY", "INTERVAL"]
    assert {w.filename for w in caught} == {__file__}


def test_warnings_come_with_an_error_too(odd):
    odd.meta["cdelt1"] = odd.meta["cdelt2"] = 15.88
    caught = notes_of(lambda: read_magnetogram(odd), ValueError)
    assert ["names no instrument" in str(w.message) for w in caught] == [True]


def test_warnings_of_a_metric_point_to_the_caller(mdi_cutout):
    bare = sunpy.map.Map(
        mdi_cutout.data, {k: v for k, v in mdi_cutout.meta.items() if k != "bunit"}
    )
    for call in (lambda: metrics.rmse(mdi_cutout, bare), lambda: metrics.unsigned_flux(bare)):
        (warning,) = notes_of(call)
        assert warning.filename == __file__
        assert "BUNIT" in str(warning.message)


def test_a_sound_frame_gives_no_warning(mdi_cutout):
    assert notes_of(lambda: read_magnetogram(mdi_cutout)) == []
    assert np.isfinite(mdi_cutout.data).all()


@pytest.mark.needs_torch
def test_a_machine_without_sunpy_can_train():
    code = (
        "import sys; sys.modules['sunpy'] = sys.modules['astropy'] = None\n"
        "import sunpy_superres.training.train, sunpy_superres.exceptions as e\n"
        "assert issubclass(e.ModelError, ValueError)"
    )
    folder = sunpy_superres.__path__[0].rpartition("sunpy_superres")[0]
    subprocess.run([sys.executable, "-c", code], cwd=folder, timeout=120, check=True)
