"""Distractors: what else is in a cell. Sizes and masses from the entries named with each.

Shapes are as coarse as a tomogram shows them; masses are those of the whole assembly.
"""

from __future__ import annotations

import numpy as np

from cts.library.shapes import (
    Part,
    Shape,
    about_axis,
    ball,
    build,
    capsule,
    chain,
    cyclic,
    cylindrical,
    dihedral,
    ellipsoid,
    tube,
    turned,
    union,
    without,
)
from cts.structure import Structure


def _protein(name: str, shape: Shape, mass_da: float) -> Structure:
    return build(name, Part(name, "background", shape, mass_da))


def proteasome_20s() -> Structure:
    """Return the 20S proteasome: a barrel of four rings of seven, 15 × 11.5 nm, 700 kDa (PDB 3J9I)."""
    ring = cyclic(ball(cylindrical(38, 0, 19), 19), 7)
    outer = cyclic(ball(cylindrical(37, 12, 56), 19), 7)
    half = union(ring, outer)
    return _protein("proteasome_20s", union(half, turned(half, about_axis(180, 0))), 700_000)


def apoferritin() -> Structure:
    """Return apoferritin: a hollow ball, 12 nm outside and 8 nm inside, 24 subunits, 480 kDa (PDB 4V1W)."""
    return _protein("apoferritin", without(ball((0, 0, 0), 61), ball((0, 0, 0), 40)), 480_000)


def glutamine_synthetase() -> Structure:
    """Return bacterial glutamine synthetase: two hexagonal rings face to face, 620 kDa (PDB 2GLS)."""
    subunit = ellipsoid(cylindrical(48, 0, 23), (24, 22, 22))
    return _protein("glutamine_synthetase", dihedral(subunit, 6), 620_000)


def p97() -> Structure:
    """Return p97/VCP: two stacked rings of six with a flared outer ring, 540 kDa (PDB 3CF3)."""
    subunit = union(
        ellipsoid(cylindrical(38, 0, -32), (20, 20, 16)),
        ellipsoid(cylindrical(38, 12, 2), (20, 20, 16)),
        ball(cylindrical(66, 18, 6), 16),
    )
    return _protein("p97", cyclic(subunit, 6), 540_000)


def rubisco() -> Structure:
    """Return rubisco: eight large and eight small subunits, 11 nm across, with a channel; 540 kDa (1BXN)."""
    large = ellipsoid(cylindrical(36, 0, 18), (26, 26, 24))
    small = ball(cylindrical(28, 45, 46), 14)
    return _protein("rubisco", without(dihedral(union(large, small), 4), tube(0, 10, -90, 90)), 540_000)


def fatty_acid_synthase() -> Structure:
    """Return mammalian fatty acid synthase: an X of 21 × 18 × 8 nm, 540 kDa (PDB 2VZ8)."""
    upper = chain([(10, 0, 6), (50, 0, 45), (88, 0, 60)], 23)
    lower = chain([(12, 0, -10), (55, 0, -45), (70, 0, -80)], 24)
    half = union(upper, lower)
    return _protein("fatty_acid_synthase", union(half, turned(half, about_axis(180))), 540_000)


def rna_polymerase_ii() -> Structure:
    """Return RNA polymerase II: a claw of 14 × 14 × 11 nm with a stalk, 510 kDa (PDB 1WCM)."""
    body = ellipsoid((0, 0, 0), (66, 58, 48))
    cleft = turned(ellipsoid((46, 0, 22), (60, 15, 40)), about_axis(20))
    stalk = chain([(-38, -40, -10), (-72, -62, -16), (-84, -66, -14)], 15)
    return _protein("rna_polymerase_ii", union(without(body, cleft), stalk), 510_000)


def beta_galactosidase() -> Structure:
    """Return β-galactosidase: four subunits in a lozenge of 18 × 13 × 9 nm, 465 kDa (PDB 1DP0)."""
    quarter = turned(ellipsoid((38, 27, 8), (44, 30, 32)), about_axis(12))
    half = union(quarter, turned(quarter, about_axis(180, 0)))
    return _protein("beta_galactosidase", union(half, turned(half, about_axis(180))), 465_000)


def pyruvate_dehydrogenase_core() -> Structure:
    """Return the cubic core of 24 E2 chains: trimers at the corners of a 12.5-nm cube, 700 kDa (PDB 1EAA)."""
    corners = [ball((x, y, z), 29) for x in (-38, 38) for y in (-38, 38) for z in (-38, 38)]
    bridges = [
        turned(capsule((-38, a, b), (38, a, b), 11), matrix)
        for matrix in (np.eye(3), about_axis(90), about_axis(90, 1))
        for a in (-38, 38)
        for b in (-38, 38)
    ]
    return _protein("pyruvate_dehydrogenase_core", union(*corners, *bridges), 700_000)


def lumazine_synthase() -> Structure:
    """Return lumazine synthase: an icosahedral shell of 60 subunits, 15.5 nm outside, 970 kDa (PDB 1RVV)."""
    golden = (1 + np.sqrt(5)) / 2
    vertices = [np.roll((0.0, a, b * golden), turn) for turn in range(3) for a in (-1, 1) for b in (-1, 1)]
    knobs = [ball(vertex * 64 / np.linalg.norm(vertex), 24) for vertex in vertices]
    shell = without(union(ball((0, 0, 0), 71), *knobs), ball((0, 0, 0), 42))
    return _protein("lumazine_synthase", shell, 970_000)


def mtorc1() -> Structure:
    """Return mTORC1: a hollow lozenge of 29 × 21 × 10 nm, 1 MDa (Yip et al. 2010; PDB 6BCX)."""
    half = union(
        chain([(15, -22, 0), (62, -52, 0), (112, -40, 8)], 29),
        chain([(112, -30, 8), (80, 30, 0), (24, 62, -4)], 27),
    )
    return _protein("mtorc1", union(half, turned(half, about_axis(180))), 1_000_000)


def clathrin_triskelion() -> Structure:
    """Return a clathrin triskelion: three bent legs of 45 nm, 650 kDa (PDB 1XI4, Fotin et al. 2004)."""
    leg = chain(
        [(0, 0, 30), (80, 20, 8), (160, 20, -8), (222, 75, -30), (255, 160, -48), (235, 205, -70)], 13.5
    )
    return _protein("clathrin_triskelion", cyclic(leg, 3), 650_000)


def dynactin() -> Structure:
    """Return dynactin: a short filament of 37 nm with a shoulder, 1.0 MDa (PDB 5ADX)."""
    rod = union(*(ball(cylindrical(22, -166.65 * i, 27.5 * i - 130), 24) for i in range(10)))
    shoulder = union(ellipsoid((48, 10, 40), (30, 34, 48)), capsule((60, 10, 0), (70, 4, -70), 14))
    pointed = ellipsoid((0, 0, 152), (26, 26, 24))
    return _protein("dynactin", union(rod, shoulder, pointed), 1_000_000)


def glutamate_dehydrogenase() -> Structure:
    """Return glutamate dehydrogenase: two stacked trimers with antennae, 336 kDa (PDB 1HWZ)."""
    lobe = union(ellipsoid(cylindrical(32, 0, 26), (28, 26, 28)), capsule((22, 8, 45), (8, 6, 72), 9))
    return _protein("glutamate_dehydrogenase", dihedral(lobe, 3), 336_000)


def immunoglobulin_g() -> Structure:
    """Return an antibody: a Y of three lobes on a hinge, 150 kDa (PDB 1IGT)."""
    arms = [capsule((side * 18, 14, 0), (side * 58, 52, side * 8), 19) for side in (-1, 1)]
    stem = union(capsule((-11, -18, 0), (-11, -58, 0), 13), capsule((11, -18, 0), (11, -58, 0), 13))
    hinge = union(capsule((-18, 14, 0), (-4, -14, 0), 6), capsule((18, 14, 0), (4, -14, 0), 6))
    return _protein("immunoglobulin_g", union(*arms, stem, hinge), 150_000)


def hsp90() -> Structure:
    """Return the Hsp90 dimer: a V closed at both ends, 15 nm long, 170 kDa (PDB 2CG9)."""
    arm = chain([(7, 0, -62), (27, 6, -12), (26, -4, 28), (12, 8, 60)], 16)
    return _protein("hsp90", union(arm, turned(arm, about_axis(180))), 170_000)


def hsp70() -> Structure:
    """Return Hsp70: a clefted lobe and a small one on a linker, 70 kDa (PDB 1S3X, 2KHO)."""
    large = without(ellipsoid((0, 0, 26), (30, 25, 29)), ellipsoid((0, 0, 58), (6, 30, 26)))
    small = union(ellipsoid((6, 0, -22), (17, 16, 24)), capsule((16, 0, -26), (34, 0, -58), 8))
    return _protein("hsp70", union(large, small), 70_000)


def enolase() -> Structure:
    """Return the enolase dimer: two balls side by side, 94 kDa (PDB 4ENL)."""
    return _protein("enolase", union(ball((24, 0, 0), 25), ball((-24, 0, 0), 25)), 94_000)


def aldolase() -> Structure:
    """Return aldolase: four subunits in a flattened square, 157 kDa (PDB 1ZAH)."""
    return _protein("aldolase", cyclic(ellipsoid((34, 0, 0), (27, 25, 22)), 4), 157_000)


def gapdh() -> Structure:
    """Return GAPDH: four subunits in a tetrahedron, 9 nm across, 144 kDa (PDB 1U8F)."""
    corners = [(26, 26, 26), (26, -26, -26), (-26, 26, -26), (-26, -26, 26)]
    return _protein("gapdh", union(*(ball(np.array(c) * 0.9, 25) for c in corners)), 144_000)


def pcna() -> Structure:
    """Return PCNA: a flat ring of 8 nm with a 3.5-nm hole, 87 kDa (PDB 1AXC)."""
    return _protein("pcna", cyclic(chain([cylindrical(30, a, 0) for a in (0, 38, 76)], 13), 3), 87_000)


def importin_beta() -> Structure:
    """Return importin β: a superhelix of 19 HEAT repeats, 97 kDa (PDB 1QGK)."""
    points = [cylindrical(30, 24 * i, 5.2 * i - 47) for i in range(19)]
    return _protein("importin_beta", chain(points, 14), 97_000)


def alpha_actinin() -> Structure:
    """Return the α-actinin dimer: a rod of 36 nm with heads at both ends, 200 kDa (PDB 4D1E)."""
    rod = union(capsule((9, 0, -125), (9, 0, 125), 13), capsule((-9, 0, -125), (-9, 0, 125), 13))
    heads = [ellipsoid((0, 6 * side, 155 * side), (29, 22, 24)) for side in (-1, 1)]
    return _protein("alpha_actinin", union(rod, *heads), 200_000)


def protein_phosphatase_2a() -> Structure:
    """Return the PP2A holoenzyme: a horseshoe scaffold that holds two lobes, 155 kDa (PDB 2NPP)."""
    scaffold = chain([cylindrical(46, a, 0.12 * (a - 130)) for a in range(0, 261, 26)], 13)
    lobes = [ball((22, -34, -6), 21), ellipsoid((10, 14, 14), (22, 28, 24))]
    return _protein("protein_phosphatase_2a", union(scaffold, *lobes), 155_000)


def ternary_complex() -> Structure:
    """Return EF-Tu with a transfer RNA: an L with one thick arm, 43 kDa protein and 25 kDa RNA (PDB 1TTT)."""
    factor = union(ellipsoid((0, 0, 0), (24, 22, 26)), ball((20, 0, 26), 15))
    trna = chain([(24, 0, -18), (26, 0, -62), (4, 0, -76), (-34, 0, -72)], 9)
    return build(
        "ternary_complex",
        Part("ternary_complex", "background", factor, 43_000),
        Part("ternary_complex", "background", without(trna, factor), 25_000, 1.0),
    )


def carbonic_anhydrase() -> Structure:
    """Return carbonic anhydrase II: a compact globule of 5 × 4 × 4 nm, 30 kDa (PDB 1CA2)."""
    return _protein("carbonic_anhydrase", ellipsoid((0, 0, 0), (25, 20, 19)), 30_000)
