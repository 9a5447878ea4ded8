"""What reaches real archives: ``tox -e py313-online``, or ``pytest -m remote_data``."""

import astropy.units as u
import pytest
from astropy.time import Time

from sunpy_superres import ModelError, load_model
from sunpy_superres.data import fetch_mdi

pytestmark = pytest.mark.remote_data


def test_a_real_frame_is_fetched(tmp_path):
    pytest.importorskip("sunpy.net")
    frame = fetch_mdi("2010-10-15 00:00", path=tmp_path, progress=False)
    assert frame.data.shape == (1024, 1024)
    assert frame.scale.axis1.to_value(u.arcsec / u.pix) == pytest.approx(1.98, abs=0.03)
    assert abs((frame.date - Time("2010-10-15")).to_value(u.min)) < 100


def test_the_hub_says_that_there_is_no_such_model():
    with pytest.raises(ModelError, match="There is no model sunpy/no-such-model on the Hub"):
        load_model("sunpy/no-such-model")
