"""``sunpy-superres publish``: put a model, with its card, on the Hub."""

from __future__ import annotations

from sunpy_superres.cli.options import add_quiet_option

__all__ = ["add_parser", "publish"]


def add_parser(commands):
    """Add the command to the sub-parsers of argparse."""
    parser = commands.add_parser("publish", help="put a model, with its card, on the Hub")
    parser.add_argument("model", metavar="MODEL", help="a folder, or 'default'")
    parser.add_argument("name", metavar="OWNER/NAME", help="repository on the Hub")
    parser.add_argument(
        "--private", action="store_true", help="if the repository is new, show it to its owner only"
    )
    parser.add_argument(
        "--revision", metavar="BRANCH", help="branch, which is made if it does not exist"
    )
    parser.add_argument("--message", help="message of the commit")
    add_quiet_option(parser)
    parser.set_defaults(function=publish, error=parser.error)


def publish(options) -> int:
    """Publish a model and print its new name."""
    from sunpy_superres.models.loading import load_model

    model = load_model(options.model, progress=not options.quiet)
    published = model.push_to_hub(
        options.name,
        private=options.private or None,
        revision=options.revision,
        message=options.message,
        progress=not options.quiet,
    )
    print(f"published: {published}")
    return 0
