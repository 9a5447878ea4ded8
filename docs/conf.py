"""Configuration of the documentation."""

import importlib.util
import os
import socket
import tomllib
import warnings
from pathlib import Path

from numpydoc.xref import DEFAULT_LINKS

from sunpy_superres import __version__

# -- Project -----------------------------------------------------------------

project = "sunpy_superres"
author = "sunpy_superres developers"
copyright = author
release = __version__
version = release.split("+")[0]
# Public addresses: set in pyproject.toml, and in the footer of each page if there are any.
with (Path(__file__).resolve().parents[1] / "pyproject.toml").open("rb") as file:
    addresses = tomllib.load(file)["project"].get("urls", {})

# -- General -----------------------------------------------------------------

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_automodapi.automodapi",
    "sphinx_automodapi.smart_resolver",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_changelog",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "Thumbs.db", ".DS_Store", "sg_execution_times.rst"]
default_role = "obj"
suppress_warnings = ["config.cache"]

bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"

# automodapi lists the members; numpydoc must not list them a second time.
numpydoc_show_class_members = False
# Types of parameters and results are links, where they are classes of this package.
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"
numpydoc_xref_aliases = {
    "SuperResolution": "sunpy_superres.SuperResolution",
    "SuperResolutionSamples": "sunpy_superres.super_resolution.SuperResolutionSamples",
    "Measurement": "sunpy_superres.metrics.Measurement",
    "PolarityInversionLine": "sunpy_superres.metrics.PolarityInversionLine",
    "Spectrum": "sunpy_superres.metrics.Spectrum",
    "ActiveRegions": "sunpy_superres.metrics.ActiveRegions",
    "Bipole": "sunpy_superres.metrics.Bipole",
    "LeftOut": "sunpy_superres.batch.movie.LeftOut",
    # numpydoc's links into Python's manual are warnings where there is no network.
    **{word: word for word in DEFAULT_LINKS},
}
automodapi_toctreedirnm = "api"
automodapi_inheritance_diagram = False


def _network():
    """Whether the other projects' documentation can be reached; without it, no links there."""
    try:
        socket.create_connection(("docs.sunpy.org", 443), timeout=5).close()
    except OSError:
        return False
    return True


intersphinx_timeout = 10
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "numpy": ("https://numpy.org/doc/stable", None),
    "astropy": ("https://docs.astropy.org/en/stable", None),
    "sunpy": ("https://docs.sunpy.org/en/stable", None),
    "ndcube": ("https://docs.sunpy.org/projects/ndcube/en/stable", None),
    "reproject": ("https://reproject.readthedocs.io/en/stable", None),
    "torch": ("https://docs.pytorch.org/docs/stable", None),
    "matplotlib": ("https://matplotlib.org/stable", None),
}

if not _network():
    intersphinx_mapping = {}

# -- Gallery -----------------------------------------------------------------

# The examples run on the embedded model and the embedded example; nothing is fetched.
os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore", message=".*is non-interactive, and thus cannot be shown")

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "generated/gallery",
    "filename_pattern": r"[/\\]plot_",
    "download_all_examples": False,
    "within_subsection_order": "FileNameSortKey",
    # What is printed, and not what the last line of a block happens to return.
    "capture_repr": (),
    "remove_config_comments": True,
    # No page of run times: it differs in every build.
    "show_signature": False,
    "write_computation_times": False,
    "reference_url": {"sunpy_superres": None},
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sunpy_superres",),
}


def _link_examples(app, what, name, obj, options, lines):
    """Add the examples that use a function or a class to its page."""
    folder = Path(app.srcdir) / sphinx_gallery_conf["backreferences_dir"]
    examples = folder / f"{name}.examples"
    if what in ("function", "class") and examples.is_file() and examples.stat().st_size:
        lines += ["", ".. rubric:: Gallery", "", f".. minigallery:: {name}", ""]


def setup(app):
    """Connect what this file adds to Sphinx."""
    app.connect("autodoc-process-docstring", _link_examples, priority=900)


# -- HTML --------------------------------------------------------------------

if importlib.util.find_spec("sunpy_sphinx_theme") is not None:
    html_theme = "sunpy"
    html_theme_options = {
        # Visits of these pages are not counted.
        "goatcounter_analytics_url": False,
        "footer_start": ["copyright.html", "package-version.html"],
    }
    if addresses:
        html_theme_options["footer_links"] = [[name, url, 3] for name, url in addresses.items()]
    # The theme's own default is not found from a page in a folder.
    from sunpy_sphinx_theme import SVG_ICON

    html_favicon = str(SVG_ICON)
html_title = "sunpy_superres"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
