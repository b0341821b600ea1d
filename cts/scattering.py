"""Electron scattering factors, displaced volumes and mean inner potentials of matter."""

from __future__ import annotations

import math
from collections.abc import Mapping

import gemmi

from cts.structure import Scatterer

# h² / (2π m e): a scattering factor of 1 Å at zero angle integrates to this potential
VOLT_ANGSTROM2 = 47.877645
_DALTON_PER_ANGSTROM3 = 0.602214076  # of 1 g/cm³
# partial specific volumes: protein 0.73 cm³/g; nucleic acid 0.55 cm³/g (Voss & Gerstein 2005, J. Mol. Biol.)
PROTEIN_ANGSTROM3_PER_DA = 1.21
NUCLEIC_ACID_ANGSTROM3_PER_DA = 0.91
# distance of a hydrogen from the atom that it is bound to
_BOND_LENGTH_ANGSTROM = 1.0


def element_of(symbol: str) -> gemmi.Element:
    """Return a chemical element that has electron scattering factors.

    Raises
    ------
    ValueError
        If there is no such element, or no scattering factor is tabulated for it.
    """
    element = gemmi.Element(symbol)
    if element.atomic_number == 0 or element.c4322 is None:
        raise ValueError(f"element {symbol!r} is unknown; wanted a chemical symbol with a scattering factor")
    return element


def atom_scatterer(symbol: str, *, angstrom3_per_da: float, hydrogens: float = 0.0) -> Scatterer:
    """Return the scatterer of an atom with the hydrogens that it is bound to.

    Five Gaussians each (International Tables C, table 4.3.2.2; gemmi's c4322): the scattering factor
    f(s) = Σ aᵢ exp(-bᵢ s²), s = sin θ / λ, is the transform of a potential made of Gaussians with integral
    47.88 V Å² aᵢ and variance bᵢ / 8π². Hydrogens stand at their atom's centre, widened by the mean square of
    the bond along one axis, since their directions are not known.

    Parameters
    ----------
    symbol
        Element.
    angstrom3_per_da
        Excluded volume per mass of the molecule that the atom is part of.
    hydrogens
        Number of hydrogens bound to it, on average.
    """
    element, hydrogen = element_of(symbol), element_of("H")
    gaussians = _gaussians(element, 1.0, 0.0)
    if hydrogens:
        gaussians += _gaussians(hydrogen, hydrogens, _BOND_LENGTH_ANGSTROM**2 / 3)
    return Scatterer(
        name=f"{element.name}+{hydrogens:.2f}H" if hydrogens else element.name,
        integrals_volt_angstrom3=tuple(integral for integral, _ in gaussians),
        sigmas_angstrom=tuple(sigma for _, sigma in gaussians),
        volume_angstrom3=angstrom3_per_da * (element.weight + hydrogens * hydrogen.weight),
        mass_da=element.weight + hydrogens * hydrogen.weight,
    )


def _gaussians(element: gemmi.Element, count: float, widening_angstrom2: float) -> list[tuple[float, float]]:
    """Return integral (V Å³) and standard deviation (Å) of an element's Gaussians."""
    coefficients = element.c4322
    return [
        (VOLT_ANGSTROM2 * count * a, math.sqrt(b / (8 * math.pi**2) + widening_angstrom2))
        for a, b in zip(coefficients.a, coefficients.b, strict=True)
    ]


def mean_inner_potential_volt(formula: Mapping[str, float], density_g_per_cm3: float) -> float:
    """Return the mean inner potential of matter in vacuum, V, from neutral free atoms.

    V = 47.88 V Å² × Σ f(0) / volume (Bethe); bonding lowers the true value by up to a tenth.

    Parameters
    ----------
    formula
        Number of atoms of each element, such as ``{"H": 2, "O": 1}``.
    density_g_per_cm3
        Mass density.
    """
    elements = {element_of(symbol): count for symbol, count in formula.items()}
    mass_da = sum(element.weight * count for element, count in elements.items())
    scattering_angstrom = sum(sum(element.c4322.a) * count for element, count in elements.items())
    volume_angstrom3 = mass_da / (density_g_per_cm3 * _DALTON_PER_ANGSTROM3)
    return VOLT_ANGSTROM2 * scattering_angstrom / volume_angstrom3
