"""NRRD files: by hand, as segmentation programs write them, broken, mirrored and turned."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from segnet.rounds.formats import read_any
from segnet.rounds.nrrd import read_nrrd, write_nrrd


def test_nrrd_text_header_and_x_fastest(tmp_path):
    """A file put together by hand after the format's definition: x runs fastest."""
    header = (
        b"NRRD0005\n# made by hand\ntype: short\ndimension: 3\nsizes: 2 3 1\nendian: big\nencoding: raw\n"
    )
    header += b"spacings: 4 4 4\n\n"
    (tmp_path / "hand.nrrd").write_bytes(header + np.arange(6, dtype=">i2").tobytes())
    found = read_nrrd(tmp_path / "hand.nrrd")
    np.testing.assert_array_equal(found.data, [[[0, 1], [2, 3], [4, 5]]])
    assert (found.pixel_size, found.origin) == (4.0, None)


def test_nrrd_as_a_segmentation_program_writes_it(tmp_path):
    """Four dimensions of which the first counts layers, gzip, directions with a `none`."""
    header = b"NRRD0004\ntype: unsigned char\ndimension: 4\nspace: left-posterior-superior\nsizes: 1 3 2 2\n"
    header += b"space directions: none (13.3,0,0) (0,13.3,0) (0,0,13.3)\nkinds: vector domain domain domain\n"
    header += b"encoding: gzip\nspace origin: (0,0,0)\n\n"
    (tmp_path / "m.nrrd").write_bytes(header + gzip.compress(bytes(range(12))))
    found = read_nrrd(tmp_path / "m.nrrd")
    np.testing.assert_array_equal(found.data, np.arange(12).reshape(2, 2, 3))
    assert found.pixel_size == pytest.approx(13.3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG", "not a NRRD file"),
        (b"NRRD0004\ntype: short\nsizes: 2 2 2\nencoding: raw\n\n\0\0", "2 bytes of data; wanted 16"),
        (b"NRRD0004\ntype: short\nsizes: 2 2 2\nencoding: gzip\n\nxx", "damaged or truncated"),
        (b"NRRD0004\ntype: short\nsizes: 2 2\nencoding: raw\n\n" + bytes(8), "wanted three dimensions"),
        (
            b"NRRD0004\ntype: uchar\nsizes: 4294967296 4294967296 4294967296\nencoding: raw\n\n",
            r"b\.nrrd: 0 bytes of data; wanted 79228162514264337593543950336 for sizes",
        ),
        (b"NRRD0004\ntype: short\nsizes: a b c\n\n", "b\\.nrrd: sizes 'a b c'; wanted positive integers"),
        (b"NRRD0004\ntype: short\nsizes: 2 0 2\n\n", "sizes '2 0 2'; wanted positive integers"),
    ],
)
def test_a_broken_nrrd_is_one_sentence(tmp_path, content, message):
    (tmp_path / "b.nrrd").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_any(tmp_path / "b.nrrd")


def _write(path, data, space, directions, origin="(0,0,0)", more=""):
    header = f"NRRD0005\ntype: uint8\ndimension: 3\nspace: {space}\nsizes: " + " ".join(
        map(str, data.shape[::-1])
    )
    header += f"\nspace directions: {directions}\nencoding: raw\nspace origin: {origin}\n{more}\n"
    path.write_bytes(header.encode() + data.tobytes())


DATA = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("space", "directions", "origin", "mirrored"),
    [
        ("left-posterior-superior", "(2,0,0) (0,2,0) (0,0,2)", "(10,20,30)", ()),
        ("left-posterior-superior", "(2,0,0) (0,2,0) (0,0,-2)", "(10,20,32)", (0,)),
        ("left-posterior-superior", "(-2,0,0) (0,2,0) (0,0,2)", "(16,20,30)", (2,)),
        ("LPS", "(-2,0,0) (0,-2,0) (0,0,2)", "(16,24,30)", (1, 2)),
        ("RAS", "(-2,0,0) (0,-2,0) (0,0,2)", "(-10,-20,30)", ()),
        ("right-anterior-superior", "(2,0,0) (0,2,0) (0,0,2)", "(-16,-24,30)", (1, 2)),
        ("3D-right-handed", "(2,0,0) (0,2,0) (0,0,2)", "(10,20,30)", ()),
    ],
)
def test_the_same_place_is_read_however_it_was_stored(tmp_path, space, directions, origin, mirrored):
    """The first voxel in our sense lies at (10, 20, 30) whatever the sense of the file."""
    _write(tmp_path / "a.nrrd", np.ascontiguousarray(np.flip(DATA, mirrored)), space, directions, origin)
    found = read_nrrd(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(found.data, DATA)
    assert (found.pixel_size, found.origin) == (2.0, (10.0, 20.0, 30.0))


@pytest.mark.parametrize("directions", ["(0,2,0) (2,0,0) (0,0,2)", "(1.8,0.8,0) (-0.8,1.8,0) (0,0,2)"])
def test_turned_axes_are_refused(tmp_path, directions):
    _write(tmp_path / "a.nrrd", DATA, "left-posterior-superior", directions)
    with pytest.raises(ValueError, match=r"a\.nrrd: space directions .* the volume was turned"):
        read_nrrd(tmp_path / "a.nrrd")


@pytest.mark.parametrize(
    "directions",
    ["(nan,0,0) (0,2,0) (0,0,2)", "(0,0,0) (0,0,0) (0,0,0)", "(2,0,0) (0,2,0) (0,0,1e999)", "(2,0) (0,2)"],
)
def test_axes_without_a_length_are_refused(tmp_path, directions):
    _write(tmp_path / "a.nrrd", DATA, "left-posterior-superior", directions)
    with pytest.raises(ValueError, match=r"a\.nrrd: space directions .*; wanted three numbers, not all 0"):
        read_nrrd(tmp_path / "a.nrrd")


def test_voxels_are_cubic(tmp_path):
    _write(tmp_path / "a.nrrd", DATA, "left-posterior-superior", "(2,0,0) (0,2,0) (0,0,4)")
    with pytest.raises(ValueError, match="differs between axes"):
        read_nrrd(tmp_path / "a.nrrd")


def test_words_among_the_numbers_are_no_numbers(tmp_path):
    _write(tmp_path / "a.nrrd", DATA, "left-posterior-superior", "none", "(none)")
    found = read_nrrd(tmp_path / "a.nrrd")
    assert (found.pixel_size, found.origin) == (None, None)


def test_segments_of_slicer_have_names(tmp_path):
    more = "Segment0_Name:=actin\nSegment0_LabelValue:=1\nSegment1_Name:=Segment_2\nSegment1_LabelValue:=7\n"
    _write(tmp_path / "a.seg.nrrd", DATA, "left-posterior-superior", "(2,0,0) (0,2,0) (0,0,2)", more=more)
    assert read_any(tmp_path / "a.seg.nrrd").segments == {"actin": 1, "Segment_2": 7}
    write_nrrd(tmp_path / "b.nrrd", DATA, 2.0)
    assert read_any(tmp_path / "b.nrrd").segments == {}
