"""Repeat units of filaments: actin, cofilactin and the tubulin dimer.

Axes: z is the filament axis, except for the tubulin dimer, whose z runs along the protofilament towards the
plus end and whose x points out of the tube.
"""

from __future__ import annotations

from cts.library.shapes import Part, ball, build, cylindrical, ellipsoid, union
from cts.structure import Structure

_ACTIN_DA = 41_800
_COFILIN_DA = 18_500
_TUBULIN_DA = 48_500

# the four subdomains of a subunit in a filament: radius, angle and height of their centres about the filament
# axis, +z towards the pointed end, and their radii
_ACTIN_SUBDOMAINS = (
    (26.6, 28.0, -3.5, 16.5),
    (20.0, 31.3, 22.4, 11.5),
    (15.4, -33.1, -12.8, 15.5),
    (15.4, -62.9, 11.0, 15.5),
)


def actin() -> Structure:
    """Return the subunit of F-actin (41.8 kDa).

    To be repeated by -166.65 degrees and 28.1 Å: a left-handed short-pitch helix, so that the two strands
    wind about each other right-handedly. The centres of its four subdomains (residues 1-32, 70-144, 338-375;
    33-69; 145-180, 270-337; 181-269; Kabsch et al. 1990) lie as in PDB 6BNO (Gurel et al. 2017), whose
    chains obey the same helix.
    """
    return build("actin", _actin_part("actin"), centred=False)


def cofilactin() -> Structure:
    """Return the subunit of a filament that cofilin decorates: an actin and a cofilin, two submodels.

    To be repeated by -162 degrees and 27.5 Å (Galkin et al. 2011, PDB 3J0S: cofilin turns each subunit so
    that the crossover shortens from 36 to 27 nm). Cofilin, 18.5 kDa and 3.5 nm across, lies 38 Å from the
    axis in the cleft between two neighbours of one strand, towards the barbed end of the subunit: its centre
    was measured on a molecular-dynamics model of a decorated filament (Hocky et al., CofilinSevering).
    """
    cofilin = ball(cylindrical(38, -20, -29), 17.5)
    return build(
        "cofilactin",
        _actin_part("cofilactin"),
        Part("cofilin", "cofilactin", cofilin, _COFILIN_DA),
        centred=False,
    )


def tubulin_dimer() -> Structure:
    """Return the αβ-tubulin dimer (97 kDa), the repeat of a protofilament, 82 Å long.

    Neighbours along a protofilament touch, 41 Å apart; neighbours side by side touch only near the inside
    of the wall, so that ridges stand out on its outside. The two ellipsoids of a monomer were fitted to a
    wall built from PDB 5IJ0: at 12.5 Å, the share of the wall that is labelled differs by at most 0.04 at any
    radius from 100 to 124 Å, and the valleys between the subunits are as deep.
    """
    monomers = [
        union(ellipsoid((-6, 0, z), (17, 29, 23)), ellipsoid((6, 0, z), (21, 19, 22))) for z in (-20.5, 20.5)
    ]
    return build("tubulin_dimer", *(Part("dimer", "microtubule", shape, _TUBULIN_DA) for shape in monomers))


def _actin_part(class_name: str) -> Part:
    subdomains = (ball(cylindrical(r, angle, z), radius) for r, angle, z, radius in _ACTIN_SUBDOMAINS)
    return Part("actin", class_name, union(*subdomains), _ACTIN_DA)
