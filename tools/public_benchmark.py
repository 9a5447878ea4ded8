"""
Make the table of the public-benchmark page: all systems on the real pairs, a row for each.

``python tools/public_benchmark.py`` reads three things in docs/tables: systems.csv, which names
the systems with their dates and configurations, in the order of the page; pairs_comparison.csv,
which ``sunpy-superres evaluate --split pairs`` wrote, with a column for each system of the package;
and contributed/NAME/, with the tables that ``sunpy-superres compare -o`` wrote for the system NAME
of somebody else, one for each pair.  It writes public_benchmark.csv beside them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from astropy.table import MaskedColumn, Table

__all__ = ["build", "main", "pool"]

TABLES = Path(__file__).parents[1] / "docs" / "tables"
#: Rows of pairs_comparison.csv that are properties of a network and a machine, not scores.
_NO_SCORES = ("parameters", "TFLOP", "seconds")
#: Rows of a table of ``compare`` that are averaged over the pairs, and their names on the page.
_MEANS = {
    "correlation": "correlation",
    "gradient ratio": "gradient ratio",
    "PSNR": "PSNR (dB)",
    "SSIM": "SSIM",
    "resolved scale": "resolved scale (″)",
    "coverage, 1 sigma": "within 1 sigma",
    "coverage, 2 sigma": "within 2 sigma",
    "spread / skill": "spread / skill",
}


def pool(tables) -> dict:
    """
    Pool the tables of ``compare`` of one system over the pairs.

    Parameters
    ----------
    tables : sequence of `~astropy.table.Table`

    Returns
    -------
    dict
        Name of the score on the page to its value: the RMSE over all pixels, the ratio of all
        unsigned flux, and means over the pairs of the others.
    """
    rows = [{str(row["metric"]): row for row in table} for table in tables]

    def values(name, column="value"):
        return np.array([row[name][column] for row in rows], float)

    pixels = values("pixels")
    scores = {
        "RMSE (G)": np.sqrt((pixels * values("RMSE") ** 2).sum() / pixels.sum()),
        "unsigned flux ratio": values("unsigned flux").sum()
        / values("unsigned flux", "reference").sum(),
    }
    for name, label in _MEANS.items():
        if all(name in row for row in rows):
            scores[label] = values(name).mean()
    return {label: float(value) for label, value in scores.items()}


def build(folder=TABLES) -> Table:
    """
    Make the table from the files in a folder.

    Parameters
    ----------
    folder : path-like
        With systems.csv, pairs_comparison.csv and, for systems that the latter does not have,
        contributed.

    Returns
    -------
    `~astropy.table.Table`
        A row for each system, a column for each score; masked where a score is not known.

    Raises
    ------
    ValueError
        If a system has no scores, or a column of pairs_comparison.csv no system.
    """
    folder = Path(folder)
    systems = Table.read(folder / "systems.csv", format="ascii.csv")
    scored = Table.read(folder / "pairs_comparison.csv", format="ascii.csv")
    labels = [str(label) for label in scored["score"]]
    labels = [label for label in labels if not label.startswith(_NO_SCORES)]
    nameless = set(scored.colnames) - {"score", *map(str, systems["column"])}
    if nameless:
        raise ValueError(f"systems.csv lacks {', '.join(sorted(nameless))}; add a row for each.")
    rows = []
    for name in map(str, systems["column"]):
        if name in scored.colnames:
            rows.append(dict(zip(map(str, scored["score"]), scored[name], strict=True)))
            continue
        paths = sorted((folder / "contributed" / name).glob("*.csv"))
        if not paths:
            raise ValueError(
                f"pairs_comparison.csv has no column {name}, and contributed/{name} no table of "
                "'sunpy-superres compare -o'; add one for each pair."
            )
        rows.append(pool([Table.read(path, format="ascii.csv") for path in paths]))
    table = systems[[name for name in systems.colnames if name != "column"]]
    for label in labels:
        values = [row.get(label, np.ma.masked) for row in rows]
        unknown = [value is np.ma.masked for value in values]
        numbers = [np.nan if value is np.ma.masked else float(value) for value in values]
        table[label] = MaskedColumn(numbers, mask=unknown, format=".4g")
    return table


def main():
    """Write the table."""
    build().write(TABLES / "public_benchmark.csv", format="ascii.csv", overwrite=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
