"""
Figures against their stored hashes, ``tests/figure_hashes.json``.

``tox -e py311-figure`` compares, with the versions of matplotlib and astropy that the hashes
are of; without ``--mpl`` the figures are only drawn.  After a wanted change this fails once
more and stores new ones:
``tox -e py311-figure -- --mpl-generate-hash-library=tests/figure_hashes.json``.
"""

from importlib.util import find_spec

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.table import QTable

from sunpy_superres import metrics
from sunpy_superres.instruments import MDI
from sunpy_superres.maps.metadata import rebin_meta
from sunpy_superres.maps.plotting import plot_result

pytestmark = pytest.mark.skipif(
    find_spec("pytest_mpl") is None, reason="pytest-mpl, which takes the figures, is missing"
)
figure_test = pytest.mark.mpl_image_compare(
    deterministic=True, savefig_kwargs={"dpi": 60}, style="default"
)


@figure_test
def test_result(mdi_cutout):
    shape = tuple(4 * n for n in mdi_cutout.data.shape)
    meta = rebin_meta(mdi_cutout.meta, shape, 4)
    field = np.kron(mdi_cutout.data / MDI.gain, np.ones((4, 4)))
    field[:, :8] = np.nan
    spread = np.broadcast_to(np.linspace(5.0, 40.0, shape[1]), shape)
    result = sunpy.map.Map(field, meta), sunpy.map.Map(spread.copy(), meta)
    return plot_result(mdi_cutout, result, limit=400 * u.G)


def _spectrum(slope, unit, name):
    scale = np.geomspace(100.0, 1.5, 30)
    return metrics.Spectrum(
        scale * u.arcsec, (scale / 100.0) ** slope * unit, np.ones(30, int), name
    )


@figure_test
def test_power_spectra():
    unit = u.G**2 * u.arcsec**2
    spectra = {
        label: _spectrum(slope, unit, "power") for label, slope in (("HMI", 1.5), ("bicubic", 3.0))
    }
    return metrics.plot_spectra(spectra).figure


@figure_test
def test_coherence():
    return metrics.plot_spectra(_spectrum(0.5, u.one, "coherence")).figure


@figure_test
def test_reliability():
    uncertainty = np.array([6.0, 15.0, 40.0, 90.0])
    tables = {
        label: QTable({"uncertainty": uncertainty * u.G, "error": factor * uncertainty * u.G})
        for label, factor in (("mean", 1.1), ("sample", 0.9))
    }
    return metrics.plot_reliability(tables).figure
