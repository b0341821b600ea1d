"""Which structures a specimen is made of: the species of each layer and of the filaments."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cts.config.specimen import LayerConfig, SpecimenConfig
from cts.config.structures import StructureRow
from tomoio.config import resolve

LOGGER = logging.getLogger(__name__)

_FILAMENT_PLACEMENTS = ("filament", "microtubule")


@dataclass(frozen=True)
class Chosen:
    """A species of a layer before it is rendered: its row, the number of its layer, its attempts."""

    row: StructureRow
    layer: int
    attempts: int


def draw_configuration(config: SpecimenConfig, rng: np.random.Generator) -> SpecimenConfig:
    """Draw what holds for the whole tomogram; what is drawn for each object keeps its ranges."""
    for_each = {"membranes": (), "filaments": (), "beads": None, "contamination": None}
    drawn = resolve(config.model_copy(update=for_each), rng)
    return drawn.model_copy(update={name: getattr(config, name) for name in for_each})


def check_structures(config: SpecimenConfig, rows: Sequence[StructureRow]) -> None:
    """Check that the table has what layers and filament groups name, of the right kind.

    Raises
    ------
    ValueError
        If a structure is not in the table, a layer names a filament, or a filament group something else.
    """
    table = {row.structure_id: row for row in rows}
    for layer in config.layers:
        _pool(config, layer, table)
    _check_filaments(config, table)


def choose_species(
    config: SpecimenConfig, rows: Sequence[StructureRow], rng: np.random.Generator
) -> list[Chosen]:
    """Choose the structures of each layer, and share the layer's attempts among them.

    Raises
    ------
    ValueError
        If a layer names an unknown structure or finds none, or a filament group names none or another kind.
    """
    check_structures(config, rows)
    table = {row.structure_id: row for row in rows}
    chosen = []
    for number, layer in enumerate(config.layers):
        pool = _pool(config, layer, table)
        if not pool:
            LOGGER.warning("%s: no structures for layer %s: left out", config.structures, layer.name)
            continue
        if layer.draw is not None:
            # membrane proteins do not compete with what floats
            bound = [row for row in pool if row.placement == "membrane"]
            free = [row for row in pool if row.placement != "membrane"]
            if layer.draw > len(free):
                raise ValueError(
                    f"{config.structures}: layer {layer.name}: {len(free)} structures; wanted {layer.draw}"
                )
            picked = np.sort(rng.permutation(len(free))[: layer.draw])
            pool = bound + [free[index] for index in picked]
        shares = share_attempts(layer.attempts, len(pool))
        chosen += [Chosen(row, number, share) for row, share in zip(pool, shares, strict=True) if share]
    return chosen


def filament_structures(config: SpecimenConfig) -> list[str]:
    """Return the structure ids that the filament groups use, each once."""
    names = [name for group in config.filaments for name in (group.structure, group.mixed_with) if name]
    return list(dict.fromkeys(names))


def share_attempts(attempts: int, species: int) -> list[int]:
    """Divide the attempts of a layer among its species; the first ones take what is left over."""
    return [attempts // species + (number < attempts % species) for number in range(species)]


def _pool(
    config: SpecimenConfig, layer: LayerConfig, table: Mapping[str, StructureRow]
) -> list[StructureRow]:
    for name in layer.structures:
        if name not in table:
            raise ValueError(f"{config.structures}: layer {layer.name}: no structure {name!r} in the table")
    if layer.structures:
        pool = [table[name] for name in layer.structures]
    else:
        pool = [
            row for row in table.values() if layer.role in (None, row.role) and layer.size in (None, row.size)
        ]
    pool = [row for row in pool if row.placement not in _FILAMENT_PLACEMENTS]
    if layer.structures and len(pool) < len(layer.structures):
        raise ValueError(f"layer {layer.name} names a filament; wanted it under filaments")
    return pool


def _check_filaments(config: SpecimenConfig, table: Mapping[str, StructureRow]) -> None:
    for name in filament_structures(config):
        if name not in table:
            raise ValueError(f"{config.structures}: filaments: no structure {name!r} in the table")
        if table[name].placement not in _FILAMENT_PLACEMENTS:
            raise ValueError(
                f"{config.structures}: {name} has placement {table[name].placement}; "
                f"wanted {' or '.join(_FILAMENT_PLACEMENTS)}"
            )
    for group in config.filaments:
        kinds = {table[name].placement for name in (group.structure, group.mixed_with) if name}
        if len(kinds) > 1:
            raise ValueError(
                f"{config.structures}: filaments: {group.structure} mixed with {group.mixed_with}; "
                "wanted two of placement filament, or two of microtubule"
            )
