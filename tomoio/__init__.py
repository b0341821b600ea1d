"""The file contract between the packages: volumes, labels, tables, manifests, configuration."""

from importlib.metadata import PackageNotFoundError, version

from tomoio.files import new_file, sha256_of
from tomoio.labels import (
    BACKGROUND,
    IGNORE,
    ClassTable,
    LabelClass,
    read_class_table,
    read_labels,
    write_labels,
)
from tomoio.manifest import read_manifest, write_manifest
from tomoio.volume import (
    Volume,
    VolumeHeader,
    VolumeReader,
    create_volume,
    read_header,
    read_stack,
    read_volume,
    write_stack,
    write_volume,
)

try:
    __version__ = version("neuralseg")
except PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0+unknown"

__all__ = [
    "BACKGROUND",
    "IGNORE",
    "ClassTable",
    "LabelClass",
    "Volume",
    "VolumeHeader",
    "VolumeReader",
    "__version__",
    "create_volume",
    "new_file",
    "read_class_table",
    "read_header",
    "read_labels",
    "read_manifest",
    "read_stack",
    "read_volume",
    "sha256_of",
    "write_labels",
    "write_manifest",
    "write_stack",
    "write_volume",
]
