#!/usr/bin/env bash
# safetensors saves a Cutout2D of a magnetogram as other pixels than those of the cut-out.
#
# Expected: a cut-out that is saved and loaded is the same array, or save_file raises an error, as it
# does for a PyTorch tensor that is a view (NumPy users are told in the docstring only that arrays
# have to be contiguous).
# Found: the array of astropy's Cutout2D is a view of the full image.  safetensors.numpy writes as many
# numbers as the cut-out has, but from consecutive places of the memory, that is along the first rows
# of the full image.  Shape and type are right, and nothing is said.  A transposed image comes back
# scrambled in the same way.
# Matters here: this is how patches for training are cut and packed.  The patches still look like the
# Sun to a histogram; numpy.ascontiguousarray before saving is needed.
#
# Seen with safetensors 0.8.0, astropy 8.0.2 and numpy 2.4.6 (Python 3.11).  Fails if the pixels come
# back right or an error is raised.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check "safetensors==0.8.0" "astropy==8.0.2" "numpy==2.4.6"
"$scratch/venv/bin/python" - "$scratch" <<'PYTHON'
import sys
from pathlib import Path

import astropy
import numpy as np
import safetensors
from astropy.nddata import Cutout2D
from safetensors.numpy import load_file, save_file

path = Path(sys.argv[1]) / "patch.safetensors"
full = np.arange(64, dtype=np.float32).reshape(8, 8)
patch = Cutout2D(full, position=(4, 4), size=(3, 3)).data
print("safetensors", safetensors.__version__, "astropy", astropy.__version__)
for name, array in (("cut-out", patch), ("transposed", full.T)):
    save_file({"field": array, "copy": np.ascontiguousarray(array)}, path)
    loaded = load_file(path)
    print(f"{name}: saved {array[:2, :3].tolist()}, loaded {loaded['field'][:2, :3].tolist()}")
    assert loaded["field"].shape == array.shape
    assert not np.array_equal(loaded["field"], array)
    assert np.array_equal(loaded["field"].ravel(), array.base.ravel()[np.arange(array.size)]
                          if name == "transposed" else np.ravel(full)[27 : 27 + array.size])
    assert np.array_equal(loaded["copy"], array)
PYTHON
