"""Magnetograms to try the package on: one simulated in code, and real ones by Fido."""

from sunpy_superres.maps.examples import example_hmi_map, example_mdi_map, fetch_mdi

__all__ = ["example_hmi_map", "example_mdi_map", "fetch_mdi"]
