"""Composing a specimen: carbon, membranes, filaments, particles, beads, ice, in this order."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cts.bead import BEAD_STRUCTURE, GOLD_CLASS, add_beads, add_contamination
from cts.canvas import Canvas
from cts.carbon import CARBON_CLASS, add_carbon
from cts.config.specimen import FilamentConfig, SpecimenConfig
from cts.config.structures import StructureRow
from cts.filament import PlacedFilament, Repeat, bundle_offsets, place_filaments
from cts.ice import vitreous_ice
from cts.membrane_field import MembraneField, place_membranes
from cts.microtubule import microtubule_lattice
from cts.particles import PlacementRules, Species, place_particles
from cts.placement import Body, Placed, make_body
from cts.potential import RenderedStructure
from cts.species import Chosen, filament_structures
from cts.timings import Timings
from tomoio import ClassTable
from tomoio.config import resolve
from tomoio.randomness import generator

LOGGER = logging.getLogger(__name__)

MEMBRANE_CLASS = "membrane"
# 1.21 Å³/Da of excluded volume: what fills a share of 1 weighs so much
_MG_PER_ML_FILLED = 1660.5 / 1.21


@dataclass(frozen=True)
class SpecimenModel:
    """A finished specimen: volumes (z, y, x), lists, and figures for the manifest."""

    model: NDArray[np.float32]
    atlas: NDArray[np.uint8]
    instances: NDArray[np.int32]
    membrane_distance_angstrom: NDArray[np.float32] | None
    particles: list[Placed]
    filaments: list[PlacedFilament]
    statistics: dict[str, object]


def build_specimen(
    config: SpecimenConfig,
    chosen: Sequence[Chosen],
    rows: Mapping[str, StructureRow],
    rendered: Mapping[str, tuple[RenderedStructure, ...]],
    classes: ClassTable,
    *,
    seed: int,
    tomogram_id: str,
    timings: Timings,
) -> SpecimenModel:
    """Build a specimen.

    Parameters
    ----------
    config
        What `draw_configuration` returned.
    chosen
        What `choose_species` returned.
    rows
        Structures table by structure id.
    rendered
        Rendered conformers of everything that is placed, by structure id.
    classes
        Class table; labels are looked up by name.
    seed, tomogram_id
        They fix every random number.
    timings
        Gets the seconds of each step.
    """

    def stage(name: str) -> np.random.Generator:
        return generator(seed, tomogram_id, name)

    canvas = Canvas(config.shape_voxels, config.pixel_size_angstrom, _closed_faces(config))
    if config.carbon is not None:
        with timings.of("carbon"):
            add_carbon(canvas, config.carbon, stage("carbon"))
    with timings.of("membranes"):
        membranes = place_membranes(
            canvas, config.membranes, stage("membranes"), keep_distance=config.write_membrane_distance
        )
    with timings.of("filaments"):
        filaments, groups = _place_filaments(canvas, config, rows, rendered, stage("filaments"))
    with timings.of("particles"):
        species = [_species(item, rendered[item.row.structure_id]) for item in chosen]
        particles = place_particles(canvas, species, membranes, _rules(config), stage("particles"))
    with timings.of("beads"):
        particles += _place_artefacts(canvas, config, stage("beads"))
    with timings.of("ice"):
        ice = vitreous_ice(config.ice, canvas.shape, canvas.pixel_size_angstrom, stage("ice"))
    with timings.of("labels"):
        protein_share = float(np.minimum(canvas.occupancy, 1).mean(dtype=np.float64))
        labels = {entry.name: entry.label for entry in classes}
        model, atlas, instances = canvas.finish(
            ice, labels, _membrane_label(classes, membranes), config.label_threshold
        )
    return SpecimenModel(
        model=model,
        atlas=atlas,
        instances=instances,
        membrane_distance_angstrom=membranes.distance_angstrom,
        particles=particles,
        filaments=filaments,
        statistics={
            # of the voxels: at least half filled, which stops layers; filled enough for a label
            "filled_fraction": round(canvas.filled_fraction, 4),
            "labelled_fraction": round(np.count_nonzero(instances) / instances.size, 4),
            "excluded_volume_fraction": round(protein_share, 4),
            "objects_mg_per_ml": round(protein_share * _MG_PER_ML_FILLED, 1),
            "objects": canvas.instances,
            "membranes": membranes.records,
            "membranes_without_room": membranes.without_room,
            "filaments": _count([f.points[0].structure_id for f in filaments]),
            "filament_groups": groups,
            "gold_beads": sum(item.structure_id == BEAD_STRUCTURE for item in particles),
            "species": [
                {
                    "structure_id": own.structure_id,
                    "layer": config.layers[own.layer].name,
                    "attempts": own.attempts,
                    "placed": own.placed,
                }
                for own in species
            ],
        },
    )


def check_classes(config: SpecimenConfig, classes: ClassTable) -> None:
    """Check that the table has the classes of what a configuration adds by itself.

    Raises
    ------
    ValueError
        If membranes, carbon or gold are wanted and the table has no such class.
    """
    wanted = {
        MEMBRANE_CLASS: bool(config.membranes),
        CARBON_CLASS: config.carbon is not None,
        GOLD_CLASS: config.beads is not None,
    }
    for name in (name for name, is_wanted in wanted.items() if is_wanted):
        classes.label_of(name)


def make_repeat(row: StructureRow, bodies: tuple[Body, ...], protofilaments: int) -> Repeat:
    """Return the repeat unit that a row of the structures table describes."""
    rise = float(row.rise_angstrom or 0)
    if row.placement == "microtubule":
        lattice = microtubule_lattice(protofilaments, rise)
        rotations, positions, twist = lattice.rotations, lattice.positions_angstrom, lattice.twist_deg
    else:
        rotations, positions, twist = np.eye(3)[None], np.zeros((1, 3)), float(row.twist_deg or 0)
    return Repeat(
        structure_id=row.structure_id,
        class_name=row.classes[0],
        bodies=bodies,
        rotations=rotations,
        positions_angstrom=positions,
        rise_angstrom=rise,
        twist_deg=twist,
        protofilaments=protofilaments if row.placement == "microtubule" else 0,
    )


def _closed_faces(config: SpecimenConfig) -> tuple[bool, bool, bool]:
    return {
        "none": (False, False, False),
        "sides": (True, False, False),
        "tube": (True, True, False),
        "box": (True, True, True),
    }[config.constraint]


def _species(item: Chosen, conformers: tuple[RenderedStructure, ...]) -> Species:
    return Species(
        structure_id=item.row.structure_id,
        layer=item.layer,
        placement=item.row.placement,
        is_large=item.row.size == "large",
        conformers=conformers,
        attempts=item.attempts,
    )


def _rules(config: SpecimenConfig) -> PlacementRules:
    return PlacementRules(
        tolerance=config.overlap_tolerance,
        positions=config.positions_per_attempt,
        bundle_members=config.bundle_members,
        cluster_members=config.cluster_members,
        density=config.density,
        layer_occupancies=tuple(layer.occupancy for layer in config.layers),
    )


def _place_filaments(
    canvas: Canvas,
    config: SpecimenConfig,
    rows: Mapping[str, StructureRow],
    rendered: Mapping[str, tuple[RenderedStructure, ...]],
    rng: np.random.Generator,
) -> tuple[list[PlacedFilament], list[dict[str, object]]]:
    """Place the filaments of all groups in turn, so that none is starved; also return figures by group."""
    bodies = {
        name: tuple(make_body(conformer, number) for number, conformer in enumerate(rendered[name]))
        for name in filament_structures(config)
    }
    wanted = [resolve(group, rng).count for group in config.filaments]
    turns = [
        ((attempt + 0.5) / count, number) for number, count in enumerate(wanted) for attempt in range(count)
    ]
    placed: list[PlacedFilament] = []
    tally = [{"wanted": count, "placed": 0, "filaments": 0} for count in wanted]
    bundle = 0
    for _, number in sorted(turns):
        group = resolve(config.filaments[number], rng)
        bundle += group.bundle is not None
        found = _place_one(canvas, config, group, rows, bodies, bundle, rng)
        tally[number]["placed"] += bool(found)
        tally[number]["filaments"] += len(found)
        placed += found
    records: list[dict[str, object]] = []
    for group, own in zip(config.filaments, tally, strict=True):
        missing = own["wanted"] - own["placed"]
        if missing:
            what = "filaments" if group.bundle is None else "bundles"
            LOGGER.warning("%d of %d %s (%s) found no room", missing, own["wanted"], what, group.structure)
        records.append({"structure_id": group.structure, "mixed_with": group.mixed_with, **own})
    return placed, records


def _place_one(
    canvas: Canvas,
    config: SpecimenConfig,
    group: FilamentConfig,
    rows: Mapping[str, StructureRow],
    bodies: Mapping[str, tuple[Body, ...]],
    bundle: int,
    rng: np.random.Generator,
) -> list[PlacedFilament]:
    row = rows[group.structure]
    names = [group.structure] + ([group.mixed_with] if group.mixed_with else [])
    repeats = [make_repeat(rows[name], bodies[name], group.protofilaments) for name in names]
    length_nm = (
        group.length_nm if group.length_nm is not None else rng.uniform(*(row.length_nm or (100, 100)))
    )
    persistence_um = float(group.persistence_length_um or row.persistence_length_um or 0)
    offsets = np.zeros((1, 2))
    if group.bundle is not None:
        offsets = bundle_offsets(group.bundle.filaments, group.bundle.spacing_angstrom)
    return place_filaments(
        canvas,
        repeats,
        length_angstrom=length_nm * 10,
        persistence_angstrom=persistence_um * 1e4,
        mixed_share=group.mixed_share,
        stretch_angstrom=group.stretch_nm * 10,
        offsets_angstrom=offsets,
        bundle=bundle if group.bundle is not None else 0,
        positions_per_try=config.positions_per_attempt,
        tolerance=config.overlap_tolerance,
        rng=rng,
    )


def _place_artefacts(canvas: Canvas, config: SpecimenConfig, rng: np.random.Generator) -> list[Placed]:
    beads: list[Placed] = []
    if config.beads is not None:
        count = resolve(config.beads, rng).count
        beads = add_beads(
            canvas, config.beads, count, config.positions_per_attempt, config.overlap_tolerance, rng
        )
    if config.contamination is not None:
        add_contamination(canvas, config.contamination, resolve(config.contamination, rng).count, rng)
    return beads


def _membrane_label(classes: ClassTable, membranes: MembraneField) -> int:
    return classes.label_of(MEMBRANE_CLASS) if membranes.bilayers else 0


def _count(names: Sequence[str]) -> dict[str, int]:
    return {name: names.count(name) for name in dict.fromkeys(names)}
