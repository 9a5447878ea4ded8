"""Configuration of the documentation."""

import importlib.util
import os
import socket
import warnings

from sunpy_superres import __version__

# -- Project -----------------------------------------------------------------

project = "sunpy_superres"
author = "sunpy_superres developers"
copyright = author
release = __version__
version = release.split("+")[0]

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
}

# -- HTML --------------------------------------------------------------------

if importlib.util.find_spec("sunpy_sphinx_theme") is not None:
    html_theme = "sunpy"
    # Visits of these pages are not counted.
    html_theme_options = {"goatcounter_analytics_url": False}
    # The theme's own default is not found from a page in a folder.
    from sunpy_sphinx_theme import SVG_ICON

    html_favicon = str(SVG_ICON)
html_title = "sunpy_superres"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
