"""Write the report of a run."""

from pathlib import Path

from tomoio import read_class_table
from workflow.logs import log_to
from workflow.run_report import RealCase, ReportInputs, SyntheticCase, drawn_values, write_report

log_to(snakemake.log[0])
given = snakemake.input
synthetic = zip(
    snakemake.params.synthetic, given.models, given.tomograms, given.truths, given.predictions, strict=True
)
real = zip(snakemake.params.real, given.real_tomograms, given.real_predictions, strict=True)
inputs = ReportInputs(
    synthetic=[SyntheticCase(name, *map(Path, paths)) for name, *paths in synthetic],
    real=[RealCase(name, *map(Path, paths)) for name, *paths in real],
    history=Path(given.history),
    scores=Path(given.scores),
    benchmarks=sorted(Path(snakemake.params.benchmarks).rglob("*.tsv")),
    configuration=snakemake.params.configuration,
    drawn_values=drawn_values(given.manifests),
)
write_report(inputs, read_class_table(given.classes), Path(snakemake.output.html))
