"""Draw volumes, tilt series and labels; compare spectra.

One row for each file: central XY, XZ and ZY slices of a volume or labels, first, middle and last image of a
tilt series (name with "tiltseries", .st, .ali, or a .tlt beside it). Grey values are z-scored and drawn with
one scaling. --spectra adds rotationally averaged power spectra of the XY slices and histograms, and prints
standard deviation, skewness and excess kurtosis, the ratio of spectra to the first file's in bands from 400
to 30 Å, and the largest factor between them.

example:
  cts show tomogram.mrc real.mrc -o compare.png --spectra
"""

from __future__ import annotations

import argparse
from pathlib import Path

_BANDS_ANGSTROM = (400, 300, 200, 150, 100, 80, 60, 50, 40, 30)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="MRC files")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PNG", help="picture to write")
    parser.add_argument("--spectra", action="store_true", help="power spectra, histograms, moments")
    parser.add_argument(
        "--average", type=int, default=1, metavar="N", help="slices averaged for each picture"
    )
    parser.add_argument(
        "--classes", type=Path, metavar="TSV", help="colours of labels (default config/classes.tsv)"
    )
    parser.add_argument(
        "--pixel-size-angstrom", type=float, help="pixel size of all files, where headers are wrong"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing picture")


def run(arguments: argparse.Namespace) -> None:
    from cts.show import draw, largest_factor, load, spectrum_ratio, statistics
    from tomoio import read_class_table

    table = arguments.classes or Path("config/classes.tsv")
    classes = read_class_table(table) if arguments.classes or table.is_file() else None
    items = [load(path, arguments.pixel_size_angstrom) for path in arguments.paths]
    spectra = [statistics(item) for item in items] if arguments.spectra else []
    draw(
        items,
        arguments.output,
        spectra=spectra,
        classes=classes,
        average=arguments.average,
        overwrite=arguments.overwrite,
    )
    if not spectra:
        return
    print("file\tstandard_deviation\tskewness\texcess_kurtosis")
    for item, one in zip(items, spectra, strict=True):
        print(f"{item.name}\t{one.standard_deviation:.4g}\t{one.skewness:.3f}\t{one.excess_kurtosis:.3f}")
    for item, one in zip(items[1:], spectra[1:], strict=True):
        pair = f"{item.name} / {items[0].name}"
        ratios = spectrum_ratio(one, spectra[0], _BANDS_ANGSTROM)
        for low, high, ratio in zip(_BANDS_ANGSTROM[:-1], _BANDS_ANGSTROM[1:], ratios, strict=True):
            print(f"{pair}\t{low}-{high} Å\t{ratio:.3f}")
        print(f"{pair}\tlargest factor\t{largest_factor(ratios):.3f}")
