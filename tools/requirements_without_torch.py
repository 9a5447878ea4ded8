"""Print what the package and its tests need, as pip takes it, without torch and what needs it."""

import argparse
import re
import tomllib
from pathlib import Path

#: Requirements that install torch, or another extra of the package.
_NEEDS_TORCH = {"torch", "torchmetrics", "sunpy_superres"}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pyproject", type=Path, help="pyproject.toml of the package")
    project = tomllib.loads(parser.parse_args().pyproject.read_text())["project"]
    for requirement in project["dependencies"] + project["optional-dependencies"]["tests"]:
        if re.match(r"[\w.-]+", requirement)[0] not in _NEEDS_TORCH:
            print(requirement)
