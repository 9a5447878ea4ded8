"""
One timed run of the package that this process finds, whichever build of it that is.

`sunpy_superres.evaluation.side_by_side` hands the text of this file to an interpreter.  So it uses
only what every build has: ``super_resolve``, the command ``info``, and the settings of the
commands' processes where a build has them.
"""

import contextlib
import importlib
import io
import json
import resource
import sys
import time
import warnings
from pathlib import Path

#: Where builds have the settings of the commands' processes, the newer place first.
_SETTINGS = (
    "sunpy_superres.sampling.memory",
    "sunpy_superres.batch.scheduling",
    "sunpy_superres.scheduling",
)


def peak_memory():
    """Return this process's peak memory in bytes."""
    # ru_maxrss would count the process that started this one.
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def read_facts(model):
    """Ask the command ``info`` for version, revision, steps and number format."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        importlib.import_module("sunpy_superres.cli").main(["info", "--json", "--model", model])
    facts = json.loads(printed.getvalue())
    return {name: facts.get(name) for name in ("version", "model", "revision", "steps", "dtype")}


def as_in_the_commands():
    """Keep freed memory, and return the tile size, as the commands do; nothing in other builds."""
    for name in _SETTINGS:
        with contextlib.suppress(ImportError, AttributeError):
            settings = importlib.import_module(name)
            settings.reuse_memory()
            # Where the commands have no size of their own, that of the library.
            size = getattr(settings, "TILE_SIZE", None)
            return {} if size is None else {"tile_size": size}
    return {}


def run(warm_up, frame, options):
    """Super-resolve a small frame, then the one that is timed."""
    import sunpy.map

    build = importlib.import_module("sunpy_superres")
    # Before torch has its first array, as in the commands.
    options = as_in_the_commands() | options
    facts = read_facts(options.get("model", "default")) | {"file": build.__file__}
    facts |= {name: options[name] for name in ("dtype",) if options.get(name)}
    common = {"seed": 0, "progress": False}
    build.super_resolve(sunpy.map.Map(warm_up), **{**options, **common, "n_samples": 1})
    smap = sunpy.map.Map(frame)
    started = time.perf_counter()
    hmi_like, _ = build.super_resolve(smap, **options, **common)
    seconds = time.perf_counter() - started
    # The result says how many steps it really took.
    facts |= {"steps": hmi_like.meta.get("srsteps"), "tile_size": options.get("tile_size")}
    return {"seconds": seconds, "memory": peak_memory(), "facts": facts}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(run(*json.loads(sys.argv[1]))))
