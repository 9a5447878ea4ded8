"""What pyproject.toml says against what the package holds and imports."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sunpy_superres"
#: Modules whose distribution has another name.
DISTRIBUTIONS = {"PIL": "pillow", "skimage": "scikit-image", "huggingface_hub": "huggingface-hub"}

if not (ROOT / "pyproject.toml").is_file() or not PACKAGE.is_dir():
    pytest.skip("the tests are not beside the package", allow_module_level=True)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_data_file_is_packaged():
    packaged = set()
    for package, globs in PROJECT["tool"]["setuptools"]["package-data"].items():
        folder = ROOT.joinpath(*package.split("."))
        for pattern in globs:
            found = set(folder.glob(pattern))
            assert found, f"{pattern} of {package} matches nothing"
            packaged |= found
    there = {
        path
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"} and path.name[0] != "."
    }
    assert there == packaged


def _declared():
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    used = [r for name in extras if name not in {"tests", "docs"} for r in extras[name]]
    names = {re.match(r"[\w.-]+", r)[0] for r in project["dependencies"] + used}
    return {name.lower().replace("_", "-") for name in names}


def _imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


def test_every_import_is_declared():
    names = {n.split(".")[0] for path in PACKAGE.rglob("*.py") for n in _imported(path)}
    names -= set(sys.stdlib_module_names)
    # distributed comes with dask[distributed].
    wanted = {DISTRIBUTIONS.get(name, name).lower().replace("_", "-") for name in names}
    assert wanted - _declared() - {"sunpy-superres", "distributed"} == set()


def test_every_requirement_has_a_lower_bound():
    project = PROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    loose = [r for g in groups for r in g if ">=" not in r and not r.startswith("sunpy_superres[")]
    assert loose == []
