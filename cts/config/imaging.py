"""What can be told about tilt, dose, optics, sample, camera and reconstruction."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from tomoio.config import Choice, Drawn, Strict, Uniform, bounds_of, within

UNDERFOCUS_SENTENCE = (
    "positive = underfocus, as in RELION, CTFFIND and Warp; CTS and the paper write -5 for what is 5 here"
)
TiltOrder = Literal["dose_symmetric", "bidirectional", "unidirectional"]


def number(value: Drawn) -> float:
    """Return the number that a drawn field holds; ValueError before `tomoio.config.resolve`."""
    if isinstance(value, Uniform | Choice):
        raise ValueError(f"{value!r} is a range; draw it with tomoio.config.resolve first")
    return float(value)


def _check_defocus(value: Any) -> Any:
    if bounds_of(value)[0] < 0:
        raise ValueError(f"negative defocus; wanted 0 to 20: {UNDERFOCUS_SENTENCE}")
    if bounds_of(value)[1] > 20:
        raise ValueError("wanted 0 to 20 µm")
    return value


class TiltConfig(Strict):
    """Tilt angles of a series, and how well they are kept."""

    min_deg: Annotated[Drawn, within(-89, 89)] = Field(
        default=-60.0, title="Lowest tilt", description="Lowest tilt angle, degrees (-89 to 89)"
    )
    max_deg: Annotated[Drawn, within(-89, 89)] = Field(
        default=60.0, title="Highest tilt", description="Highest tilt angle, degrees (-89 to 89)"
    )
    step_deg: Annotated[Drawn, within(0.1, 60)] = Field(
        default=3.0, title="Tilt step", description="Step between tilt angles, degrees (0.1 to 60)"
    )
    angles_deg: tuple[float, ...] | None = Field(
        default=None,
        title="Tilt angles",
        description="Explicit list of angles in degrees; replaces lowest, highest, step",
    )
    angle_error_deg: Annotated[Drawn, within(0, 5)] = Field(
        default=0.0,
        title="Tilt-angle error",
        description="Each true angle differs from the nominal one by a uniform draw between minus and "
        "plus this, "
        "degrees (0 to 5)",
    )
    misalignment_angstrom: Annotated[Drawn, within(0, 100)] = Field(
        default=0.0,
        title="Residual misalignment",
        description="Standard deviation of the shift that alignment leaves in each image, x and y, Å (0 "
        "to 100)",
    )

    @field_validator("angles_deg")
    @classmethod
    def _list(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and (not value or max(abs(angle) for angle in value) > 89):
            raise ValueError("wanted at least one angle, all between -89 and 89 degrees")
        return value

    @model_validator(mode="after")
    def _order(self) -> TiltConfig:
        if bounds_of(self.min_deg)[1] > bounds_of(self.max_deg)[0]:
            raise ValueError("min_deg is above max_deg; wanted the lowest tilt first")
        return self


class DoseConfig(Strict):
    """Exposure of the series, its order, and what it does to the specimen."""

    total_e_per_angstrom2: Annotated[Drawn, within(0.1, 10000)] = Field(
        default=100.0, title="Total dose", description="Dose over the whole series, e/Å² (0.1 to 10000)"
    )
    per_tilt_e_per_angstrom2: tuple[float, ...] | None = Field(
        default=None,
        title="Dose of each image",
        description="One dose for each image in the order of the tilt angles, e/Å²; replaces the total dose",
    )
    order: TiltOrder = Field(
        default="dose_symmetric",
        title="Order of exposure",
        description="dose_symmetric: outwards from the start angle, sides in turn; bidirectional: from "
        "the start "
        "angle up, then from below it down; unidirectional: from the lowest tilt up",
    )
    start_deg: float = Field(
        default=0.0,
        ge=-89,
        le=89,
        title="Start angle",
        description="Where the series starts, degrees (not unidirectional)",
    )
    group_size: int = Field(
        default=1,
        ge=1,
        le=20,
        title="Group size",
        description="Images taken on one side before the other (dose_symmetric)",
    )
    radiation_damage: Annotated[Drawn, within(0, 10)] = Field(
        default=1.0,
        title="Radiation damage",
        description="Scale of the accumulated dose in the Grant & Grigorieff filter (0 to 10); 1 in the "
        "paper, 0 = none",
    )

    @field_validator("per_tilt_e_per_angstrom2")
    @classmethod
    def _list(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and (not value or min(value) <= 0 or max(value) > 10000):
            raise ValueError("wanted one positive dose for each image, at most 10000 e/Å²")
        return value


class OpticsConfig(Strict):
    """The microscope: acceleration voltage, aberrations, defocus, damping."""

    voltage_kv: float = Field(
        default=300.0, ge=60, le=1000, title="Voltage", description="Acceleration voltage, kV"
    )
    spherical_aberration_mm: float = Field(
        default=2.7, ge=0, le=10, title="Spherical aberration", description="Spherical aberration Cs, mm"
    )
    amplitude_contrast: float = Field(
        default=0.07, ge=0, le=1, title="Amplitude contrast", description="Fraction of amplitude contrast"
    )
    phase_shift_deg: Annotated[Drawn, within(-180, 180)] = Field(
        default=0.0,
        title="Phase shift",
        description="Phase shift of a phase plate, degrees (-180 to 180); about 90 with one",
    )
    defocus_um: Annotated[Drawn, AfterValidator(_check_defocus)] = Field(
        default=5.0,
        title="Defocus",
        description=f"Defocus of the untilted specimen's centre, µm (0 to 20); {UNDERFOCUS_SENTENCE}",
    )
    defocus_jitter_um: Annotated[Drawn, within(0, 2)] = Field(
        default=0.0,
        title="Defocus jitter",
        description="Standard deviation of the defocus from image to image, µm (0 to 2)",
    )
    astigmatism_um: Annotated[Drawn, within(0, 5)] = Field(
        default=0.0,
        title="Astigmatism",
        description="Difference of the two principal defocus values, µm (0 to 5)",
    )
    astigmatism_angle_deg: Drawn = Field(
        default=0.0,
        title="Astigmatism angle",
        description="Direction of the greatest defocus from x towards y, degrees",
    )
    b_factor_angstrom2: Annotated[Drawn, within(0, 10000)] = Field(
        default=0.0, title="B factor", description="Damping exp(-B k²/4), Å² (0 to 10000); positive = damping"
    )
    envelope_fraction: Annotated[Drawn | None, within(0.1, 10)] = Field(
        default=None,
        title="Gaussian envelope",
        description="Damping exp(-(k/(w kN))²) with kN the Nyquist frequency and w this fraction (0.1 to "
        "10); none = no "
        "such envelope. CTS calls it sigma, the paper uses 1",
    )
    scale: float = Field(
        default=1.0, gt=0, le=10, title="Contrast scale", description="Factor on the whole transfer function"
    )
    depth: Literal["strips", "slabs"] = Field(
        default="strips",
        title="Defocus across the specimen",
        description="strips: one defocus for each column of a tilted image, that of the midplane; slabs: "
        "each slab of the "
        "specimen at its true height",
    )


class SampleConfig(Strict):
    """The slab that the beam passes: what lies beside the model, lost electrons, its surfaces."""

    surroundings: Literal["mirror", "mean"] = Field(
        default="mirror",
        title="Beside the model",
        description="What a tilted image sees beyond the model in x: mirror = the model mirrored at its "
        "faces; mean = its "
        "mean potential",
    )
    thickness_angstrom: Annotated[Drawn | None, within(1, 20000)] = Field(
        default=None,
        title="Thickness of the specimen",
        description="Thickness that the beam loses electrons in, Å (1 to 20000); none = the model's own. "
        "A real cell "
        "is thicker than a model: what lies above and below costs electrons",
    )
    inelastic_scale: Annotated[Drawn, within(0, 10)] = Field(
        default=1.0,
        title="Inelastic scattering",
        description="Scale of the inelastic loss (0 to 10); 0 = no loss",
    )
    mean_free_path_angstrom: float | None = Field(
        default=None,
        gt=0,
        le=100000,
        title="Inelastic mean free path",
        description="Mean free path for inelastic scattering, Å; none = 3800 at 300 kV, other voltages "
        "after Malis et al. 1988",
    )
    roughness_angstrom: Annotated[Drawn, within(0, 1000)] = Field(
        default=0.0,
        title="Surface roughness",
        description="Standard deviation of the height of both surfaces, Å (0 to 1000); 0 = flat",
    )
    roughness_length_angstrom: float = Field(
        default=1500.0,
        gt=0,
        le=100000,
        title="Roughness length",
        description="Correlation length of the surfaces, Å",
    )
    milled: bool = Field(
        default=False,
        title="Milled surfaces",
        description="Surfaces vary along one direction only, like curtains of a focused ion beam",
    )


Curve = tuple[tuple[float, float], ...]


class DetectorConfig(Strict):
    """Counting or integrating camera."""

    binning: float = Field(
        default=4.0,
        ge=1,
        le=64,
        title="Binning",
        description="Image pixel over camera pixel: the image's Nyquist frequency is the camera's "
        "divided by this",
    )
    dqe: Curve = Field(
        default=((0.0, 0.84), (0.5, 0.62), (1.0, 0.3)),
        min_length=1,
        title="Detective quantum efficiency",
        description="Pairs of frequency (fraction of the camera's Nyquist, 0 to 1) and efficiency (0 to "
        "1), linear between",
    )
    noise_transfer: Curve = Field(
        default=((0.0, 1.0),),
        min_length=1,
        title="Noise transfer function",
        description="Pairs of frequency (fraction of the camera's Nyquist) and amplitude (0 to 1); 1 for "
        "counting cameras",
    )

    @field_validator("dqe", "noise_transfer")
    @classmethod
    def _curve(cls, value: Curve) -> Curve:
        frequencies = [pair[0] for pair in value]
        if frequencies != sorted(set(frequencies)) or not all(0 <= f <= 1 and 0 <= v <= 1 for f, v in value):
            raise ValueError("wanted pairs [frequency, value] between 0 and 1, frequencies rising")
        return value


class ReconstructionConfig(Strict):
    """How a tilt series becomes a tomogram."""

    method: Literal["wbp", "sirt"] = Field(
        default="wbp",
        title="Method",
        description="wbp: weighted back-projection; sirt: simultaneous iterations",
    )
    radial_cutoff: float = Field(
        default=0.35,
        gt=0,
        le=0.5,
        title="Radial cutoff",
        description="Where the ramp ends, cycles/pixel (IMOD's -RADIAL)",
    )
    radial_falloff: float = Field(
        default=0.035,
        ge=0,
        le=0.5,
        title="Radial falloff",
        description="Gaussian fall beyond the cutoff, cycles/pixel (IMOD's -RADIAL)",
    )
    iterations: int = Field(
        default=20, ge=1, le=1000, title="Iterations", description="Number of SIRT iterations"
    )
    ctf_correction: Literal["none", "phase_flip"] = Field(
        default="none",
        title="CTF correction",
        description="phase_flip: flip phases strip by strip before reconstruction",
    )
    normalise: Literal["mean", "deviation"] = Field(
        default="deviation",
        title="Grey values of the images",
        description="mean: divide each image by its mean (electron counts); deviation: subtract the mean "
        "of each image, divide "
        "all by one standard deviation (any grey values)",
    )
    dose_weight: bool = Field(
        default=False,
        title="Exposure weighting",
        description="Damp each image by the exposure filter of Grant & Grigorieff",
    )


class StackReconstructionConfig(ReconstructionConfig):
    """Reconstruction of a tilt series in files."""

    thickness_angstrom: float = Field(
        gt=0, le=100000, title="Thickness", description="Thickness of the tomogram, Å"
    )
    output_pixel_size_angstrom: float | None = Field(
        default=None,
        gt=0,
        le=1000,
        title="Pixel size of the tomogram",
        description="Voxel size to bin to by Fourier cropping, Å; none = that of the images",
    )
    invert_angles: bool = Field(
        default=False,
        title="Invert angles",
        description="Negate the tilt angles: for microscopes of the other hand",
    )
    invert_contrast: bool = Field(
        default=False,
        title="Invert contrast",
        description="For series in which protein is bright: tomograms have it dark",
    )
    optics: OpticsConfig = Field(
        default=OpticsConfig(),
        title="Optics",
        description="Microscope, for CTF correction and exposure weighting",
    )
    engine: Literal["own", "imod"] = Field(
        default="own",
        title="Engine",
        description="own: this project's; imod: the program tilt of IMOD, which must be installed",
    )


class OutputConfig(Strict):
    """What is kept beside the tilt series and the tomogram."""

    clean: bool = Field(
        default=False,
        title="Clean series",
        description="Keep clean.mrc: projected contrast without CTF and noise",
    )
    ctf: bool = Field(
        default=False, title="Series with CTF", description="Keep ctf.mrc: noise-free images with CTF"
    )
    dose: bool = Field(
        default=False,
        title="Series with dose",
        description="Keep dose.mrc: expected electrons, with damage and loss, before noise",
    )
    halves: bool = Field(
        default=False,
        title="Half-dose pair",
        description="Keep tilt series and tomograms of two halves of the electrons, even and odd",
    )
    ideal: bool = Field(
        default=False,
        title="Ideal tomogram",
        description="Keep ideal.mrc: the specimen without CTF and noise, for training denoisers",
    )
    ideal_tilt: TiltConfig = Field(
        default=TiltConfig(min_deg=-84, max_deg=84, step_deg=2),
        title="Tilts of the ideal tomogram",
        description="Tilt angles of the ideal tomogram",
    )


class SimulationConfig(Strict):
    """One imaging of a specimen."""

    tilt: TiltConfig = Field(default=TiltConfig(), title="Tilt", description="Tilt angles")
    dose: DoseConfig = Field(default=DoseConfig(), title="Dose", description="Exposure and its order")
    optics: OpticsConfig = Field(default=OpticsConfig(), title="Optics", description="Microscope")
    sample: SampleConfig = Field(
        default=SampleConfig(), title="Sample", description="Slab and its surroundings"
    )
    detector: DetectorConfig = Field(default=DetectorConfig(), title="Detector", description="Camera")
    reconstruction: ReconstructionConfig = Field(
        default=ReconstructionConfig(), title="Reconstruction", description="Tilt series to tomogram"
    )
    output: OutputConfig = Field(default=OutputConfig(), title="Output", description="What is kept")
