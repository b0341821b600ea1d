from __future__ import annotations

import gemmi
import numpy as np
import pytest

from cts.scattering import PROTEIN_ANGSTROM3_PER_DA, atom_scatterer, mean_inner_potential_volt

# average composition of protein: Creighton, Proteins (1993)
PROTEIN = {"C": 4.95, "H": 7.8, "N": 1.36, "O": 1.48, "S": 0.04}
RNA = {"C": 9.5, "H": 10.8, "N": 3.8, "O": 7.0, "P": 1.0}


@pytest.mark.parametrize(
    ("formula", "density", "low", "high"),
    [
        ({"H": 2, "O": 1}, 0.94, 4.5, 4.7),
        ({"C": 1}, 2.0, 11.7, 12.3),
        ({"Au": 1}, 19.3, 29.0, 31.0),
        (PROTEIN, 1.66054 / PROTEIN_ANGSTROM3_PER_DA, 7.5, 8.5),
        (RNA, 1.66054 / 0.91, 9.0, 10.0),
    ],
    ids=["ice", "carbon", "gold", "protein", "rna"],
)
def test_mean_inner_potentials(formula, density, low, high):
    assert low <= mean_inner_potential_volt(formula, density) <= high


def test_protein_to_ice_ratio():
    protein = mean_inner_potential_volt(PROTEIN, 1.66054 / PROTEIN_ANGSTROM3_PER_DA)
    assert 1.6 <= protein / mean_inner_potential_volt({"H": 2, "O": 1}, 0.94) <= 1.85


@pytest.mark.parametrize("symbol", ["H", "C", "O", "P", "Fe", "Au"])
def test_transform_is_the_tabulated_scattering_factor(symbol):
    scatterer = atom_scatterer(symbol, angstrom3_per_da=1.21)
    for length in (0.0, 0.05, 0.2, 0.6):  # cycles/Å; s = sin θ / λ is half of it
        transform = sum(
            integral * np.exp(-2 * np.pi**2 * sigma**2 * length**2)
            for integral, sigma in zip(
                scatterer.integrals_volt_angstrom3, scatterer.sigmas_angstrom, strict=True
            )
        )
        tabulated = gemmi.Element(symbol).c4322.calculate_sf((length / 2) ** 2)
        assert transform == pytest.approx(47.878 * tabulated, rel=1e-4)


def test_bound_hydrogens_add_mass_volume_and_potential():
    bare, methyl = (atom_scatterer("C", angstrom3_per_da=1.21, hydrogens=n) for n in (0, 3))
    hydrogen = atom_scatterer("H", angstrom3_per_da=1.21)
    for key in ("mass_da", "volume_angstrom3"):
        assert getattr(methyl, key) == pytest.approx(getattr(bare, key) + 3 * getattr(hydrogen, key))
    total = sum(bare.integrals_volt_angstrom3) + 3 * sum(hydrogen.integrals_volt_angstrom3)
    assert sum(methyl.integrals_volt_angstrom3) == pytest.approx(total)


def test_unknown_element_is_named():
    with pytest.raises(ValueError, match="'Qq'"):
        atom_scatterer("Qq", angstrom3_per_da=1.21)
