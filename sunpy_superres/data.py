"""Magnetograms to try the package on: a simulated one, and real ones that Fido downloads."""

from sunpy_superres.maps.examples import example_hmi_map, example_mdi_map, fetch_mdi

__all__ = ["example_hmi_map", "example_mdi_map", "fetch_mdi"]
