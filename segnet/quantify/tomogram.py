"""Measure one label volume: read it once, slab by slab, then look at its objects."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from segnet.config.quantification import QuantificationConfig
from segnet.quantify.clusters import Clustering, cluster_particles
from segnet.quantify.filaments import FilamentSet, find_filaments
from segnet.quantify.instances import InstanceMap
from segnet.quantify.membranes import Membrane, find_membranes
from segnet.quantify.objects import Objects, Runs, RunsByObject, find_runs, label_objects, without_islands
from segnet.quantify.particles import Particles, find_particles
from tomoio import IGNORE, ClassTable, VolumeReader
from tomoio.labels import as_labels

_logger = logging.getLogger(__name__)
_SLAB_SLICES = 16
_THREADS = 2


@dataclass(frozen=True)
class LabelsSource:
    """A label volume to measure, its tomogram, its group, and its voxel size where the header has none."""

    path: Path
    tomogram_id: str
    group: str = "all"
    pixel_size_angstrom: float | None = None


@dataclass(frozen=True)
class MeasuredTomogram:
    """What was found in one label volume; lists of instance ids run along particles, filaments, membranes."""

    source: LabelsSource
    shape: tuple[int, int, int]
    pixel_size_angstrom: float
    ignored_voxels: int
    voxels: dict[str, int]
    islands_removed: dict[str, int]
    objects: dict[str, int]
    particles: dict[str, Particles]
    clusterings: dict[str, Clustering]
    filaments: dict[str, FilamentSet]
    membranes: dict[str, list[Membrane]]
    instances: InstanceMap
    instance_ids: dict[str, NDArray[np.int64]]
    timings_s: dict[str, float] = field(default_factory=dict)

    @property
    def voxel_nm(self) -> float:
        """Voxel size, nm."""
        return self.pixel_size_angstrom / 10

    @property
    def volume_um3(self) -> float:
        """Volume that is labelled, background included and ignored voxels left out, µm³."""
        return (int(np.prod(self.shape)) - self.ignored_voxels) * (self.voxel_nm / 1000) ** 3


def tomogram_id_of(path: Path) -> str:
    """Return the tomogram id of a label volume: its file name without ``.mrc`` and ``_labels``."""
    return path.name.removesuffix(".gz").removesuffix(".mrc").removesuffix("_labels")


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - began

    def run(self, step: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Call a function and record how long it took."""
        with self(step):
            return function(*arguments, **options)


def measure_tomogram(
    source: LabelsSource, config: QuantificationConfig, classes: ClassTable, *, progress: bool = False
) -> MeasuredTomogram:
    """Find and measure every object of one label volume.

    Parameters
    ----------
    source
        Label volume.
    config
        Classes that are not in the class table must have been taken out; see `fitting_config`.
    classes
        Class table.
    progress
        Show progress bars.

    Raises
    ------
    ValueError, FileNotFoundError
        If the file is not a label volume with a voxel size, or holds labels that are not in the table.
    """
    clock = _Clock()
    with clock("read"):
        runs, ignored, pixel_size = _read(source, classes, progress)
    voxel_nm = pixel_size / 10
    with clock("objects"):
        labelled = label_objects(runs, _full_connectivity(config, classes))
        minimum = _minimum_voxels(config, classes)
        kept_runs, objects = without_islands(runs, labelled, minimum)
        by_object = RunsByObject(kept_runs, objects)
    # threads share the runs; the kernels let go of the interpreter, and no result depends on the order
    with ThreadPoolExecutor(_THREADS) as pool:

        def start(step: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Future[Any]:
            return pool.submit(clock.run, step, function, *arguments, **options)

        filament_jobs = {}
        for kind in reversed(config.filaments):
            labels = {name: classes.label_of(name) for name in kind.class_names}
            options = {"progress": progress}
            filament_jobs[kind.name] = start(
                f"filaments {kind.name}", find_filaments, kept_runs, labels, kind, voxel_nm, **options
            )
        membrane_jobs = {
            name: start(
                f"membranes {name}", find_membranes, kept_runs, objects, by_object, classes.label_of(name)
            )
            for name in config.membranes
        }
        particle_jobs = {}
        for entry in config.particles:
            label = classes.label_of(entry.class_name)
            arguments = (kept_runs, objects, label, entry, voxel_nm, int(minimum[label]))
            particle_jobs[entry.class_name] = start(
                f"particles {entry.class_name}", find_particles, *arguments
            )
        particles = {name: job.result() for name, job in particle_jobs.items()}
        filaments = {kind.name: filament_jobs[kind.name].result() for kind in config.filaments}
        membranes = {name: job.result() for name, job in membrane_jobs.items()}
    with clock("clusters"):
        clusterings = {
            name: cluster_particles(particles[name].centre * voxel_nm, config.clusters)
            for name in config.clusters.class_names
        }
    with clock("instances"):
        instances = InstanceMap(kept_runs, objects)
        ids = _number(instances, objects, particles, filaments, config, classes)
    return MeasuredTomogram(
        source,
        runs.shape,
        pixel_size,
        ignored,
        _by_class(objects, objects.voxels, classes),
        {
            name: count - _by_class(objects, None, classes)[name]
            for name, count in _by_class(labelled, None, classes).items()
        },
        _by_class(objects, None, classes),
        particles,
        clusterings,
        filaments,
        membranes,
        instances,
        ids,
        clock.seconds,
    )


def _read(source: LabelsSource, classes: ClassTable, progress: bool) -> tuple[Runs, int, float]:
    with VolumeReader(source.path, pixel_size_angstrom=source.pixel_size_angstrom) as reader:
        shape = reader.header.shape
        wanted = np.zeros(256, bool)
        wanted[[entry.label for entry in classes if entry.label != 0]] = True
        ignored = 0

        def slabs() -> Iterator[NDArray[np.uint8]]:
            nonlocal ignored
            starts = range(0, shape[0], _SLAB_SLICES)
            for z in tqdm(starts, desc=source.tomogram_id, unit="slab", disable=not progress, leave=False):
                slab = as_labels(reader.read(z, z + _SLAB_SLICES), str(source.path), classes)
                ignored += int(np.count_nonzero(slab == IGNORE))
                yield slab

        runs = find_runs(slabs(), shape, wanted)
        return runs, ignored, reader.header.pixel_size_angstrom


def _full_connectivity(config: QuantificationConfig, classes: ClassTable) -> NDArray[np.bool_]:
    """Particles touch by faces; thin sheets and filaments hold together by edges and corners too."""
    full = np.ones(256, bool)
    full[[classes.label_of(entry.class_name) for entry in config.particles]] = False
    return full


def _minimum_voxels(config: QuantificationConfig, classes: ClassTable) -> NDArray[np.int64]:
    minimum = np.full(256, config.minimum_voxels, np.int64)
    for name, voxels in config.minimum_voxels_by_class.items():
        minimum[classes.label_of(name)] = voxels
    return minimum


def _by_class(objects: Objects, weights: NDArray[np.int64] | None, classes: ClassTable) -> dict[str, int]:
    totals = np.bincount(objects.label, weights=weights, minlength=256)
    return {entry.name: int(totals[entry.label]) for entry in classes if entry.label != 0}


def _number(
    instances: InstanceMap,
    objects: Objects,
    particles: dict[str, Particles],
    filaments: dict[str, FilamentSet],
    config: QuantificationConfig,
    classes: ClassTable,
) -> dict[str, NDArray[np.int64]]:
    ids = {}
    rest = {entry.name for entry in classes if entry.label != 0} - set(particles)
    for name, found in particles.items():
        ids[name] = instances.add_particles(found)
    for kind in config.filaments:
        ids[kind.name] = instances.add_filaments(
            filaments[kind.name], [classes.label_of(name) for name in kind.class_names]
        )
        rest -= set(kind.class_names)
    for name in sorted(rest, key=classes.label_of):
        ids[name] = instances.add_objects(np.flatnonzero(objects.label == classes.label_of(name)))
    return ids


def fitting_config(config: QuantificationConfig, classes: ClassTable) -> QuantificationConfig:
    """Leave out defaults for classes that the class table does not have.

    Raises
    ------
    ValueError
        If a class that the configuration itself names is not in the table.
    """
    known = set(classes.names)
    _refuse_unknown(config, known)
    cluster_names = [name for name in config.clusters.class_names if name in known]
    particles = tuple(entry for entry in config.particles if entry.class_name in known)
    counted = {entry.class_name for entry in particles}
    missing = set(config.clusters.class_names) - counted
    if "class_names" in config.clusters.model_fields_set and missing:
        raise ValueError(
            f"clusters.class_names {sorted(missing)[0]!r}: not counted as particles; add it to particles"
        )
    filaments = []
    for kind in config.filaments:
        names = tuple(name for name in kind.class_names if name in known)
        decorated = kind.decorated_class if kind.decorated_class in known else None
        if names:
            filaments.append(kind.model_copy(update={"class_names": names, "decorated_class": decorated}))
    clusters = config.clusters.model_copy(
        update={"class_names": tuple(name for name in cluster_names if name in counted)}
    )
    return config.model_copy(
        update={
            "particles": particles,
            "filaments": tuple(filaments),
            "membranes": tuple(name for name in config.membranes if name in known),
            "clusters": clusters,
        }
    )


def _refuse_unknown(config: QuantificationConfig, known: set[str]) -> None:
    named = {
        "minimum_voxels_by_class": list(config.minimum_voxels_by_class),
        "particles": [entry.class_name for entry in config.particles],
        "filaments": [name for entry in config.filaments for name in entry.class_names],
        "membranes": list(config.membranes),
        "clusters.class_names": list(config.clusters.class_names),
    }
    given = config.model_fields_set | {f"clusters.{key}" for key in config.clusters.model_fields_set}
    for key, names in named.items():
        unknown = [name for name in names if name not in known]
        if key in given and unknown:
            raise ValueError(
                f"{key}: class {unknown[0]!r} is not in the class table; wanted one of "
                f"{', '.join(sorted(known))}"
            )
