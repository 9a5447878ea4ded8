"""The page of each metric stands for itself: nothing is said to be as in another one."""

import inspect

import pytest

from sunpy_superres import metrics
from sunpy_superres.metrics import _docstrings


@pytest.mark.parametrize("name", metrics.__all__)
def test_a_page_is_complete(name):
    page = inspect.getdoc(getattr(metrics, name))
    for reference in ("As `", "as `rmse`", "those of `", "``{", "{pair", "{field}", "{region"):
        assert reference not in page, reference
    assert not any(line.strip().strip("{}") in _docstrings._SECTIONS for line in page.splitlines())


@pytest.mark.parametrize("name", metrics.__all__)
def test_a_page_has_each_parameter_in_the_order_of_the_call(name):
    function = getattr(metrics, name)
    page = inspect.getdoc(function).partition("\nReturns\n")[0].splitlines()
    documented = [line.partition(" : ")[0] for line in page if " : " in line and line[0] != " "]
    documented = [one for line in documented for one in line.split(", ")]
    parameters = inspect.signature(function).parameters.values()
    expected = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    assert [one for one in documented if one in expected] == documented[: len(expected)]
    assert set(expected) <= set(documented)


def test_help_shows_what_the_metrics_share():
    page = inspect.getdoc(metrics.psnr)
    assert "lower left and upper right corner" in page
    assert "another grid is brought to that of the Map" in page
    assert "If an argument is not a Map of a magnetic field." in page


def test_an_unknown_section_is_an_error():
    def function():
        """
        Summary.

        {nothing}
        """

    with pytest.raises(KeyError, match="nothing"):
        _docstrings.fill_docstring(function)


def test_a_function_without_a_docstring_stays_without():
    def function(): ...

    assert _docstrings.fill_docstring(function).__doc__ is None
