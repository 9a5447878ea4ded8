"""The documentation names everything public, and its pages lead somewhere; without Sphinx."""

import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest

import sunpy_superres

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
#: Made by the build.
GENERATED = ("generated/", "api/")

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="no docs folder beside the tests")


def public_modules():
    """Names of the modules without a leading underscore that say what is public."""
    walk = pkgutil.walk_packages(sunpy_superres.__path__, "sunpy_superres.")
    names = ["sunpy_superres", *(module.name for module in walk)]
    names = [n for n in names if not any(part.startswith("_") for part in n.split("."))]
    return [n for n in names if hasattr(import_module(n), "__all__")]


def text_of_reference():
    """The pages of the reference, as one text."""
    return "\n".join(p.read_text(encoding="utf-8") for p in sorted((DOCS / "reference").iterdir()))


def in_reference(directive):
    """Arguments of a directive of the reference."""
    return re.findall(rf"^\.\. {directive}:: *(\S+)", text_of_reference(), re.MULTILINE)


def pages():
    return [
        path
        for path in sorted(DOCS.rglob("*.rst"))
        if not str(path.relative_to(DOCS).as_posix()).startswith((*GENERATED, "_build/"))
    ]


def target_of(page, target):
    """The page that a target of :doc: or of a toctree means; None for one the build makes."""
    name = target.removeprefix("/")
    folder = DOCS if target.startswith("/") else page.parent
    path = (folder / f"{name}.rst").resolve()
    relative = path.relative_to(DOCS.resolve()).as_posix()
    return None if relative.startswith(GENERATED) else path


def toctree_entries(text):
    """What the toctrees of a page list."""
    for block in re.findall(r"^\.\. toctree::\n((?:[ \t]+\S.*\n|\n)*)", text, re.MULTILINE):
        for line in block.splitlines():
            entry = line.strip()
            if entry and not entry.startswith(":"):
                yield re.sub(r"^.*<(.+)>$", r"\1", entry)


def documented():
    """Names with what they stand for, as the reference lists them."""
    blocks = re.findall(r"^\.\. automodapi:: *(\S+)\n((?: +:.*\n)*)", text_of_reference(), re.M)
    for module, options in blocks:
        skipped = re.findall(r":skip: *(.*)", options)
        skipped = {name.strip() for line in skipped for name in line.split(",")}
        for name in import_module(module).__all__:
            value = getattr(import_module(module), name)
            # Of a module, automodapi lists the functions and the classes only.
            if name not in skipped and (inspect.isclass(value) or inspect.isroutine(value)):
                yield name, id(value)
    for path in in_reference("(?:py:|auto)data"):
        module, _, name = path.rpartition(".")
        yield name, id(getattr(import_module(module), name))


@pytest.fixture(scope="module")
def reference():
    return set(documented())


@pytest.mark.parametrize("module", public_modules())
def test_every_public_name_is_in_the_reference(module, reference):
    loaded = import_module(module)
    missing = [n for n in loaded.__all__ if (n, id(getattr(loaded, n))) not in reference]
    assert not missing, (
        f"docs/reference lacks {', '.join(missing)}: "
        f"add '.. automodapi:: {module}', or '.. autodata::' for what is no function and no class"
    )


def test_the_reference_names_modules_that_exist():
    for name in in_reference("automodapi"):
        assert import_module(name).__all__, name


@pytest.mark.parametrize("page", pages(), ids=lambda p: p.relative_to(DOCS).as_posix())
def test_links_between_pages_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    targets = [re.sub(r"^[^`]*<(.+)>$", r"\1", t) for t in re.findall(r":doc:`([^`]+)`", text)]
    for target in [*targets, *toctree_entries(text)]:
        path = target_of(page, target)
        assert path is None or path.is_file(), target
    for kind in ("figure", "image", "include"):
        for name in re.findall(rf"^\.\. {kind}:: *(\S+)", text, re.MULTILINE):
            assert (page.parent / name).is_file(), name
    for name in re.findall(r"^ +:file: *(\S+)", text, re.MULTILINE):
        assert (page.parent / name).is_file(), name


def test_every_page_is_in_a_toctree():
    listed = {DOCS.resolve() / "index.rst"}
    for page in pages():
        for entry in toctree_entries(page.read_text(encoding="utf-8")):
            listed.add(target_of(page, entry))
    assert {page.resolve() for page in pages()} <= listed


def test_references_to_examples_name_files():
    for page in [*pages(), *sorted((ROOT / "examples").glob("*.rst"))]:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"sphx_glr_generated_gallery_(\w+)\.py", text):
            assert (ROOT / "examples" / f"{name}.py").is_file(), f"{page}: {name}"


def test_every_citation_is_in_the_bibliography():
    known = re.findall(r"^@\w+\{(\w+),", (DOCS / "references.bib").read_text("utf-8"), re.MULTILINE)
    assert len(known) == len(set(known))
    for page in [*pages(), *sorted((ROOT / "examples").glob("*.py"))]:
        for keys in re.findall(r":cite:\w+:`([^`]+)`", page.read_text(encoding="utf-8")):
            assert set(keys.replace(" ", "").split(",")) <= set(known), f"{page}: {keys}"
