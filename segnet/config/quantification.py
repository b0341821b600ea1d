"""What is measured in label volumes, and how: the only place with the numbers behind it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tomoio.config import Strict


class ParticleConfig(Strict):
    """How one class of compact particles is told apart."""

    class_name: str = Field(description="Name in the class table")
    method: Literal["components", "watershed"] = Field(
        default="watershed",
        description="components: each island of face-connected voxels is a particle (the paper's ribosomes); "
        "watershed: pieces of one particle are joined and touching particles split (the paper's TRiC)",
    )
    diameter_nm: float = Field(
        gt=0, le=1000, description="Particle diameter, nm; sets the smallest distance between two centres"
    )


class FilamentConfig(Strict):
    """How one kind of filament is traced."""

    name: str = Field(description="Name of the filament in tables")
    class_names: tuple[str, ...] = Field(min_length=1, description="Classes that make up the filament")
    decorated_class: str | None = Field(
        default=None, description="Class among them that marks the decorated part (cofilactin on actin)"
    )
    diameter_nm: float = Field(gt=0, le=200, description="Outer diameter, nm")
    lumen_diameter_nm: float = Field(
        default=0.0, ge=0, le=200, description="Inner diameter of a hollow filament, nm; 0 for a solid one"
    )
    minimum_length_nm: float = Field(ge=0, le=10000, description="Shorter filaments are left out, nm")
    maximum_gap_nm: float = Field(ge=0, le=1000, description="Longest break that is bridged, nm")
    maximum_angle_deg: float = Field(
        default=20.0,
        gt=0,
        le=90,
        description="Largest bend across the longest break, degrees; less in proportion across a shorter one",
    )
    curvature_window_nm: float = Field(
        gt=0, le=5000, description="Length of filament over which curvature is fitted, nm"
    )

    @model_validator(mode="after")
    def _check(self) -> FilamentConfig:
        if self.decorated_class is not None and self.decorated_class not in self.class_names:
            raise ValueError(f"decorated_class {self.decorated_class!r}; wanted one of class_names")
        if self.lumen_diameter_nm >= self.diameter_nm:
            raise ValueError(f"lumen_diameter_nm {self.lumen_diameter_nm}; wanted less than diameter_nm")
        return self


class ClusterConfig(Strict):
    """DBSCAN on particle centres."""

    class_names: tuple[str, ...] = Field(
        default=("tric", "ribosome"), description="Particle classes that are clustered, each by itself"
    )
    radius_nm: float = Field(
        default=50.0, gt=0, le=5000, description="DBSCAN epsilon, nm (the paper's 50 nm, between centres)"
    )
    minimum_neighbours: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="Particles within the radius of a core particle, itself included (minpts of MATLAB, "
        "min_samples of "
        "scikit-learn). Ours: the paper names none",
    )


class ComparisonConfig(Strict):
    """Groups of tomograms against each other."""

    significance: float = Field(default=0.05, gt=0, lt=1, description="Level on corrected p values")
    correction: Literal["bh", "by"] = Field(
        default="bh",
        description="False discovery rate over all measures: Benjamini-Hochberg or Benjamini-Yekutieli",
    )


def _default_particles() -> tuple[ParticleConfig, ...]:
    return (
        ParticleConfig(class_name="ribosome", method="watershed", diameter_nm=25.0),
        ParticleConfig(class_name="tric", method="watershed", diameter_nm=16.0),
    )


def _default_filaments() -> tuple[FilamentConfig, ...]:
    return (
        FilamentConfig(
            name="microtubule",
            class_names=("microtubule",),
            diameter_nm=25.0,
            lumen_diameter_nm=17.0,
            minimum_length_nm=50.0,
            maximum_gap_nm=100.0,
            maximum_angle_deg=15.0,
            curvature_window_nm=200.0,
        ),
        FilamentConfig(
            name="actin",
            class_names=("actin", "cofilactin"),
            decorated_class="cofilactin",
            diameter_nm=8.0,
            minimum_length_nm=30.0,
            maximum_gap_nm=40.0,
            maximum_angle_deg=20.0,
            curvature_window_nm=100.0,
        ),
    )


class QuantificationConfig(Strict):
    """Everything that `segnet quantify` can be told."""

    minimum_voxels: int = Field(
        default=50, ge=1, le=10**9, description="Smaller islands of a class are removed first, voxels"
    )
    minimum_voxels_by_class: dict[str, int] = Field(
        default_factory=dict, description="The same for single classes, voxels by class name"
    )
    particles: tuple[ParticleConfig, ...] = Field(
        default_factory=_default_particles, description="Classes that are counted as particles"
    )
    filaments: tuple[FilamentConfig, ...] = Field(
        default_factory=_default_filaments, description="Classes that are traced as filaments"
    )
    membranes: tuple[str, ...] = Field(
        default=("membrane",), description="Classes that are measured as sheets"
    )
    clusters: ClusterConfig = Field(default_factory=ClusterConfig, description="Clusters of particles")
    comparison: ComparisonConfig = Field(default_factory=ComparisonConfig, description="Comparison of groups")
    write_instances: bool = Field(
        default=False, description="Also write a volume of instance ids per tomogram (one id per object)"
    )
    exports: tuple[Literal["copick", "ome-zarr"], ...] = Field(
        default=(), description="Formats to export to besides CSV and STAR; needs the extra [portal]"
    )

    @model_validator(mode="after")
    def _check(self) -> QuantificationConfig:
        kinds = [entry.class_name for entry in self.particles] + list(self.membranes)
        kinds += [name for entry in self.filaments for name in entry.class_names]
        repeated = {name for name in kinds if kinds.count(name) > 1}
        if repeated:
            raise ValueError(f"class {sorted(repeated)[0]!r} is measured in two ways; wanted each class once")
        for name, voxels in self.minimum_voxels_by_class.items():
            if voxels < 1:
                raise ValueError(f"minimum_voxels_by_class {name}: {voxels}; wanted 1 or more")
        return self
