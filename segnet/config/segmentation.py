"""What segmentation and scoring can be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tomoio.config import Strict


class SegmentationConfig(Strict):
    """How tomograms are segmented."""

    contrast: Literal["dark", "bright"] = Field(
        default="dark",
        title="Contrast",
        description="Whether protein is dark (unprocessed tomograms) or bright",
    )
    test_time_augmentation: Literal[1, 2, 4] = Field(
        default=1,
        title="Test-time augmentation",
        description="Orientations whose probabilities are averaged: 1; 2 (half turn about z); 4 (half turns "
        "about x, y and z, which keep hand and missing wedge)",
    )
    probabilities: tuple[str, ...] = Field(
        default=(),
        title="Probability maps",
        description="Classes whose probability is written as well; [all] for every",
    )
    uncertainty: bool = Field(
        default=False,
        title="Uncertainty map",
        description="Write the entropy of the class probabilities, from 0 to 1",
    )
    min_island_voxels: int = Field(
        default=0,
        ge=0,
        title="Smallest island",
        description="Connected pieces of a class with fewer voxels become background; the paper used 50, "
        "0 keeps all",
    )
    rescale_tolerance: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        title="Pixel size tolerance",
        description="A tomogram is rescaled where its pixel size is further outside the trained range",
    )
    tile_px: int = Field(
        default=0,
        ge=0,
        title="Tile size",
        description="Side of the tiles that a slice is cut into, without their halo; 0: whole slices while "
        "they fit into max_pass_megapixels",
    )
    max_pass_megapixels: float = Field(
        default=0,
        ge=0,
        title="Pixels a pass",
        description="Most megapixels that go through the network at once; 0: 64 / base width",
    )
    threads: int = Field(default=0, ge=0, title="Threads", description="CPU threads; 0: all")
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        title="Device",
        description="auto, cpu, cuda or cuda:N; auto spreads several tomograms over all GPUs",
    )
    precision: Literal["auto", "bfloat16", "float32"] = Field(
        default="auto",
        title="Precision",
        description="auto: bfloat16 where the processor multiplies it in hardware",
    )


class ScoringConfig(Strict):
    """How labels are compared."""

    thin_tolerance_px: float = Field(
        default=1.5,
        ge=0,
        title="Surface tolerance",
        description="Distance within which two surfaces agree in the surface Dice of membranes and filaments",
    )
    object_tolerance_angstrom: float = Field(
        default=100.0,
        gt=0,
        title="Object tolerance",
        description="Distance of centres within which a predicted particle is the true one",
    )
    min_object_voxels: int = Field(
        default=50,
        ge=1,
        title="Smallest object",
        description="Smaller connected pieces are not counted as particles",
    )
