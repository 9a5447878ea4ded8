"""Architectures by name, and how to build their networks from config.json."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["ARCHITECTURES", "Architecture", "build", "configure"]


@dataclass(frozen=True)
class Architecture:
    """
    One of the systems that can be trained, loaded and compared.

    Parameters
    ----------
    name : str
    summary : str
        One line for people to read.
    family : {"diffusion", "deterministic"}
    fixed : dict
        Settings of the configuration that make this architecture what it is.
    base : tuple of str
        For a diffusion whose base is not fixed: the bases to choose from.
    """

    name: str
    summary: str
    family: str
    fixed: dict = field(default_factory=dict)
    base: tuple[str, ...] = ()


#: The systems by name.
ARCHITECTURES = {
    entry.name: entry
    for entry in (
        Architecture(
            "residual_ldm",
            "latent diffusion of the residual to a regression or to the interpolated frame",
            "diffusion",
            {"space": "latent"},
            ("regression", "interpolation"),
        ),
        Architecture(
            "ldm",
            "latent diffusion of the whole field",
            "diffusion",
            {"space": "latent", "base": "none"},
        ),
        Architecture(
            "palette_residual",
            "pixel-space diffusion of the residual to the interpolated frame",
            "diffusion",
            {"space": "pixels", "base": "interpolation"},
        ),
        Architecture(
            "palette",
            "pixel-space diffusion of the whole field",
            "diffusion",
            {"space": "pixels", "base": "none"},
        ),
        Architecture(
            "published",
            "the paper's residual latent diffusion at its size, behind Stable Diffusion's "
            "autoencoder",
            "diffusion",
            {"space": "stable_diffusion", "base": "interpolation"},
        ),
        Architecture(
            "enhance",
            "deterministic network, enlarged at its end",
            "deterministic",
            {"kind": "enhance"},
        ),
        Architecture(
            "progressive",
            "deterministic network, enlarged in two steps",
            "deterministic",
            {"kind": "progressive"},
        ),
    )
}


def configure(architecture: str, values: dict):
    """
    Make the configuration of an architecture.

    Parameters
    ----------
    architecture : str
        A name of `ARCHITECTURES`.
    values : dict
        Settings of config.json or of a recipe, with or without those that the architecture fixes.

    Returns
    -------
    ResidualLDMConfig or DeterministicConfig

    Raises
    ------
    ValueError
        If the architecture is unknown, or a setting contradicts it.
    """
    from sunpy_superres.models.deterministic import DeterministicConfig
    from sunpy_superres.models.residual_ldm import ResidualLDMConfig

    if architecture not in ARCHITECTURES:
        raise ValueError(
            f"The architecture {architecture!r} is unknown; there are {', '.join(ARCHITECTURES)}."
        )
    # The first versions of config.json and of recipes called it "sampling".
    values = {"foreshortening" if k == "sampling" else k: v for k, v in values.items()}
    entry = ARCHITECTURES[architecture]
    for name, value in entry.fixed.items():
        if values.get(name, value) != value:
            raise ValueError(f"{architecture} has {name} = {value!r}, not {values[name]!r}.")
    family = DeterministicConfig if entry.family == "deterministic" else ResidualLDMConfig
    config = family.from_dict({**values, **entry.fixed})
    if entry.base and config.base not in entry.base:
        raise ValueError(
            f"The base of {architecture} is {' or '.join(entry.base)}, not {config.base!r}."
        )
    return config


def build(config):
    """
    Make a network with fresh weights.

    Parameters
    ----------
    config : ResidualLDMConfig or DeterministicConfig

    Returns
    -------
    `~sunpy_superres.models.base.BaseNetwork`
    """
    from sunpy_superres.models.deterministic import Deterministic, DeterministicConfig
    from sunpy_superres.models.residual_ldm import ResidualLDM

    if isinstance(config, DeterministicConfig):
        return Deterministic(config)
    return ResidualLDM(config)
