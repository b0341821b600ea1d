"""Fetch, list and import the structures that specimens are made of.

A structures table names where each structure comes from: ``builtin:NAME`` needs nothing, ``file:PATH`` is a
PDB, mmCIF or MRC file, ``pdb:ID`` is downloaded once into a store.

    cts structures list config/structures.tsv
    cts structures fetch config/structures-paper.tsv --store resources/structures
    cts structures fetch TABLE --from /archive/mmCIF          (a folder or another server)
    cts structures fetch TABLE --config config/config.yaml    (as specimen.download there says)
    cts structures import MY_CTS_FOLDER -o my-structures.tsv --class ribo=ribosome
"""

from __future__ import annotations

import argparse
from pathlib import Path

DEFAULT_STORE = Path("resources/structures")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    fetch = actions.add_parser("fetch", help="download what is missing, read and keep every structure")
    listing = actions.add_parser("list", help="print mass, size and classes of every structure")
    for action in (fetch, listing):
        action.add_argument("table", type=Path, help="structures table (TSV)")
        action.add_argument("--classes", type=Path, default=Path("config/classes.tsv"), help="class table")
        action.add_argument(
            "--store", type=Path, default=DEFAULT_STORE, help="folder of downloads (default %(default)s)"
        )
        action.add_argument(
            "--from", dest="base_url", metavar="URL", help="address or folder that holds ID.cif.gz"
        )
        action.add_argument(
            "--config", type=Path, help="specimen or pipeline configuration whose key `download` holds"
        )
        action.add_argument("--attempts", type=int, help="how often to try a download")
        action.add_argument("--timeout", type=float, metavar="S", help="longest silence of the server, s")
    importing = actions.add_parser("import", help="make a table from a folder of CTS-named files")
    importing.add_argument("folder", type=Path, help="folder of .pdb, .cif and .mrc files")
    importing.add_argument("-o", "--output", type=Path, required=True, help="table to write (TSV)")
    importing.add_argument(
        "--class",
        dest="renamed",
        action="append",
        default=[],
        metavar="ID=CLASS",
        help="call a class id of the file names by the name of a class; repeat as needed",
    )
    importing.add_argument(
        "--classes",
        type=Path,
        default=Path("config/classes.tsv"),
        help="class table to compare with (default %(default)s)",
    )
    importing.add_argument("--overwrite", action="store_true", help="replace the table")


def run(arguments: argparse.Namespace) -> None:
    """Run the chosen action."""
    if arguments.action == "import":
        _import(arguments)
    else:
        _load(arguments)


def _load(arguments: argparse.Namespace) -> None:
    from tqdm import tqdm

    from cts.config.specimen import SpecimenConfig
    from cts.config.structures import DownloadConfig, read_structure_table
    from cts.structures import load_structures
    from tomoio import read_class_table
    from tomoio.config import load_yaml, parse_config

    wishes = {
        "base_url": arguments.base_url,
        "attempts": arguments.attempts,
        "timeout_seconds": arguments.timeout,
    }
    given = {key: value for key, value in wishes.items() if value is not None}
    if arguments.config is not None:
        stated = load_yaml(arguments.config, SpecimenConfig, section="specimen").download
        given = stated.model_dump() | given
    download = parse_config(given, DownloadConfig, "cts structures")
    rows = read_structure_table(arguments.table, read_class_table(arguments.classes))
    quiet = arguments.action == "list"
    lines = ["structure_id\tmass_kda\tradius_angstrom\tconformers\tsubmodels\tclass\tplacement\tsource"]
    for row in tqdm(rows, unit="structure", disable=quiet or None):
        conformers = load_structures([row], arguments.store, download)[row.structure_id]
        first = conformers[0]
        lines.append(
            f"{row.structure_id}\t{first.mass_da / 1000:.0f}\t{first.radius_angstrom:.0f}\t"
            f"{len(conformers)}\t{len(first.submodels)}\t{','.join(row.classes)}\t"
            f"{row.placement}\t{row.source}"
        )
    print("\n".join(lines) if quiet else f"{len(rows)} structures ready in {arguments.store}")


def _import(arguments: argparse.Namespace) -> None:
    from cts.structure_import import import_folder
    from cts.structures import write_structure_table

    renamed = {}
    for text in arguments.renamed:
        theirs, _, ours = text.partition("=")
        if not theirs or not ours:
            raise ValueError(f"--class {text}: wanted ID=CLASS, such as ribo=ribosome")
        renamed[theirs] = ours
    rows = import_folder(arguments.folder, renamed)
    write_structure_table(arguments.output, rows, overwrite=arguments.overwrite)
    print(f"{len(rows)} structures in {arguments.output}")
    _tell_unknown_classes(arguments.classes, sorted({name for row in rows for name in row.classes}))


def _tell_unknown_classes(table: Path, names: list[str]) -> None:
    """Print which classes `cts model` would refuse, and what to do about it."""
    from tomoio import read_class_table

    known = {entry.name for entry in read_class_table(table)} if table.is_file() else set()
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"not in {table}: {', '.join(unknown)}")
        print(f"add rows for them there, or import again with --class {unknown[0]}=CLASS and so on")
