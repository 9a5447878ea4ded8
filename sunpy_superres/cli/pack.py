"""``sunpy-superres pack``: gather HMI magnetograms for a training in one file."""

from __future__ import annotations

import sys

from sunpy_superres.cli.options import add_output_option, get_output

__all__ = ["add_parser", "pack"]


def add_parser(commands):
    """Add the command to the sub-parsers of argparse."""
    parser = commands.add_parser(
        "pack",
        help="gather HMI magnetograms for a training in one file",
        description="Gather the HMI magnetograms of a folder (SHARP patches, cut-outs and full "
        "disks in FITS files) in one file for a training. The folder's splits.json names the "
        "regions that are held out; without one, a hash of each region's name decides. "
        "The file is lossy: the field is rounded to steps of 0.2 G.",
    )
    parser.add_argument("data", metavar="DATA", help="folder of HMI magnetograms")
    add_output_option(parser, "PACK", "the file to write")
    parser.add_argument(
        "--limit",
        type=float,
        default=64.0,
        metavar="MIB",
        help="largest size of the file, in MiB (64)",
    )
    parser.set_defaults(function=pack, error=parser.error)


def pack(options) -> int:
    """Pack a folder and print what each split holds."""
    output = get_output(options)
    from sunpy_superres.cli.notes import print_notes
    from sunpy_superres.datasets.packing import pack_folder
    from sunpy_superres.datasets.splits import HELD_OUT

    with print_notes():
        frames = pack_folder(options.data, output, options.limit)
    for split in ("train", *HELD_OUT):
        chosen = [frame for frame in frames if frame.split == split]
        pixels = sum(frame.field.size for frame in chosen) / 1e6
        regions = len({frame.region for frame in chosen})
        files = {frame.name.partition("#")[0] for frame in chosen}
        squeezed = sum("#" in frame.name for frame in chosen)
        print(
            f"{split}: {len(files)} files of {regions} regions; {len(chosen)} frames, of them "
            f"{squeezed} as they looked on the CCD; {pixels:.1f} Mpixel"
        )
    empty = [split for split in HELD_OUT if not any(f.split == split for f in frames)]
    if empty:
        print(
            f"note: no region is held out for {' and '.join(empty)}, which 'export' (validation) "
            "and 'evaluate' (test) need; give more regions, or name some in splits.json.",
            file=sys.stderr,
        )
    print(f"written: {output}")
    return 0
