"""Reconstruct a tilt series, simulated or real.

Reads an MRC stack and its tilt angles: .tlt or .rawtlt (IMOD, one angle a line), .mdoc (SerialEM), .aln
(AreTomo) or .star (RELION 5 tilt series); the alignment comes with the last two or from --transforms (.xf or
.aln). Writes a tomogram in which protein is dark, x, y, z right-handed, and a manifest beside it. At positive
tilt the +x side is further from the source; where a microscope counts angles the other way, pass
--invert-angles, or everything comes out as its mirror image.

examples:
  cts reconstruct tiltseries.mrc --angles tiltseries.tlt --thickness-angstrom 500 -o tomogram.mrc
  cts reconstruct TS_01.mrc --angles TS_01.rawtlt --transforms TS_01.xf --invert-angles \\
      --thickness-angstrom 2400 --output-pixel-size-angstrom 14 -o TS_01_14A.mrc
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_CONFIGURED: dict[str, dict[str, Any]] = {
    "thickness_angstrom": {"type": float, "required": True, "help": "thickness of the tomogram, Å"},
    "output_pixel_size_angstrom": {
        "type": float,
        "help": "voxel size to bin to by Fourier cropping, Å (default: that of the images)",
    },
    "invert_angles": {
        "action": "store_true",
        "help": "negate the tilt angles (microscopes of the other hand)",
    },
    "invert_contrast": {"action": "store_true", "help": "for series in which protein is bright"},
    "normalise": {
        "choices": ("mean", "deviation"),
        "help": "grey values: divide each image by its mean (electron counts), or all by one standard "
        "deviation (default)",
    },
    "method": {
        "choices": ("wbp", "sirt"),
        "help": "weighted back-projection (default) or SIRT-like iterations",
    },
    "iterations": {"type": int, "help": "SIRT iterations (default 20)"},
    "radial_cutoff": {"type": float, "help": "where the ramp ends, cycles/pixel (default 0.35)"},
    "radial_falloff": {"type": float, "help": "Gaussian fall beyond it, cycles/pixel (default 0.035)"},
    "dose_weight": {
        "action": "store_true",
        "help": "damp each image by its exposure (from --ctf, .mdoc or .star)",
    },
    "engine": {
        "choices": ("own", "imod"),
        "help": "this project's (default) or IMOD's tilt, where installed",
    },
}
_OPTICS = {
    "voltage_kv": "acceleration voltage, kV (default 300)",
    "spherical_aberration_mm": "spherical aberration, mm (default 2.7)",
    "amplitude_contrast": "fraction of amplitude contrast (default 0.07)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stack", type=Path, metavar="STACK", help="tilt series, MRC")
    parser.add_argument(
        "--angles", type=Path, required=True, metavar="FILE", help=".tlt .rawtlt .mdoc .aln .star"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="TOMOGRAM", help="MRC file to write"
    )
    parser.add_argument("--transforms", type=Path, metavar="FILE", help="alignment, .xf or .aln")
    parser.add_argument(
        "--tilt-axis-deg", type=float, help="rotation of the tilt axis from y, where no file has it"
    )
    parser.add_argument(
        "--pixel-size-angstrom", type=float, help="pixel size of the stack, where its header is wrong"
    )
    parser.add_argument(
        "--ctf",
        type=Path,
        metavar="FILE",
        help="defocus of the images, for phase flipping strip by strip: CTFFIND4 .txt, IMOD .defocus, .star, "
        "or .tsv with defocus_um",
    )
    for name, options in _CONFIGURED.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **options)
    for name, text in _OPTICS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, help=text)
    parser.add_argument("--no-phase-flip", action="store_true", help="use --ctf for its exposures only")
    parser.add_argument(
        "--fsc",
        action="store_true",
        help="print the Fourier shell correlation of odd and even images as well",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing results")


def run(arguments: argparse.Namespace) -> None:
    from cts.config.imaging import StackReconstructionConfig
    from cts.reconstruct import half_set_correlation, load_tilt_series, reconstruct_tilt_series
    from tomoio.config import parse_config

    values = {name: getattr(arguments, name) for name in _CONFIGURED if getattr(arguments, name) is not None}
    values["optics"] = {
        name: getattr(arguments, name) for name in _OPTICS if getattr(arguments, name) is not None
    }
    if arguments.ctf is not None and not arguments.no_phase_flip:
        values["ctf_correction"] = "phase_flip"
    config = parse_config(values, StackReconstructionConfig, "cts reconstruct")
    files: dict[str, Any] = {
        "transforms": arguments.transforms,
        "ctf": arguments.ctf,
        "tilt_axis_deg": arguments.tilt_axis_deg,
        "pixel_size_angstrom": arguments.pixel_size_angstrom,
    }
    reconstruct_tilt_series(
        arguments.stack, arguments.angles, config, arguments.output, **files, overwrite=arguments.overwrite
    )
    if arguments.fsc:
        series = load_tilt_series(arguments.stack, arguments.angles, config, **files)
        correlation = half_set_correlation(series, config)
        print("resolution_angstrom\tfsc")
        for frequency, value in zip(*correlation, strict=True):
            print(f"{1 / frequency:.1f}\t{value:.3f}")
