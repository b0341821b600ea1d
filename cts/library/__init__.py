"""Built-in structures: coarse procedural assemblies that need no network.

`BUILTIN` maps the NAME of ``builtin:NAME`` in a structures table to the function that builds it.
"""

from __future__ import annotations

from collections.abc import Callable

from cts.library import assemblies, distractors, filaments
from cts.structure import Structure

_FUNCTIONS: tuple[Callable[[], Structure], ...] = (
    filaments.actin,
    filaments.cofilactin,
    filaments.tubulin_dimer,
    assemblies.ribosome_80s,
    assemblies.tric,
    assemblies.ligand_gated_channel,
    distractors.proteasome_20s,
    distractors.apoferritin,
    distractors.glutamine_synthetase,
    distractors.p97,
    distractors.rubisco,
    distractors.fatty_acid_synthase,
    distractors.rna_polymerase_ii,
    distractors.beta_galactosidase,
    distractors.pyruvate_dehydrogenase_core,
    distractors.lumazine_synthase,
    distractors.mtorc1,
    distractors.clathrin_triskelion,
    distractors.dynactin,
    distractors.glutamate_dehydrogenase,
    distractors.immunoglobulin_g,
    distractors.hsp90,
    distractors.hsp70,
    distractors.enolase,
    distractors.aldolase,
    distractors.gapdh,
    distractors.pcna,
    distractors.importin_beta,
    distractors.alpha_actinin,
    distractors.protein_phosphatase_2a,
    distractors.ternary_complex,
    distractors.carbonic_anhydrase,
)
BUILTIN: dict[str, Callable[[], Structure]] = {function.__name__: function for function in _FUNCTIONS}
