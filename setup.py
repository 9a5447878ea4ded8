# Everything is declared in pyproject.toml.  This file is for tools that look for a
# setup.py to recognise a Python project, and for editable installs by old versions of pip.
from setuptools import setup

setup()
