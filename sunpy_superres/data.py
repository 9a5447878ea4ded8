"""Magnetograms to try the package on: a real and a simulated one, and those that Fido downloads."""

from sunpy_superres.maps.examples import (
    example_hmi_map,
    example_mdi_map,
    fetch_mdi,
    sample_mdi_map,
)

__all__ = ["example_hmi_map", "example_mdi_map", "fetch_mdi", "sample_mdi_map"]
