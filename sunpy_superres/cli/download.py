"""``sunpy-superres download``: bring a model of the Hub into the cache."""

from __future__ import annotations

from sunpy_superres.cli.options import add_quiet_option

__all__ = ["add_parser", "download"]


def add_parser(commands):
    """Add the command to the sub-parsers of argparse."""
    parser = commands.add_parser("download", help="bring a model of the Hub into the cache")
    parser.add_argument("name", metavar="OWNER/NAME[@REVISION]", help="model on the Hub")
    parser.add_argument("--force", action="store_true", help="fetch cached files again")
    add_quiet_option(parser)
    parser.set_defaults(function=download, error=parser.error)


def download(options) -> int:
    """Download a model and print where it is."""
    from sunpy_superres.models.loading import download_model

    folder = download_model(options.name, force=options.force, progress=not options.quiet)
    print(f"{'folder':24} {folder}\n{'revision':24} {folder.name}")
    return 0
