"""``python -m sunpy_superres.cli``."""

import sys

from sunpy_superres.cli import main

sys.exit(main())
