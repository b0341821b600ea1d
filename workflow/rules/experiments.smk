# Experiments of the paper, each a target of its own: snakemake --cores all experiment_dose
from cts.config.structures import read_structure_table
from cts.species import check_structures
from tomoio.config import load_yaml
from workflow.dose_experiment import DoseExperimentConfig

try:
    dose_experiment = load_yaml("config/experiment-dose.yaml", DoseExperimentConfig)
    dose_structures = read_structure_table(
        dose_experiment.specimen.structures, tables.classes
    )
    check_structures(dose_experiment.specimen, dose_structures)
except (ValueError, OSError) as error:
    print(f"snakemake: error: {error}", file=sys.stderr)
    sys.exit(2)

DOSE = "results/experiments/dose"


def dose_specimens(kind):
    return [
        f"{kind}_{i + 1:02d}" for i in range(getattr(dose_experiment.specimens, kind))
    ]


def dose_scores():
    """Score tables by network and dose, as lists over the test specimens."""
    return {
        (network, dose): expand(
            f"{DOSE}/scores/{network}/{dose:g}/{{s}}.tsv", s=dose_specimens("test")
        )
        for network in dose_experiment.networks
        for dose in dose_experiment.test_doses_e_per_angstrom2
    }


rule experiment_dose:
    input:
        scores=[path for paths in dose_scores().values() for path in paths],
    output:
        table=f"{DOSE}/scores.tsv",
        plot=report(
            f"{DOSE}/dice_against_dose.png",
            caption="../report/dose.rst",
            category="Experiments",
        ),
    log:
        "logs/experiments/dose/collect.log",
    conda:
        "../../envs/workflow.yaml"
    params:
        scores=dose_scores(),
        networks=dose_experiment.networks,
    message:
        "Collecting the dose experiment"
    script:
        "../scripts/experiment_dose.py"


use rule model_tomogram as dose_model with:
    output:
        expand(f"{DOSE}/specimens/{{{{tomogram}}}}/{{file}}", file=MODEL_FILES),
    log:
        "logs/experiments/dose/model/{tomogram}.log",
    benchmark:
        "logs/benchmarks/experiments/dose/model/{tomogram}.tsv"
    params:
        config=dose_experiment.specimen.model_dump(mode="json"),
        classes=pipeline.classes,
        class_labels=CLASS_LABELS,
        store=pipeline.structure_store,
        seed=dose_experiment.seed,


use rule simulate_tomogram as dose_simulate with:
    input:
        rules.dose_model.output,
    output:
        expand(
            f"{DOSE}/tomograms/{{{{tomogram}}}}/{{{{dose}}}}/{{file}}",
            file=SIMULATION_FILES,
        ),
    log:
        "logs/experiments/dose/simulate/{tomogram}_{dose}.log",
    benchmark:
        "logs/benchmarks/experiments/dose/simulate/{tomogram}_{dose}.tsv"
    params:
        config=lambda wildcards: dose_experiment.simulation_at(
            float(wildcards.dose)
        ).model_dump(mode="json"),
        seed=dose_experiment.seed,


def dose_block_pairs(wildcards):
    return [
        (
            f"{DOSE}/tomograms/{specimen}/{dose:g}/tomogram.mrc",
            f"{DOSE}/specimens/{specimen}/atlas.mrc",
        )
        for dose in dose_experiment.networks[wildcards.network]
        for specimen in dose_specimens("training")
    ]


use rule block as dose_block with:
    input:
        tomograms=lambda wildcards: [pair[0] for pair in dose_block_pairs(wildcards)],
        labels=lambda wildcards: [pair[1] for pair in dose_block_pairs(wildcards)],
    output:
        expand(f"{DOSE}/networks/{{{{network}}}}/block/{{file}}", file=BLOCK_FILES),
    log:
        "logs/experiments/dose/block/{network}.log",
    benchmark:
        "logs/benchmarks/experiments/dose/block/{network}.tsv"
    params:
        config=pipeline.blocks.model_dump(mode="json"),
        classes=pipeline.classes,
        class_labels=CLASS_LABELS,
        names=lambda wildcards: [
            f"part_{i:02d}" for i in range(len(dose_block_pairs(wildcards)))
        ],
        domains=lambda wildcards: ["synthetic"] * len(dose_block_pairs(wildcards)),
    message:
        "Normalising and concatenating the tomograms for the network {wildcards.network}"


use rule train as dose_train with:
    input:
        synthetic=f"{DOSE}/networks/{{network}}/block/parts.tsv",
        corrections=[],
        validation=[],
    output:
        weights=f"{DOSE}/networks/{{network}}/model/weights.safetensors",
        card=f"{DOSE}/networks/{{network}}/model/model.json",
        history=f"{DOSE}/networks/{{network}}/model/history.csv",
    log:
        "logs/experiments/dose/train/{network}.log",
    benchmark:
        "logs/benchmarks/experiments/dose/train/{network}.tsv"
    threads: dose_experiment.training.threads or workflow.cores
    params:
        config=dose_experiment.training.model_dump(mode="json"),
        classes=pipeline.classes,
        class_labels=CLASS_LABELS,
        seed=dose_experiment.training_seed,
    message:
        "Training the network {wildcards.network} of the dose experiment"


use rule segment as dose_segment with:
    input:
        tomogram=f"{DOSE}/tomograms/{{tomogram}}/{{dose}}/tomogram.mrc",
        card=f"{DOSE}/networks/{{network}}/model/model.json",
    output:
        labels=f"{DOSE}/segmentations/{{network}}/{{dose}}/{{tomogram}}_labels.mrc",
    log:
        "logs/experiments/dose/segment/{network}_{dose}_{tomogram}.log",
    benchmark:
        "logs/benchmarks/experiments/dose/segment/{network}_{dose}_{tomogram}.tsv"
    params:
        config={**pipeline.segmentation.model_dump(mode="json"), "uncertainty": False},
        contrast="dark",
        pixel_size_angstrom=None,
    message:
        "Segmenting {wildcards.tomogram} at {wildcards.dose} e/Å² with the network {wildcards.network}"


use rule score_unseen as dose_score with:
    input:
        prediction=f"{DOSE}/segmentations/{{network}}/{{dose}}/{{tomogram}}_labels.mrc",
        truth=f"{DOSE}/specimens/{{tomogram}}/atlas.mrc",
    output:
        table=f"{DOSE}/scores/{{network}}/{{dose}}/{{tomogram}}.tsv",
    log:
        "logs/experiments/dose/score/{network}_{dose}_{tomogram}.log",
    params:
        config=pipeline.scoring.model_dump(mode="json"),
        classes=pipeline.classes,
        class_roles=CLASS_ROLES,
        round=lambda wildcards: wildcards.network,
        domain="synthetic",
        tomogram=lambda wildcards: wildcards.tomogram,
        merge={},
    message:
        "Scoring the network {wildcards.network} at {wildcards.dose} e/Å²"
