"""From structures to segmented, measured tomograms: this file is the table of contents.

snakemake --cores all                                        the main job on config/config.yaml
snakemake --cores all --configfile config/neuralseg.yaml     the paper's scale
snakemake --cores all --dry-run                              what would run, and why
"""


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/structures.smk"
include: "workflow/rules/synthetic.smk"
include: "workflow/rules/real.smk"
include: "workflow/rules/rounds.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/experiments.smk"


rule all:
    default_target: True
    input:
        "results/report.html",
        expand("results/rounds/{round}/report.html", round=pipeline.rounds.names),
        expand(
            "results/rounds/{round}/to_correct/crops.txt",
            round=rounds_with_tomograms(),
        ),
        expand(
            "results/quantification/{round}/summary.md",
            round=rounds_with_tomograms()[-1:],
        ),
