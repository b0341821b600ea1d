"""Formats of other programs: angles, transforms, defocus, exposures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cts.alignment import axis_matrix, read_alignment, read_tlt, read_xf
from cts.defocus import read_ctffind, read_imod_defocus, with_ctf
from tests.cts.test_optics import DATA


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_tlt_and_xf(tmp_path):
    tlt = _write(tmp_path / "a.tlt", " -3.00\n0\n\n 3.00 \n")
    xf = _write(tmp_path / "a.xf", "1 0 0 1 2.5 -1\n0.5 -0.1 0.1 0.5 0 0\n1 0 0 1 0 0\n")
    images = read_alignment(tlt, xf, 3, 10.0)
    assert [image.tilt_deg for image in images] == [-3, 0, 3]
    assert images[0].shift_px.tolist() == [2.5, -1]
    assert images[1].matrix.tolist() == [[0.5, -0.1], [0.1, 0.5]]


def test_wrong_numbers_of_rows_are_refused(tmp_path):
    tlt = _write(tmp_path / "a.tlt", "-3\n0\n3\n")
    with pytest.raises(ValueError, match="3 tilt angles; wanted 4"):
        read_alignment(tlt, None, 4, 10.0)
    with pytest.raises(ValueError, match="2 transforms; wanted 3"):
        read_alignment(tlt, _write(tmp_path / "a.xf", "1 0 0 1 0 0\n1 0 0 1 0 0\n"), 3, 10.0)
    with pytest.raises(ValueError, match="wanted rows of numbers"):
        read_tlt(_write(tmp_path / "b.tlt", "minus three\n"))
    with pytest.raises(ValueError, match="wanted -90 to 90"):
        read_alignment(_write(tmp_path / "c.tlt", "120\n"), None, 1, 10.0)
    with pytest.raises(FileNotFoundError, match=r"d\.tlt: no such file"):
        read_alignment(tmp_path / "d.tlt", None, 3, 10.0)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.tlt", "-3\nnan\n3\n", r"a\.tlt: nan; wanted rows of finite numbers"),
        ("a.mdoc", "[ZValue = 0]\nTiltAngle = flat\n", r"a\.mdoc: could not convert .*'flat'"),
        (
            "a.mdoc",
            "[ZValue = 0]\nTiltAngle = nan\n",
            r"a\.mdoc: tilt angle nan of image 0; wanted -90 to 90",
        ),
        (
            "a.mdoc",
            "[ZValue = 0]\nTiltAngle = 200\n",
            r"a\.mdoc: tilt angle 200 of image 0; wanted -90 to 90",
        ),
        ("a.mdoc", "", r"a\.mdoc: no TiltAngle and no section"),
        ("a.aln", "1 nan 1 0 0 1 1 1 0 3\n", r"a\.aln: rotation or shift of image 0"),
        ("a.aln", "-2 85 1 0 0 1 1 1 0 3\n", r"a\.aln: image -2"),
        ("a.aln", "1 85 1 0 0 1 1 1 0 3\n" * 2, r"a\.aln: an image that is given twice"),
    ],
)
def test_faulty_files_are_named(tmp_path, name, text, said):
    with pytest.raises(ValueError, match=said):
        read_alignment(_write(tmp_path / name, text), None, 3, 10.0)


def test_transforms_that_cannot_be_are_refused(tmp_path):
    for row, area in (("1 1 1 1 0 0", "0"), ("1e4 0 0 1e4 0 0", "1e\\+08")):
        with pytest.raises(ValueError, match=rf"a\.xf: transform 2 makes areas {area} times as large"):
            read_xf(_write(tmp_path / "a.xf", f"1 0 0 1 0 0\n{row}\n"))
    with pytest.raises(ValueError, match="tilt axis nan; wanted degrees"):
        read_alignment(_write(tmp_path / "a.tlt", "0\n"), None, 1, 10.0, tilt_axis_deg=float("nan"))


ALN = """# AreTomo Alignment / Priims bprmMn
# RawSize = 64 64 4
# NumPatches = 0
# DarkFrame =     2    2    6.00
# SEC     ROT         GMAG       TX          TY      SMEAN     SFIT    SCALE     BASE     TILT
    0    85.0   1.00000      3.000    -2.000     1.00     1.00     1.00     0.00    -3.00
    1    85.0   1.00000      0.000     0.000     1.00     1.00     1.00     0.00     0.00
    3    85.0   1.00000      1.000     1.000     1.00     1.00     1.00     0.00     9.00
# Local Alignment
    0   0   1.0  1.0 1.0 1.0 1.0 1.0 1.0 1.0
"""


def test_aretomo_alignment_leaves_out_dark_frames(tmp_path):
    images = read_alignment(_write(tmp_path / "a.aln", ALN), None, 4, 10.0)
    assert [image.index for image in images] == [0, 1, 3]
    assert [image.tilt_deg for image in images] == [-3, 0, 9]
    # aligned = R (raw - T): the shift of an .xf is -R T
    np.testing.assert_allclose(images[0].matrix @ [3, -2] + images[0].shift_px, 0, atol=1e-12)


def test_sections_of_aretomo_3_count_from_one(tmp_path):
    rows = ALN.replace("\n    3    85", "\n    4    85").replace("\n    1    85", "\n    2    85")
    rows = rows.replace("\n    0    85", "\n    1    85").replace("=     2    2 ", "=     3    3 ")
    images = read_alignment(_write(tmp_path / "a.aln", rows), None, 4, 10.0)
    assert [image.index for image in images] == [0, 1, 3]
    # where the first section is dark, only its line tells
    first_dark = ALN.replace("\n    0    85", "\n    2    85").replace("=     2    2 ", "=     0    0 ")
    images = read_alignment(_write(tmp_path / "b.aln", first_dark), None, 4, 10.0)
    assert [image.index for image in images] == [2, 1, 3]


def test_a_tilt_axis_at_its_angle_comes_to_stand_upright():
    # an axis 30 degrees counter-clockwise from y points along (-sin 30, cos 30)
    axis = np.array([-np.sin(np.pi / 6), np.cos(np.pi / 6)])
    np.testing.assert_allclose(axis_matrix(30.0) @ axis, [0, 1], atol=1e-12)


STAR = """
data_TS_01

loop_
_rlnMicrographName #1
_rlnTomoYTilt #2
_rlnTomoZRot #3
_rlnTomoXShiftAngst #4
_rlnTomoYShiftAngst #5
_rlnDefocusU #6
_rlnDefocusV #7
_rlnDefocusAngle #8
_rlnMicrographPreExposure #9
0002@stack.mrc  0.0  90.0  20.0  -10.0  31000.0  29000.0  12.0  0.0
0001@stack.mrc -3.0  90.0   0.0    0.0  32000.0  32000.0   0.0  3.0
"""


def test_relion_tilt_series_star(tmp_path):
    images = read_alignment(_write(tmp_path / "TS_01.star", STAR), None, 2, 5.0)
    first, second = images
    assert (first.index, second.index) == (1, 0)
    assert first.ctf.defocus_um == pytest.approx(3.0)
    assert first.ctf.astigmatism_um == pytest.approx(0.2)
    assert second.prior_e_per_angstrom2 == 3
    # RELION: raw = Rz aligned + shift, so that the point at the shift (4, -2 px) comes to the centre
    np.testing.assert_allclose(first.matrix @ [4, -2] + first.shift_px, 0, atol=1e-12)


MDOC = """PixelSpacing = 10
[T = SerialEM]

[ZValue = 1]
TiltAngle = 3.02
ExposureDose = 2.5
PriorRecordDose = 2.5
RotationAngle = 175.3

[ZValue = 0]
TiltAngle = -0.01
ExposureDose = 2.5
PriorRecordDose = 0
RotationAngle = 175.3
"""


def test_serialem_mdoc(tmp_path):
    images = read_alignment(_write(tmp_path / "a.mrc.mdoc", MDOC), None, 2, 10.0)
    assert [image.tilt_deg for image in images] == [-0.01, 3.02]
    assert images[1].prior_e_per_angstrom2 == 2.5
    np.testing.assert_allclose(images[0].matrix, axis_matrix(85.3))
    other = read_alignment(tmp_path / "a.mrc.mdoc", None, 2, 10.0, tilt_axis_deg=0)
    np.testing.assert_array_equal(other[0].matrix, np.eye(2))
    titled = MDOC.replace(
        "[T = SerialEM]", "[T =     Tilt axis angle = -94.7, binning = 1  spot = 8  camera = 0]"
    )
    turned = read_alignment(_write(tmp_path / "b.mrc.mdoc", titled), None, 2, 10.0)
    np.testing.assert_allclose(turned[0].matrix, axis_matrix(-94.7))  # the title, not RotationAngle


@pytest.mark.skipif(not DATA.is_dir(), reason="no shared data")
def test_a_real_ctffind_file():
    estimates = read_ctffind(DATA / "ctf" / "TS_017_017_ctffind4.txt")
    assert estimates[0].defocus_um == pytest.approx(0.5e-4 * (14477.870117 + 13500.001953))
    assert estimates[0].astigmatism_angle_deg == pytest.approx(75.000012)
    assert all(1 < one.defocus_um < 3 for one in estimates)


def test_imod_defocus_with_and_without_astigmatism(tmp_path):
    plain = _write(tmp_path / "a.defocus", "1 1 -3 -3 2000 2\n3 3 3 3 3000\n")
    assert [round(one.defocus_um, 6) for one in read_imod_defocus(plain, 4)] == [2.0, 2.5, 3.0, 3.0]
    text = "1 0 0. 0. 0 3\n1 1 -3 -3 2100 1900 30\n2 2 0 0 2200 2000 40\n"
    both = read_imod_defocus(_write(tmp_path / "b.defocus", text), 2)
    assert both[0].defocus_um == pytest.approx(2.0)
    assert both[0].astigmatism_um == pytest.approx(0.2)
    assert both[1].astigmatism_angle_deg == 40
    phase = "4 0 0. 0. 0 3\n1 1 -3 -3 2100 90\n"
    assert read_imod_defocus(_write(tmp_path / "c.defocus", phase), 1)[0].phase_shift_deg == 90


def test_table_of_defocus_and_exposure(tmp_path):
    tlt = _write(tmp_path / "a.tlt", "-3\n0\n")
    table = _write(
        tmp_path / "a.tsv", "tilt_deg\tprior_exposure_e_per_A2\tdefocus_um\n-3\t3\t1.5\n0\t0\t1.6\n"
    )
    images = with_ctf(read_alignment(tlt, None, 2, 10.0), table, 2)
    assert images[0].ctf.defocus_um == 1.5
    assert images[0].prior_e_per_angstrom2 == 3
    with pytest.raises(ValueError, match="2 rows; wanted 3"):
        with_ctf(images, table, 3)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("-3", "negative defocus -3 µm: positive = underfocus"),
        ("nan", "defocus nan"),
        ("50", "defocus 50 µm; wanted 0 to 20"),
        ("", "could not convert"),
    ],
)
def test_defocus_that_cannot_be_is_refused(tmp_path, value, said):
    images = read_alignment(_write(tmp_path / "a.tlt", "-3\n3\n"), None, 2, 10.0)
    table = _write(tmp_path / "ctf.tsv", f"defocus_um\tnote\n5\ta\n{value}\tb\n")
    with pytest.raises(ValueError, match=rf"ctf\.tsv: .*{said}"):
        with_ctf(images, table, 2)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "1 -30000 -30000 0 0 0 0\n" * 2, "image 0: negative defocus -3 µm: positive = underfocus"),
        ("a.txt", "1 3e9 3e9 0 0 0 0\n" * 2, r"image 0: defocus 300000 µm; wanted 0 to 20"),
        ("a.star", STAR.replace("0002@", "0009@"), r"2 images, image 1 \(from 0\) not among them"),
        ("a.star", STAR.replace(" 12.0 ", " nan "), "image 1: astigmatism or phase shift is not finite"),
    ],
)
def test_estimates_that_cannot_be_are_refused_in_any_format(tmp_path, name, text, said):
    images = read_alignment(_write(tmp_path / "a.tlt", "-3\n3\n"), None, 2, 10.0)
    with pytest.raises(ValueError, match=said):
        with_ctf(images, _write(tmp_path / name, text), 2)
