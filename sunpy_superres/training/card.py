"""The model card of a training: what it was trained on, what was held out, what was measured."""

from __future__ import annotations

__all__ = ["write_card"]

#: Scores in the card, by their names in `~sunpy_superres.evaluation.scores.Scores.table`.
_ROWS = (
    "RMSE bicubic (G)",
    "RMSE mean (G)",
    "RMSE sample (G)",
    "correlation bicubic",
    "correlation mean",
    "gradient ratio sample",
    "unsigned flux ratio sample",
    "spread / skill of mean",
)


def write_card(revision, architecture, training, scores, n_samples) -> str:
    """
    Write the text of a model card.

    Parameters
    ----------
    revision, architecture : str
    training : dict
        Record of the training, as in config.json.
    scores : `~sunpy_superres.evaluation.scores.Scores`
        Of the validation regions, before the calibration.
    n_samples : int
        Members of the ensembles from which the scores are.

    Returns
    -------
    str
        Markdown.
    """
    trained, held_out = training.get("trained on"), training.get("held out", {})
    regions = [f"- trained on: {', '.join(trained) if trained else 'not recorded'}"]
    regions += [f"- {split}: {', '.join(names)}" for split, names in held_out.items()]
    table = scores.table()
    rows = [f"| {name} | {table[name]:.4g} |" for name in _ROWS if name in table]
    steps = training.get("steps of the last stage")
    lines = [
        "---",
        "library_name: sunpy_superres",
        "tags: [solar-physics, super-resolution, magnetogram]",
        "---",
        "",
        f"# {architecture}, MDI to HMI, revision {revision}",
        "",
        "Draws SDO/HMI-like line-of-sight magnetograms (0.5 arcsec per pixel) given a SOHO/MDI one",
        "(2 arcsec per pixel), for the Python package sunpy_superres. Structure finer than MDI",
        "resolved is drawn from what HMI shows elsewhere; it is not measured.",
        "",
        "## Training",
        "",
        f"Data: {training.get('data', 'not recorded')}.",
        *([f"Steps of the last stage: {steps}."] if steps is not None else []),
        "",
        *regions,
        "",
        "## Measured on the validation regions",
        "",
        f"{int(scores.sums['maps'])} frames by simulate_mdi with 12 and 24 G of noise, "
        f"{n_samples} members, before the calibration of the uncertainty (which is measured on the "
        "same frames).",
        "",
        "| score | value |",
        "| --- | --- |",
        *rows,
        "",
    ]
    return "\n".join(lines)
