"""What a block, a network and its training can be told. Free of torch, so that the pipeline can check it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from tomoio.config import Strict

Domain = Literal["synthetic", "real", "hard_negative"]
DOMAINS: tuple[str, ...] = ("synthetic", "real", "hard_negative")

# Settings that a recipe gives; what the user writes beside `recipe` goes before them. `default` is the
# plain defaults of the fields below.
RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    # Purnell et al. 2023, Methods: Dragonfly U-Net, CategoricalCrossEntropy, Adadelta, patches of 64 or 128,
    # stride ratio 0.5 or 1, batch 8, 100-300 epochs. The learning rate is not stated; Adadelta's own paper
    # and PyTorch mean 1.0 (Keras' default of 0.001 does not learn in any usual time).
    "paper": {
        "epochs": 100,
        "steps_per_epoch": 0,
        "network": {"base_width": 64},
        "sampling": {"sampler": "uniform", "patch_size_px": 128, "stride_ratio": 0.5, "batch_size": 8},
        "optimisation": {
            "loss": "cross_entropy",
            "optimiser": "adadelta",
            "learning_rate": 1.0,
            "schedule": "constant",
            "weight_decay": 0.0,
            "ema_decay": 0.0,
        },
        "augmentation": {"enabled": False},
    },
}


class BlockConfig(Strict):
    """How tomograms become a training block."""

    normalisation: Literal["zscore", "robust"] = Field(
        default="zscore",
        title="Normalisation",
        description="Per whole volume: zscore (mean, standard deviation) or robust (median, 1.4826 MAD)",
    )
    pixel_size_range_angstrom: tuple[float, float] | None = Field(
        default=None,
        title="Pixel sizes to train on",
        description="Parts further outside [low, high] Å are rescaled to the nearer bound; "
        "null keeps every part as it is",
    )
    rescale_tolerance: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        title="Pixel size tolerance",
        description="How far outside is still as it is",
    )

    @field_validator("pixel_size_range_angstrom")
    @classmethod
    def _ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 < value[0] <= value[1]:
            raise ValueError(f"{list(value)}; wanted [low, high] in Å with 0 < low <= high")
        return value


class NetworkConfig(Strict):
    """The 2.5D U-Net."""

    slices: int = Field(
        default=11,
        ge=1,
        le=63,
        title="Slices in",
        description="Neighbouring slices that the network sees; odd",
    )
    levels: int = Field(
        default=5,
        ge=2,
        le=6,
        title="Levels",
        description="Resolutions, the full one included; 5 as in Dragonfly",
    )
    base_width: int = Field(
        default=16,
        ge=2,
        le=128,
        title="Base width",
        description="Channels at full resolution, doubled at each level; 64 as in Dragonfly, 32 or 16 faster",
    )
    norm: Literal["batch", "group"] = Field(
        default="batch",
        title="Normalisation layer",
        description="batch, or group (8 channels a group; statistics of the image itself, so tiles differ "
        "from whole slices)",
    )

    @field_validator("slices")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("wanted an odd number, so that there is a central slice")
        return value


def _default_domain_weights() -> dict[Domain, float]:
    return {"synthetic": 1.0, "real": 1.0, "hard_negative": 0.5}


class SamplingConfig(Strict):
    """Which patches a step sees."""

    patch_size_px: int = Field(
        default=64, ge=16, le=1024, title="Patch size", description="Side of a square patch, pixels"
    )
    stride_ratio: float = Field(
        default=0.5,
        gt=0,
        le=4,
        title="Stride ratio",
        description="Distance of neighbouring patches on the uniform grid, in units of the patch size",
    )
    batch_size: int = Field(
        default=8, ge=1, le=512, title="Batch size", description="Patches a step, over all devices"
    )
    sampler: Literal["uniform", "balanced"] = Field(
        default="balanced",
        title="Sampler",
        description="uniform: each grid patch once an epoch; balanced: patches around voxels of classes "
        "drawn with equal chance, from domains drawn by weight and size",
    )
    uniform_share: float = Field(
        default=0.25,
        ge=0,
        le=1,
        title="Uniform share",
        description="Share of balanced patches that are placed anywhere, so that background is seen as it is",
    )
    domain_weights: dict[Domain, float] = Field(
        default_factory=_default_domain_weights,
        title="Domain weights",
        description="Weight of each domain in balanced sampling: its chance goes with the weight times the "
        "square root of its labelled voxels, so that few corrections are seen often but not learnt by heart; "
        "0 leaves a domain out",
    )

    @field_validator("domain_weights")
    @classmethod
    def _not_negative(cls, value: dict[str, float]) -> dict[str, float]:
        if any(weight < 0 for weight in value.values()) or not any(value.values()):
            raise ValueError(f"{value}; wanted weights of 0 or more, at least one above 0")
        return value


class AugmentationConfig(Strict):
    """How patches are varied in the plane; all of it vectorised over the batch."""

    enabled: bool = Field(default=True, title="Augment", description="False turns all of it off")
    half_turns: bool = Field(
        default=True,
        title="Half turns",
        description="Exact half turns about x, y and z, each as likely as none: they keep the hand of a "
        "helix and the missing wedge",
    )
    affine_share: float = Field(
        default=0.3,
        ge=0,
        le=1,
        title="Share rotated and scaled",
        description="Share of patches that are rotated and scaled; interpolation smooths noise, so some stay",
    )
    rotation_deg: float = Field(
        default=15,
        ge=0,
        le=180,
        title="Rotation",
        description="Largest in-plane angle either way, degrees; larger angles move the missing wedge",
    )
    scale: float = Field(
        default=0.1, ge=0, lt=0.5, title="Scale", description="Largest change of scale either way"
    )
    mirror: bool = Field(
        default=False,
        title="Mirror",
        description="Mirror half of the patches; turns cofilactin's hand, so off",
    )
    contrast: float = Field(
        default=0.15,
        ge=0,
        lt=1,
        title="Contrast",
        description="Largest change of the grey-value scale either way",
    )
    brightness: float = Field(
        default=0.1,
        ge=0,
        le=2,
        title="Brightness",
        description="Largest shift of grey values either way, in SD",
    )
    noise_share: float = Field(
        default=0.4, ge=0, le=1, title="Share with noise", description="Share of patches"
    )
    noise_sd: float = Field(
        default=1.5,
        ge=0,
        le=5,
        title="Noise",
        description="Largest standard deviation of added Gaussian noise, in SD of the tomogram; the patch is "
        "then scaled back, as a noisier tomogram would be",
    )
    blur_share: float = Field(default=0.2, ge=0, le=1, title="Share blurred", description="Share of patches")
    blur_sigma_px: float = Field(
        default=0.8, ge=0, le=3, title="Blur", description="Largest sigma of an in-plane Gaussian, pixels"
    )
    amplitude_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        title="Share with matched amplitudes",
        description="Share of patches that take the radial Fourier amplitudes of another patch of the batch",
    )


class OptimisationConfig(Strict):
    """Loss, optimiser and schedule."""

    loss: Literal["cross_entropy", "cross_entropy_dice"] = Field(
        default="cross_entropy_dice",
        title="Loss",
        description="Cross-entropy, or the sum of it and soft Dice over the classes in the batch",
    )
    optimiser: Literal["adamw", "adadelta", "sgd"] = Field(
        default="adamw", title="Optimiser", description="Rule that changes the weights"
    )
    learning_rate: float = Field(
        default=6e-3,
        gt=0,
        le=10,
        title="Learning rate",
        description="Peak learning rate; 1.0 for Adadelta, some 0.006 for AdamW, 0.01-0.1 for SGD",
    )
    schedule: Literal["cosine", "constant"] = Field(
        default="cosine",
        title="Schedule",
        description="cosine: after the warm-up, fall to 1 % along a half cosine",
    )
    warmup_steps: int = Field(
        default=50, ge=0, title="Warm-up", description="Steps of linear rise (cosine only)"
    )
    weight_decay: float = Field(
        default=0.01, ge=0, le=1, title="Weight decay", description="Decoupled for AdamW"
    )
    ema_decay: float = Field(
        default=0.99,
        ge=0,
        lt=1,
        title="Weight average",
        description="Decay per step of the averaged weights that are kept; 0 keeps the last ones",
    )


class TrainingConfig(Strict):
    """A training: the recipe gives the values of keys that are not written."""

    recipe: Literal["default", "paper"] = Field(
        default="default",
        title="Recipe",
        description="default, or paper (Adadelta, cross-entropy, uniform patches)",
    )
    network: NetworkConfig = Field(default_factory=NetworkConfig, title="Network", description="The U-Net")
    sampling: SamplingConfig = Field(default_factory=SamplingConfig, title="Sampling", description="Patches")
    augmentation: AugmentationConfig = Field(
        default_factory=AugmentationConfig, title="Augmentation", description="Variation of patches"
    )
    optimisation: OptimisationConfig = Field(
        default_factory=OptimisationConfig, title="Optimisation", description="Loss and optimiser"
    )
    merge: dict[str, str] = Field(
        default_factory=dict,
        title="Merge classes",
        description="Class to class, as {cofilactin: actin, carbon: background}",
    )
    epochs: int = Field(
        default=20, ge=1, le=100_000, title="Epochs", description="Each ends with a validation"
    )
    steps_per_epoch: int = Field(
        default=250, ge=0, title="Steps per epoch", description="0: as many as the uniform grid has batches"
    )
    held_out_parts: int = Field(
        default=0,
        ge=0,
        title="Held-out parts",
        description="Without validation blocks: parts at the end of the blocks that are only validated on",
    )
    validation_slices: int = Field(
        default=64,
        ge=0,
        title="Validation slices",
        description="Slices, evenly spread, that are segmented after each epoch; all of them at the end; "
        "0: always all",
    )
    keep: Literal["last", "best"] = Field(
        default="last", title="Weights kept", description="last, or the best by mean validation Dice"
    )
    patience_epochs: int = Field(
        default=0,
        ge=0,
        title="Patience",
        description="Stop after so many epochs without a better Dice; 0: never",
    )
    max_minutes: float = Field(
        default=0,
        ge=0,
        title="Time limit",
        description="The schedule is shortened to end after about so many minutes; 0: none",
    )
    checkpoint_minutes: float = Field(
        default=5,
        ge=0,
        title="Checkpoint interval",
        description="Minutes between checkpoints; 0: after every step",
    )
    init: Path | None = Field(
        default=None, title="Start from", description="Model folder to continue from; classes may be added"
    )
    threads: int = Field(
        default=0, ge=0, title="Threads", description="CPU threads; 0: all. The last bits depend on it"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", title="Device", description="auto: CUDA if there"
    )
    precision: Literal["auto", "bfloat16", "float32"] = Field(
        default="auto",
        title="Precision",
        description="auto: bfloat16 where the processor multiplies it in hardware",
    )
    panels: bool = Field(
        default=True,
        title="Picture panels",
        description="Save tomogram, truth and prediction after each epoch",
    )
    licence: str = Field(
        default="BSD-3-Clause",
        title="Licence",
        description="Under which the network may be used; stands in its card",
    )
    tensorboard: bool = Field(
        default=False, title="TensorBoard", description="Write event files to MODEL/tensorboard"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in_recipe(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        recipe = RECIPES.get(values.get("recipe", "default"))
        return values if recipe is None else _merged(recipe, values)


def _merged(defaults: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Lay ``values`` over ``defaults``, nested dictionaries key by key."""
    merged = dict(defaults)
    for key, value in values.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
