"""Maps and headers that all tests share; nothing here needs a file or the network."""

import importlib.util
import os
import socket
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import sunpy.map
from hypothesis import settings
from mdi_header import MDI_HEADER

# Each worker of pytest-xdist has a core to itself; more threads would wait for each other.
# OpenMP reads it when torch is loaded, which is later.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples on every run; a slow machine is not a failure.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=30)
settings.load_profile("repeatable")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each worker of ``pytest -n`` whole files, whose tests share slow fixtures."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


#: Without torch, what needs none is tested: Maps, headers, metrics, files (see .ci/run).
_HAS_TORCH = importlib.util.find_spec("torch") is not None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Skip a file of tests that imports torch where there is none."""
    report = yield
    if not _HAS_TORCH and report.failed and "No module named 'torch'" in str(report.longrepr):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, "Skipped: needs torch")
    return report


def _skip_without_torch(item):
    """Run a step of a test, and skip the test if it asks for torch where there is none."""
    if not _HAS_TORCH and item.get_closest_marker("needs_torch"):
        pytest.skip("needs torch")
    try:
        return (yield)
    except ModuleNotFoundError as error:
        if _HAS_TORCH or error.name != "torch":
            raise
        pytest.skip("needs torch")


pytest_runtest_setup = pytest.hookimpl(wrapper=True)(_skip_without_torch)
pytest_runtest_call = pytest.hookimpl(wrapper=True)(_skip_without_torch)


def _online(config):
    return config.getoption("markexpr") == "remote_data"


def pytest_collection_modifyitems(config, items):
    """Skip what reaches a real archive, unless just that was asked for."""
    if not _online(config):
        skip = pytest.mark.skip(reason="reaches a real archive; run with -m remote_data")
        for item in items:
            if item.get_closest_marker("remote_data"):
                item.add_marker(skip)


@pytest.fixture(autouse=True, scope="session")
def _no_network(request):
    """Fail where a test would leave this machine, but for those marked remote_data."""
    if _online(request.config):
        yield
        return

    def refused(name):
        original = getattr(socket.socket, name)

        def connect(self, address):
            if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in (
                "127.0.0.1",
                "::1",
            ):
                pytest.fail(f"a test tried to reach {address[0]}")
            return original(self, address)

        return connect

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, refused(name))
        yield


@pytest.fixture(scope="session")
def mdi_header():
    """
    Factory of JSOC headers, as dict.

    ``mdi_header(shape=(ny, nx), corner=(x, y), **changes)``: the cut-out of ``shape``
    whose first pixel is column x and row y of the full disk; a change to None takes
    the card out.  Cards with a hyphen: ``**{"date-obs": ...}``.
    """

    def make(shape=(1024, 1024), corner=(0, 0), **changes):
        header = dict(MDI_HEADER, naxis1=shape[1], naxis2=shape[0])
        for axis, card, first in zip("12", ("x0", "y0"), corner, strict=True):
            header["crpix" + axis] -= first
            header[card] -= first
        header.update(changes)
        return {name: value for name, value in header.items() if value is not None}

    return make


@pytest.fixture(scope="session")
def bipole():
    """``bipole(shape, seed=0, noise=12.0, peak=800.0)``: two opposite Gaussian spots and noise."""

    def make(shape, seed=0, noise=12.0, peak=800.0):
        rows, columns = np.mgrid[: shape[0], : shape[1]]
        field = noise * np.random.default_rng(seed).standard_normal(shape)
        for sign, row, column in ((1, 0.4, 0.35), (-1, 0.6, 0.62)):
            squared = (rows - row * shape[0]) ** 2 + (columns - column * shape[1]) ** 2
            field += sign * peak * np.exp(-squared / (2 * 2.5**2))
        return field

    return make


@pytest.fixture
def mdi_cutout(mdi_header, bipole):
    """Cut-out near disk centre, 48 columns and 40 rows: a bipole and 12 G of noise."""
    shape = (40, 48)
    return sunpy.map.Map(bipole(shape), mdi_header(shape, corner=(540, 500)))


@pytest.fixture
def cutout(mdi_header, bipole):
    """``cutout(data=None, shape=..., **changes)``: the Map of ``mdi_cutout``, changed."""

    def make(data=None, shape=(40, 48), **changes):
        data = bipole(shape) if data is None else data
        changes.setdefault("corner", (540, 500))
        return sunpy.map.Map(data, mdi_header(data.shape, **changes))

    return make


@pytest.fixture
def small_disk(mdi_header, bipole):
    """
    A whole disk on 144 x 136 pixels, NaN around it, as from 7.5 au.

    The disk has a radius of 64.4 pixels; pixels, noise and cards are MDI's.
    """
    shape = (136, 144)
    distance = 7.5 * 1.495978707e11
    radius = np.degrees(np.arcsin(6.96e8 / distance)) * 3600
    header = mdi_header(shape)
    header |= {
        "crpix1": 71.8,
        "crpix2": 68.9,
        "x0": 70.8,
        "y0": 67.9,
        "crop_rad": 66.0,
        "dsun_obs": distance,
        "rsun_obs": radius,
        "r_sun": radius / header["cdelt1"],
    }
    field = bipole(shape)
    y, x = np.mgrid[1 : shape[0] + 1, 1 : shape[1] + 1]
    field[np.hypot(x - 71.8, y - 68.9) > header["r_sun"]] = np.nan
    return sunpy.map.Map(field, header)


@pytest.fixture(scope="session")
def real_data():
    """Folder of real MDI and HMI files."""
    folder = os.environ.get("SUNPY_SUPERRES_DATA")
    if not folder:
        pytest.skip("SUNPY_SUPERRES_DATA names no folder of real magnetograms")
    folder = Path(folder)
    if not folder.is_dir():
        pytest.fail(f"SUNPY_SUPERRES_DATA is {folder}, which is no folder")
    return folder


@pytest.fixture(scope="session")
def tiny_network():
    """A residual_ldm of few weights, none of them zero."""
    import torch

    from sunpy_superres.models.registry import build, configure

    sizes = {"widths": [8, 16], "blocks": [1, 1, 1]}
    values = {
        "field_scale": 150.0,
        "autoencoder": {"latent_channels": 4, "width": 8, "encoder_blocks": 1, "decoder_blocks": 1},
        "regression": sizes,
        "denoiser": {**sizes, "embedding": 8},
    }
    torch.manual_seed(0)
    network = build(configure("residual_ldm", values))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.1)
    return network


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory, tiny_network):
    """Folder of a model that is quick, and wrong; not to be changed."""
    from sunpy_superres.models.loading import save_model

    folder = tmp_path_factory.mktemp("tiny_model")
    save_model(
        folder, tiny_network, revision="tiny", training={},
        sampler={"num_steps": 1, "sigma_max": 40.0, "power": 1.75},
        calibration={"field": [0.0], "factor": [1.0]},
    )  # fmt: skip
    return folder


@pytest.fixture
def tiny_folder(tmp_path, tiny_network):
    """``tiny_network`` as a model folder with a card."""
    from sunpy_superres.models.loading import save_model

    folder = tmp_path / "my model {é}"
    save_model(
        folder,
        tiny_network,
        sampler={"num_steps": 3, "sigma_max": 40.0, "power": 1.75},
        calibration={"field": [0.0, 3000.0], "factor": [1.0, 1.1]},
        training={"regions": ["HARP 377"]},
        revision="r1",
        card="---\nlicense: bsd-3-clause\n---\n# A model\n",
    )
    return folder


@pytest.fixture
def hub_server(tmp_path, monkeypatch):
    """A Hub on localhost, which the client in this process uses, with an empty cache."""
    import time

    from hub_server import HubServer
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    with HubServer() as server:
        home = tmp_path / "hf_home"
        for name, value in {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_TOKEN_PATH": str(home / "token"),
            "AGENT_HARNESSES_PATH": str(home / ".agent_harnesses.json"),
            "HF_HUB_OFFLINE": False,
            # Its own protocol, which a test cannot imitate.
            "HF_HUB_DISABLE_XET": True,
        }.items():
            monkeypatch.setattr(constants, name, value, raising=False)
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        # The client waits between its attempts.
        monkeypatch.setattr(time, "sleep", lambda seconds: None)
        yield server
    close_session()


@pytest.fixture
def published(hub_server, tiny_folder):
    """The server with one model, and its commit."""
    from hub_server import ID

    return hub_server, hub_server.add(ID, tiny_folder)


@pytest.fixture
def author(hub_server, monkeypatch):
    """The server, and a token to write there."""
    monkeypatch.setenv("HF_TOKEN", "hf_valid")
    return hub_server


@pytest.fixture
def refused():
    """``refused(model, message, load=load_model)``: it is not loaded; the error is one line."""
    from sunpy_superres import ModelError, load_model

    def check(model, message, load=load_model):
        with pytest.raises(ModelError, match=message) as error:
            load(model)
        assert len(str(error.value).splitlines()) == 1

    return check


#: What was tried, and what came of it: ``(fault, outcome) -> how often``.
_TALLY = Counter()


@pytest.fixture(scope="session")
def tally():
    """``tally(fault, outcome)``: count it for the table at the end."""

    def count(fault, outcome):
        _TALLY[fault, outcome] += 1

    return count


def pytest_terminal_summary(terminalreporter, config):
    """Table of faults, where they were asked for (``-m faults``)."""
    if "not faults" in config.option.markexpr or not _TALLY:
        return
    terminalreporter.section("faults tried")
    width = max(len(fault) for fault, _ in _TALLY)
    terminalreporter.write_line(f"{'fault':{width}}  {'times':>5}  outcome")
    for (fault, outcome), times in sorted(_TALLY.items()):
        terminalreporter.write_line(f"{fault:{width}}  {times:5}  {outcome}")


@pytest.fixture(scope="session")
def frame_file(tmp_path_factory, bipole, mdi_header):
    """FITS file of a cut-out, 24 x 32 pixels in whole Gauss."""
    shape = (24, 32)
    path = tmp_path_factory.mktemp("frame") / "cut.fits"
    field = np.round(bipole(shape)).astype(np.int16)
    sunpy.map.Map(field, mdi_header(shape, corner=(540, 500))).save(path)
    return path


def _mounted(folder, options):
    """Mount a disk in memory, or skip the test where that is not allowed."""
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a disk of the test's own cannot be mounted")


@pytest.fixture
def small_disk_of_files(tmp_path):
    """A disk of 60 kB, which no result fits on."""
    folder = tmp_path / "full"
    folder.mkdir()
    _mounted(folder, "size=60k")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def read_only_folder(tmp_path):
    """A folder that nobody, root included, can write to."""
    folder = tmp_path / "read only"
    folder.mkdir()
    _mounted(folder, "ro")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
