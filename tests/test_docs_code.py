"""The code of the documentation runs, and its commands are those that there are."""

import re
import shutil
from pathlib import Path
from textwrap import dedent

import astropy.units as u
import matplotlib.pyplot as plt
import pytest
import sunpy.map

from sunpy_superres import super_resolution
from sunpy_superres.batch import super_resolve_sequence
from sunpy_superres.cli import main
from sunpy_superres.data import example_hmi_map, example_mdi_map

ROOT = Path(__file__).parents[1]
PAGES = [
    path
    for path in [ROOT / "README.rst", *sorted((ROOT / "docs").rglob("*.rst"))]
    if not {"generated", "api", "_build"} & set(path.relative_to(ROOT).parts)
]
#: Blocks that cannot run here: what needs a network, an archive or a Hub model that there is not,
#: and what is shown to be put elsewhere.
ELSEWHERE = ("fetch_mdi(", "/archive/", "owner/name@", "   Architecture(")
#: Blocks whose numbers a test of their own compares with the page.
MEASURED = ("measure_flux(", "later - first")

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="no docs beside the tests")


def blocks(page, language):
    """Code blocks of a page, without their indentation."""
    pattern = rf"^( *)\.\. code-block:: {language}\n\n((?:\1 +.*\n|\n)+)"
    text = page.read_text(encoding="utf-8") + "\n"
    return [dedent(code) for _, code in re.findall(pattern, text, re.MULTILINE)]


def having(language):
    return [
        pytest.param(page, id=page.relative_to(ROOT).as_posix())
        for page in PAGES
        if blocks(page, language)
    ]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with the files that the pages name."""
    folder = tmp_path_factory.mktemp("files")
    example_mdi_map().submap([32, 32] * u.pix, top_right=[95, 95] * u.pix).save(folder / "mdi.fits")
    example_hmi_map().save(folder / "hmi.m_720s.fits")
    shutil.copy(folder / "mdi.fits", folder / "mdi.fd_M_96m_lev182.20101015_000000_TAI.data.fits")
    weights = Path(super_resolution.__file__).parent / "weights"
    shutil.copytree(weights, folder / "path" / "to" / "model")
    return folder


@pytest.fixture
def quick(monkeypatch):
    """`super_resolve` with few members and steps, and no windows."""
    whole = super_resolution.super_resolve

    def few(mdi_map, **options):
        options = {"num_steps": 1, "progress": False} | options
        options["n_samples"] = min(options.get("n_samples", 2), 2)
        return whole(mdi_map, **options)

    monkeypatch.setattr(super_resolution, "super_resolve", few)
    monkeypatch.setattr(plt, "show", lambda *args, **options: None)
    yield few
    plt.close("all")


@pytest.mark.parametrize("page", having("python"))
def test_python_blocks_run(page, files, quick, tmp_path, monkeypatch):
    """One after the other, as a reader would; what a page takes for granted is there."""
    work = tmp_path / "work"
    shutil.copytree(files, work)
    monkeypatch.chdir(work)
    mdi_map = sunpy.map.Map("mdi.fits")
    hmi_like, uncertainty = quick(mdi_map, seed=1)
    known = {
        "mdi_map": mdi_map,
        "maps": [mdi_map],
        "hmi_map": hmi_like,
        "hmi_like": hmi_like,
        "uncertainty": uncertainty,
        "super_resolve": quick,
    }
    for number, code in enumerate(blocks(page, "python")):
        program = compile(code, f"{page.name}, block {number}", "exec")
        if not any(mark in f"   {code}" for mark in (*ELSEWHERE, *MEASURED)):
            exec(program, known)


def test_the_error_of_a_change_is_what_the_page_says(capsys):
    """The numbers of docs/howto/sequence.rst, which the embedded model gives."""
    page = ROOT / "docs" / "howto" / "sequence.rst"
    measure, show = (b for b in blocks(page, "python") if any(mark in b for mark in MEASURED))
    (printed,) = blocks(page, "text")
    known = {"super_resolve_sequence": super_resolve_sequence}
    capsys.readouterr()
    exec(measure, known)
    exec(show, known)
    number = r"\d+\.\d+"
    shown = capsys.readouterr().out
    labels = [re.sub(number, "", text).split() for text in (shown, printed)]
    assert labels[0] == labels[1]
    found, said = ([float(n) for n in re.findall(number, text)] for text in (shown, printed))
    # Another processor changes the last digits.
    assert found == pytest.approx(said, abs=0.03)
    change, error, changed_anew, larger, truth = found
    assert error < larger / 2
    assert abs(change - truth) < 2 * error


@pytest.mark.parametrize("page", having("console"))
def test_commands_and_their_options_exist(page, capsys):
    for block in blocks(page, "console"):
        for line in block.splitlines():
            found = re.search(r"sunpy-superres ([a-z]+)(.*)", line)
            if not found or line.startswith(("$ source", "$ git")):
                continue
            with pytest.raises(SystemExit) as ended:
                main([found[1], "--help"])
            usage = capsys.readouterr().out
            assert ended.value.code == 0, line
            for option in re.findall(r"(?<=\s)--?[a-z][a-z-]*", found[2]):
                assert re.search(rf"{option}\b", usage), f"{line}: {option}"
