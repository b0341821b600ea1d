"""Large targets and a membrane protein: ribosome, TRiC, a ligand-gated channel."""

from __future__ import annotations

from cts.library.shapes import (
    Part,
    build,
    capsule,
    chain,
    cyclic,
    cylindrical,
    dihedral,
    ellipsoid,
    tube,
    union,
    without,
)
from cts.structure import Structure


def ribosome_80s() -> Structure:
    """Return a cytosolic ribosome of two subunits, 4.3 MDa, 25-30 nm across.

    Large subunit: a half ball 24 nm wide with central protuberance, L1 stalk and P stalk; 2.8 MDa, of it
    1.7 MDa RNA. Small subunit: body with foot, neck, head and beak, 24 nm long; 1.5 MDa, of it 0.7 MDa RNA
    (sizes of the human ribosome, PDB 4V6X, Anger et al. 2013; landmarks after Frank et al. 1995). RNA lies
    inside, protein around it. +z runs from the small to the large subunit.
    """
    large = without(
        union(
            ellipsoid((0, 0, 42), (117, 108, 92)),
            ellipsoid((0, 100, 10), (26, 32, 28)),
            chain([(-85, 60, 15), (-125, 85, 5), (-142, 94, 0)], 16),
            chain([(85, 60, 10), (118, 82, -5), (138, 78, -18)], 13),
        ),
        ellipsoid((0, 0, -62), (140, 92, 78)),
    )
    small = union(
        ellipsoid((0, -28, -64), (70, 80, 42)),
        ellipsoid((0, 78, -60), (54, 42, 36)),
        capsule((45, 86, -58), (90, 68, -50), 13),
        capsule((-38, 0, -60), (-72, 22, -52), 18),
        ellipsoid((14, -116, -58), (24, 28, 22)),
    )
    return build(
        "ribosome_80s",
        Part("large_subunit", "ribosome", large, 2_800_000, 0.6),
        Part("small_subunit", "ribosome", without(small, large), 1_480_000, 0.46),
    )


def tric() -> Structure:
    """Return TRiC/CCT: two rings of eight subunits back to back, closed by lids; 960 kDa.

    16 nm high and 15 nm wide with a closed cavity in each ring (PDB 4V94, Leitner et al. 2012; Cong et al.
    2010). Each of the sixteen 60-kDa subunits has an equatorial, a middle and an apical domain, the last
    leaning inwards over the cavity.
    """
    subunit = union(
        ellipsoid(cylindrical(50, 0, 18), (23, 21, 19)),
        ellipsoid(cylindrical(58, 8, 42), (14, 18, 14)),
        ellipsoid(cylindrical(42, 14, 63), (26, 16, 13)),
    )
    return build("tric", Part("chaperonin", "tric", dihedral(subunit, 8), 960_000))


def ligand_gated_channel() -> Structure:
    """Return a pentameric ligand-gated channel, 290 kDa, upright in the membrane.

    A ring of five about a pore: extracellular domains 65 Å high and 80 Å wide, four helices each through the
    membrane, an intracellular tail (nicotinic acetylcholine receptor, PDB 2BG9, Unwin 2005). Origin in the
    middle of the membrane, +z outwards; what lies within the membrane is labelled as membrane.
    """
    pore = tube(0, 8, -70, 90)
    helices = cyclic(capsule(cylindrical(22, 0, -18), cylindrical(25, 12, 18), 12.5), 5)
    outside = cyclic(chain([cylindrical(25, 8, 40), cylindrical(30, 24, 68), cylindrical(27, 36, 84)], 15), 5)
    inside = cyclic(capsule(cylindrical(18, 0, -37), cylindrical(15, 0, -60), 10), 5)
    return build(
        "ligand_gated_channel",
        Part("transmembrane", "membrane", without(helices, pore), 80_000),
        Part("extramembrane", "background", without(outside, pore), 165_000),
        Part("extramembrane", "background", without(inside, pore), 45_000),
        centred=False,
    )
