"""Configuration of a specimen: what is placed, how much of it, and between which faces.

Every number may be fixed, ``[low, high]`` (uniform) or ``{choice: [a, b]}``. It is drawn once for each
tomogram; what describes single membranes, filaments, beads or lumps of ice is drawn anew for each of them.
The defaults are the recipe that the NeuralSeg paper trains with.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from cts.config.structures import DownloadConfig
from tomoio.config import Choice, Strict, Uniform, bounds_of, within

if TYPE_CHECKING:
    # a range before `tomoio.config.resolve`, a number after it: no static type tells these apart
    Drawn = Any
    DrawnInt = Any
else:
    from tomoio.config import Drawn, DrawnInt

Constraint = Literal["none", "sides", "tube", "box"]
MembraneKind = Literal["vesicle", "double_vesicle", "sheet", "tube", "plasma"]


def _unit(unit: str) -> dict[str, Any]:
    return {"unit": unit}


class LayerConfig(Strict):
    """Particles that are placed together: a selection of the structures table, and how often to try."""

    name: str = Field(title="Name", description="Name of the layer in the manifest")
    role: Literal["target", "distractor"] | None = Field(
        default=None,
        title="Role",
        description="Take the rows of structures.tsv with this role; none takes both",
    )
    size: Literal["large", "small"] | None = Field(
        default=None,
        title="Size",
        description="Take the rows with this size (divided at 200 kDa); none takes both",
    )
    structures: tuple[str, ...] = Field(
        default=(),
        title="Structures",
        description="Structure ids to take instead of a selection by role and size",
    )
    draw: Annotated[DrawnInt, within(1, 10_000)] | None = Field(
        default=None,
        title="Draw",
        description="Number of species drawn from the selection; none takes all of them",
    )
    attempts: Annotated[DrawnInt, within(0, 10_000_000)] = Field(
        default=1000,
        title="Attempts",
        description="Placement attempts, shared equally by the species of the layer",
    )
    occupancy: Annotated[Drawn, within(0, 1)] = Field(
        default=1.0,
        title="Occupancy",
        description="Stop the layer when its own objects fill this share of the voxels by at least half",
        json_schema_extra=_unit("fraction"),
    )


class MembraneConfig(Strict):
    """A group of membranes of one kind. Membranes may be cut by any face, as vesicles are in thin ice."""

    kind: MembraneKind = Field(default="vesicle", title="Kind", description="Shape of the membranes")
    count: Annotated[DrawnInt, within(0, 10_000)] = Field(
        default=10, title="Count", description="Membranes to try to place"
    )
    radius_nm: Annotated[Drawn, within(8, 2000)] = Field(
        default=Uniform(low=20, high=44),
        title="Radius",
        description="Mean radius of a vesicle or tube",
        json_schema_extra=_unit("nm"),
    )
    irregularity: Annotated[Drawn, within(0, 1)] = Field(
        default=Uniform(low=0.0, high=0.5),
        title="Irregularity",
        description="0 is a sphere, a straight tube or a plane; 1 strongly bent and dented",
    )
    leaflet_spacing_angstrom: Annotated[Drawn, within(25, 60)] = Field(
        default=Uniform(low=35, high=45),
        title="Leaflet spacing",
        description="Distance between the two peaks of the head groups",
        json_schema_extra=_unit("Å"),
    )
    head_volt: Annotated[Drawn, within(4, 20)] = Field(
        default=8.8,
        title="Head group potential",
        description="Potential at the peak of the head groups, before it is cut to the band of the pixels",
        json_schema_extra=_unit("V"),
    )
    core_volt: Annotated[Drawn, within(4, 20)] = Field(
        default=5.3,
        title="Core potential",
        description="Potential of the lipid tails: a little above ice",
        json_schema_extra=_unit("V"),
    )
    gap_nm: Annotated[Drawn, within(6, 200)] = Field(
        default=Uniform(low=10, high=20),
        title="Gap",
        description="Distance between the two membranes of a double vesicle, or across the lumen of a sheet",
        json_schema_extra=_unit("nm"),
    )
    nested_share: Annotated[Drawn, within(0, 1)] = Field(
        default=0.0, title="Nested share", description="Share of vesicles that hold a smaller vesicle inside"
    )
    bare: Annotated[Drawn, within(0, 1)] = Field(
        default=0.2, title="Bare", description="Share of the membranes that take no membrane proteins"
    )
    proteins_per_um2: Annotated[Drawn, within(0, 100_000)] = Field(
        default=Uniform(low=200, high=3000),
        title="Protein density",
        description="Membrane proteins that a membrane takes at most",
        json_schema_extra=_unit("per µm²"),
    )


class FilamentBundleConfig(Strict):
    """Parallel filaments side by side, as in filopodia."""

    filaments: Annotated[DrawnInt, within(1, 200)] = Field(
        default=Uniform(low=3, high=12), title="Filaments", description="Filaments of a bundle"
    )
    spacing_angstrom: Annotated[Drawn, within(30, 2000)] = Field(
        default=Uniform(low=90, high=130),
        title="Spacing",
        description="Distance between the axes of neighbours; about 100 Å with fascin",
        json_schema_extra=_unit("Å"),
    )


class FilamentConfig(Strict):
    """Filaments of one structure (placement ``filament`` or ``microtubule`` in structures.tsv)."""

    structure: str = Field(title="Structure", description="Structure id of the repeat unit")
    count: Annotated[DrawnInt, within(0, 100_000)] = Field(
        default=10, title="Count", description="Filaments (or bundles) to place"
    )
    length_nm: Annotated[Drawn, within(1, 100_000)] | None = Field(
        default=None,
        title="Length",
        description="Contour length; none takes the range in structures.tsv",
        json_schema_extra=_unit("nm"),
    )
    persistence_length_um: Annotated[Drawn, within(0.01, 100_000)] | None = Field(
        default=None,
        title="Persistence length",
        description="Stiffness of the worm-like chain; none takes structures.tsv",
        json_schema_extra=_unit("µm"),
    )
    protofilaments: Annotated[DrawnInt, within(8, 20)] = Field(
        default=Choice(choice=(13, 13, 13, 14, 12)),
        title="Protofilaments",
        description="Of a microtubule (12 to 15 occur in cells and in vitro); other filaments ignore it",
    )
    bundle: FilamentBundleConfig | None = Field(
        default=None, title="Bundle", description="Place bundles of parallel filaments instead of single ones"
    )
    mixed_with: str | None = Field(
        default=None,
        title="Mixed with",
        description="Structure id that replaces part of the units (cofilactin)",
    )
    mixed_share: Annotated[Drawn, within(0, 1)] = Field(
        default=0.5,
        title="Mixed share",
        description="Share of the units that `mixed_with` replaces, in stretches",
    )
    stretch_nm: Annotated[Drawn, within(1, 10_000)] = Field(
        default=Uniform(low=60, high=200),
        title="Stretch",
        description="Mean length of a stretch of `mixed_with`",
        json_schema_extra=_unit("nm"),
    )


class IceConfig(Strict):
    """Vitreous ice: fills what nothing else occupies, always."""

    mean_volt: Annotated[Drawn, within(3, 6)] = Field(
        default=4.6,
        title="Mean inner potential",
        description="Of vitreous ice at 0.94 g/cm³",
        json_schema_extra=_unit("V"),
    )
    granularity: Annotated[Drawn, within(0, 10)] = Field(
        default=1.0,
        title="Granularity",
        description="Scale of the density fluctuations of the ice; 1 is physical",
    )


class CarbonConfig(Strict):
    """Edge of a holey carbon film that crosses the field of view."""

    thickness_angstrom: Annotated[Drawn, within(20, 2000)] = Field(
        default=150.0, title="Thickness", description="Of the film", json_schema_extra=_unit("Å")
    )
    hole_radius_angstrom: Annotated[Drawn, within(500, 100_000)] = Field(
        default=10_000.0,
        title="Hole radius",
        description="Of the hole in the film",
        json_schema_extra=_unit("Å"),
    )
    mean_volt: Annotated[Drawn, within(1, 60)] = Field(
        default=12.0,
        title="Mean inner potential",
        description="Of amorphous carbon at 2 g/cm³",
        json_schema_extra=_unit("V"),
    )
    share: Annotated[Drawn, within(0, 1)] = Field(
        default=Uniform(low=0.05, high=0.25),
        title="Share",
        description="How far the film reaches into the field, as a share of its width",
    )


class BeadConfig(Strict):
    """Gold fiducials."""

    count: Annotated[DrawnInt, within(0, 10_000)] = Field(
        default=10, title="Count", description="Beads to place"
    )
    radius_angstrom: Annotated[Drawn, within(10, 500)] = Field(
        default=Uniform(low=25, high=50),
        title="Radius",
        description="Of a bead",
        json_schema_extra=_unit("Å"),
    )

    mean_volt: Annotated[Drawn, within(1, 60)] = Field(
        default=30.0, title="Mean inner potential", description="Of gold", json_schema_extra=_unit("V")
    )


class ContaminationConfig(Strict):
    """Crystalline ice on the two surfaces (closed or not) of the film: background by declaration."""

    count: Annotated[DrawnInt, within(0, 10_000)] = Field(
        default=5, title="Count", description="Lumps of ice"
    )
    radius_angstrom: Annotated[Drawn, within(20, 5000)] = Field(
        default=Uniform(low=100, high=300),
        title="Radius",
        description="Of a lump",
        json_schema_extra=_unit("Å"),
    )
    mean_volt: Annotated[Drawn, within(1, 60)] = Field(
        default=6.5,
        title="Mean inner potential",
        description="Of a lump: more than ice, for it diffracts and adds thickness",
        json_schema_extra=_unit("V"),
    )


_PAPER_LAYERS = (
    LayerConfig(name="large_targets", role="target", size="large", attempts=1200),
    LayerConfig(name="small_targets", role="target", size="small", attempts=1200),
    LayerConfig(name="large_distractors", role="distractor", size="large", draw=5, attempts=2400),
    LayerConfig(name="small_distractors", role="distractor", size="small", draw=5, attempts=4800),
)


class SpecimenConfig(Strict):
    """A crowded specimen in vitreous ice."""

    structures: Path = Field(
        default=Path("config/structures.tsv"),
        title="Structures",
        description="Table of the structures to place from",
    )
    pixel_size_angstrom: Annotated[Drawn, within(1, 40)] = Field(
        default=Uniform(low=12, high=14),
        title="Pixel size",
        description="Edge of a voxel",
        json_schema_extra=_unit("Å"),
    )
    shape_voxels: tuple[DrawnInt, DrawnInt, DrawnInt] = Field(
        default=(50, 400, 400),
        title="Shape",
        description="Size: z, y, x",
        json_schema_extra=_unit("voxels"),
    )
    constraint: Constraint = Field(
        default="sides",
        title="Constraint",
        description="Closed faces: none; sides (z), like the air-water interfaces; tube (z and y); box (all)",
    )
    density: Annotated[Drawn, within(0, 1)] = Field(
        default=0.8,
        title="Density",
        description="Stop placing particles when this share of the voxels is at least half filled",
    )
    overlap_tolerance: float = Field(
        default=0.02,
        ge=0,
        le=0.5,
        title="Overlap tolerance",
        description="Share of an object's excluded volume that may lie in room that is taken already",
        json_schema_extra=_unit("fraction"),
    )
    positions_per_attempt: int = Field(
        default=200, ge=1, le=10_000, title="Positions", description="Positions tested in a placement attempt"
    )
    layers: tuple[LayerConfig, ...] = Field(
        default=_PAPER_LAYERS, title="Layers", description="Particles; the larger ones of all layers go first"
    )
    membranes: tuple[MembraneConfig, ...] = Field(
        default=(MembraneConfig(),),
        title="Membranes",
        description="Groups of membranes, placed before all else",
    )
    filaments: tuple[FilamentConfig, ...] = Field(
        default=(), title="Filaments", description="Groups of filaments, placed after the membranes"
    )
    bundle_members: Annotated[DrawnInt, within(1, 1000)] = Field(
        default=Uniform(low=4, high=18),
        title="Bundle members",
        description="Parallel neighbours of a `bundle`",
    )
    cluster_members: Annotated[DrawnInt, within(1, 1000)] = Field(
        default=Uniform(low=3, high=12),
        title="Cluster members",
        description="Neighbours in placement `cluster`",
    )
    ice: IceConfig = Field(default=IceConfig(), title="Ice", description="Vitreous ice")
    carbon: CarbonConfig | None = Field(
        default=None, title="Carbon", description="Carbon film; none leaves it out"
    )
    beads: BeadConfig | None = Field(
        default=None, title="Beads", description="Gold fiducials; none leaves them out"
    )
    contamination: ContaminationConfig | None = Field(
        default=None, title="Contamination", description="Ice on the surfaces; none leaves it out"
    )
    download: DownloadConfig = Field(
        default=DownloadConfig(), title="Download", description="Where `pdb:` structures come from"
    )
    label_threshold: float = Field(
        default=0.3,
        ge=0.05,
        le=0.95,
        title="Label threshold",
        description="Share of a voxel that must be filled for a label, whatever the class; moves labels only",
        json_schema_extra=_unit("fraction"),
    )
    write_membrane_distance: bool = Field(
        default=False,
        title="Write membrane distance",
        description="Also write membrane_distance.mrc: distance to the nearest membrane (Å, inside < 0)",
    )

    @model_validator(mode="after")
    def _check_shape(self) -> SpecimenConfig:
        for axis, size in zip("zyx", self.shape_voxels, strict=True):
            least, greatest = bounds_of(size)
            if least < 8 or greatest > 8192:
                raise ValueError(
                    f"shape_voxels: {axis} of {least:g} to {greatest:g}; wanted 8 to 8192 voxels"
                )
        return self
