"""``python -m sunpy_superres.benchmark``: speed and memory on this machine."""

import sys

from sunpy_superres.evaluation.benchmark import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
