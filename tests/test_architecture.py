"""The house: imports go down, never up, and no private name crosses from room to room."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sunpy_superres

PACKAGE = Path(__file__).parents[1] / "sunpy_superres"
#: Rooms and modules of the top level, from the command line down; each may import what stands
#: below it.  CONTRIBUTING.rst has a paragraph on each.
ORDER = (
    "__init__ benchmark cli training evaluation datasets batch data super_resolution metrics "
    "sampling models maps instruments files exceptions torch_state progress warning version"
).split()

if not PACKAGE.is_dir():
    pytest.skip("the tests are not beside the package", allow_module_level=True)


def modules():
    """Dotted names of all modules, with their paths."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if parts[-1] != "_version":
            yield ".".join(parts).removesuffix(".__init__"), path


MODULES = dict(modules())


def imports(path):
    """``(module, name)`` of each import from this package, those within functions included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield (whole, None) if whole in MODULES else (node.module, alias.name)


def own_imports(path):
    return [
        (module, name)
        for module, name in imports(path)
        if module.split(".")[0] == "sunpy_superres" and module != "sunpy_superres._version"
    ]


def room(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def test_every_room_has_its_place():
    assert {room(module) for module in MODULES} == set(ORDER)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module):
    for other, name in own_imports(MODULES[module]):
        if room(other) == "__init__":  # the front gives names that live in the rooms
            other = f"sunpy_superres.{sunpy_superres._HOMES.get(name, 'version')}"
        assert ORDER.index(room(module)) <= ORDER.index(room(other)), f"{module} imports {other}"


def test_no_circle_of_modules():
    graph = {m: {o for o, _ in own_imports(p) if o != "sunpy_superres"} for m, p in MODULES.items()}
    done, path = set(), []

    def visit(module):
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        path.append(module)
        for other in graph.get(module, ()):
            visit(other)
        done.add(path.pop())

    for module in graph:
        visit(module)


@pytest.mark.parametrize("module", MODULES)
def test_no_private_name_crosses_a_room(module):
    for other, name in own_imports(MODULES[module]):
        private = [part for part in (*other.split(".")[1:], name or "") if part.startswith("_")]
        private = [part for part in private if part != "__version__"]
        assert not private or room(other) == room(module), f"{module} imports {other}: {private}"


#: What a bare GPU machine lacks: only torch, numpy and safetensors are there.
_LACKING = "sunpy astropy scipy tqdm accelerate tensorboard skimage reproject ndcube".split()


@pytest.mark.needs_torch
def test_the_core_of_the_training_needs_torch_numpy_and_safetensors_only():
    code = "import sys; sys.modules |= dict.fromkeys(sys.argv[1:]); "
    code += "import sunpy_superres.training.train, sunpy_superres.training.tensorboard_log"
    subprocess.run([sys.executable, "-c", code, *_LACKING], check=True, timeout=120)


def test_the_rooms_are_attributes_of_the_package():
    code = "import sunpy_superres as s; print(s.metrics.rmse.__name__, s.instruments.MDI.name, "
    code += "s.batch.read_report.__name__, s.data.example_mdi_map.__name__, s.training.__name__, "
    code += "s.evaluation.__name__, s.datasets.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=120, capture_output=True, text=True
    )
    assert done.stdout.split() == [
        "rmse", "MDI", "read_report", "example_mdi_map", "sunpy_superres.training",
        "sunpy_superres.evaluation", "sunpy_superres.datasets",
    ]  # fmt: skip
