# Co-training. Round r trains a new network on the synthetic block and on every correction of rounds up to r; the
# person who corrects is the back edge, and a corrected subvolume is a leaf input: no rule makes it.
from dataclasses import asdict

from segnet.config.rounds import round_key
from segnet.normalisation import sidecar_path
from segnet.rounds.corrections import (
    find_correction,
    stored_files,
    training_corrections,
)
from segnet.rounds.tomograms import labelling_model


def round_config(name):
    return next(entry for entry in pipeline.rounds.sequence if entry.name == name)


def round_tomograms(name):
    """Real tomograms that a round segments."""
    chosen = round_config(name).tomograms
    return [
        row for row in tables.tomograms if chosen == "all" or row.tomogram_id in chosen
    ]


def rounds_until(wildcards):
    """The round and those before it."""
    names = pipeline.rounds.names
    return names[: names.index(wildcards.round) + 1]


def rounds_with_tomograms():
    return [name for name in pipeline.rounds.names if round_tomograms(name)]


def real_tomogram(tomogram):
    return next((row for row in tables.tomograms if row.tomogram_id == tomogram), None)


def corrections_of(wildcards):
    return training_corrections(tables.corrections, wildcards.round)


def has_corrections(wildcards):
    return bool(corrections_of(wildcards))


rule corrections_block:
    input:
        lambda wildcards: [
            path for row in corrections_of(wildcards) for path in stored_files(row)
        ],
    output:
        expand("results/rounds/{{round}}/corrections/{file}", file=BLOCK_FILES),
    log:
        "logs/rounds/{round}/corrections_block.log",
    conda:
        "../../envs/segnet.yaml"
    params:
        config=pipeline.blocks.model_dump(mode="json"),
        classes=pipeline.classes,
        class_labels=CLASS_LABELS,
        table=pipeline.corrections,
        members=lambda wildcards: [
            (row.region_id, row.role) for row in corrections_of(wildcards)
        ],
    message:
        "Normalising and concatenating the corrections up to round {wildcards.round}"
    script:
        "../scripts/corrections_block.py"


rule train:
    input:
        synthetic="results/blocks/training/parts.tsv",
        corrections=lambda wildcards: (
            f"results/rounds/{wildcards.round}/corrections/parts.tsv"
            if has_corrections(wildcards)
            else []
        ),
        validation="results/blocks/test/parts.tsv" if pipeline.test_tomograms else [],
    output:
        weights="results/rounds/{round}/model/weights.safetensors",
        card="results/rounds/{round}/model/model.json",
        history="results/rounds/{round}/model/history.csv",
    log:
        "logs/rounds/{round}/train.log",
    benchmark:
        "logs/benchmarks/train/{round}.tsv"
    conda:
        "../../envs/segnet.yaml"
    threads: pipeline.training.threads or workflow.cores
    resources:
        mem_mb=8000,
        runtime=720,
    params:
        config=pipeline.training.model_dump(mode="json"),
        classes=pipeline.classes,
        class_labels=CLASS_LABELS,
        seed=pipeline.training_seed,
    message:
        "Training the network of round {wildcards.round}"
    script:
        "../scripts/train.py"


def tomogram_to_segment(wildcards):
    row = real_tomogram(wildcards.tomogram)
    return (
        row.path
        if row
        else f"results/synthetic/{wildcards.tomogram}/simulation/tomogram.mrc"
    )


def network_of(wildcards):
    """The model folder's card: the round's own network, unless the tomogram's row names another."""
    row = real_tomogram(wildcards.tomogram)
    own = f"results/rounds/{wildcards.round}/model"
    return f"{labelling_model(row, own) if row else own}/model.json"


rule segment:
    input:
        tomogram=tomogram_to_segment,
        card=network_of,
    output:
        labels="results/rounds/{round}/segmentations/{tomogram}_labels.mrc",
        uncertainty="results/rounds/{round}/segmentations/{tomogram}_uncertainty.mrc",
    log:
        "logs/rounds/{round}/segment/{tomogram}.log",
    benchmark:
        "logs/benchmarks/segment/{round}/{tomogram}.tsv"
    conda:
        "../../envs/segnet.yaml"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        config=pipeline.segmentation.model_dump(mode="json"),
        contrast=lambda wildcards: getattr(
            real_tomogram(wildcards.tomogram), "contrast", "dark"
        ),
        pixel_size_angstrom=lambda wildcards: getattr(
            real_tomogram(wildcards.tomogram), "pixel_size_angstrom", None
        ),
    message:
        "Segmenting {wildcards.tomogram} with the network of round {wildcards.round}"
    script:
        "../scripts/segment.py"


# Scores: synthetic tomograms that no network sees, real crops that are held out from every round, and crops that hold
# no object at all (hard negatives; some rounds train on them).
rule score_unseen:
    input:
        prediction="results/rounds/{round}/segmentations/{tomogram}_labels.mrc",
        truth="results/synthetic/{tomogram}/model/atlas.mrc",
    output:
        table="results/rounds/{round}/scores/synthetic/{tomogram}.tsv",
    log:
        "logs/rounds/{round}/score/{tomogram}.log",
    conda:
        "../../envs/segnet.yaml"
    params:
        config=pipeline.scoring.model_dump(mode="json"),
        classes=pipeline.classes,
        class_roles=CLASS_ROLES,
        round=lambda wildcards: wildcards.round,
        domain="synthetic",
        tomogram=lambda wildcards: wildcards.tomogram,
        merge=pipeline.training.merge,
    message:
        "Scoring {wildcards.tomogram} in round {wildcards.round}"
    script:
        "../scripts/score.py"


SCORED_ROLES = {"held_out": "real", "hard_negative": "hard_negative"}


def correction(wildcards):
    return find_correction(tables.corrections, wildcards.region)


rule segment_correction:
    input:
        image=lambda wildcards: correction(wildcards).image_path,
        normalisation=lambda wildcards: sidecar_path(correction(wildcards).image_path),
        provenance=lambda wildcards: correction(wildcards).provenance_path,
        card="results/rounds/{round}/model/model.json",
    output:
        labels="results/rounds/{round}/{role}/{region}_labels.mrc",
    log:
        "logs/rounds/{round}/{role}/{region}.log",
    benchmark:
        "logs/benchmarks/{role}/{round}/{region}.tsv"
    wildcard_constraints:
        role="|".join(SCORED_ROLES),
    conda:
        "../../envs/segnet.yaml"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        config={**pipeline.segmentation.model_dump(mode="json"), "uncertainty": False},
        table=pipeline.corrections,
    message:
        "Segmenting the crop {wildcards.region} with the network of round {wildcards.round}"
    script:
        "../scripts/segment_correction.py"


rule score_correction:
    input:
        prediction="results/rounds/{round}/{role}/{region}_labels.mrc",
        truth=lambda wildcards: correction(wildcards).labels_path,
        provenance=lambda wildcards: correction(wildcards).provenance_path,
    output:
        table="results/rounds/{round}/scores/{role}/{region}.tsv",
    log:
        "logs/rounds/{round}/score_{role}/{region}.log",
    wildcard_constraints:
        role="|".join(SCORED_ROLES),
    conda:
        "../../envs/segnet.yaml"
    params:
        config=pipeline.scoring.model_dump(mode="json"),
        classes=pipeline.classes,
        class_roles=CLASS_ROLES,
        table=pipeline.corrections,
        domain=lambda wildcards: SCORED_ROLES[wildcards.role],
        merge=pipeline.training.merge,
    message:
        "Scoring the crop {wildcards.region} in round {wildcards.round}"
    script:
        "../scripts/score_correction.py"


rule collect_scores:
    input:
        [
            f"results/rounds/{{round}}/scores/synthetic/{name}.tsv"
            for name in pipeline.test_tomograms
        ],
        [
            f"results/rounds/{{round}}/scores/{row.role}/{row.region_id}.tsv"
            for row in sorted(tables.corrections, key=lambda row: row.region_id)
            if row.role in SCORED_ROLES
        ],
    output:
        table="results/rounds/{round}/scores.tsv",
    log:
        "logs/rounds/{round}/collect_scores.log",
    conda:
        "../../envs/segnet.yaml"
    message:
        "Collecting the scores of round {wildcards.round}"
    script:
        "../scripts/collect_scores.py"


# What to correct next.
def segmentations_of(wildcards):
    return [
        f"results/rounds/{wildcards.round}/segmentations/{row.tomogram_id}_labels.mrc"
        for row in round_tomograms(wildcards.round)
    ]


def earlier_segmentations(wildcards):
    """What the latest earlier round found in each of the tomograms, to see where two networks disagree."""
    latest = {
        row.tomogram_id: name
        for name in rounds_until(wildcards)[:-1]
        for row in round_tomograms(name)
    }
    return [
        f"results/rounds/{latest[row.tomogram_id]}/segmentations/{row.tomogram_id}_labels.mrc"
        for row in round_tomograms(wildcards.round)
        if row.tomogram_id in latest
    ]


def settled_regions(wildcards):
    """Boxes that a round does not propose: those corrected for it or before.

    What is corrected for a later round was proposed by this one or by one that follows, and changes nothing here.
    """
    last = round_key(wildcards.round)
    settled = {
        row.region_id for row in tables.corrections if round_key(row.round) <= last
    }
    return [asdict(region) for region in tables.regions if region.region_id in settled]


rule propose:
    input:
        labels=segmentations_of,
        others=earlier_segmentations,
        card="results/rounds/{round}/model/model.json",
        classes=pipeline.classes,
    output:
        table="results/rounds/{round}/regions.tsv",
    log:
        "logs/rounds/{round}/propose.log",
    benchmark:
        "logs/benchmarks/propose/{round}.tsv"
    conda:
        "../../envs/segnet.yaml"
    params:
        crop=pipeline.rounds.crop.model_dump(mode="json"),
        proposal=pipeline.rounds.proposal.model_dump(mode="json"),
        segmentations="results/rounds/{round}/segmentations",
        tomograms=pipeline.tomograms,
        chosen=lambda wildcards: [
            row.tomogram_id for row in round_tomograms(wildcards.round)
        ],
        avoid=settled_regions,
    message:
        "Ranking regions to correct after round {wildcards.round}"
    script:
        "../scripts/propose.py"


rule crop:
    input:
        proposals=rules.propose.output.table,
        labels=segmentations_of,
        card="results/rounds/{round}/model/model.json",
    output:
        done="results/rounds/{round}/to_correct/crops.txt",
    log:
        "logs/rounds/{round}/crop.log",
    conda:
        "../../envs/segnet.yaml"
    params:
        config=pipeline.rounds.crop.model_dump(mode="json"),
        classes=pipeline.classes,
        class_labels=CLASS_LABELS,
        segmentations="results/rounds/{round}/segmentations",
        tomograms=pipeline.tomograms,
    message:
        "Cutting the regions to correct after round {wildcards.round}"
    script:
        "../scripts/crop.py"


# What was found.
rule quantify:
    input:
        labels=segmentations_of,
        classes=pipeline.classes,
    output:
        summary="results/quantification/{round}/summary.md",
    log:
        "logs/quantify/{round}.log",
    benchmark:
        "logs/benchmarks/quantify/{round}.tsv"
    conda:
        "../../envs/segnet.yaml"
    params:
        config=pipeline.quantification.model_dump(mode="json"),
        tomograms=lambda wildcards: [
            row.tomogram_id for row in round_tomograms(wildcards.round)
        ],
        groups=lambda wildcards: [row.group for row in round_tomograms(wildcards.round)],
    message:
        "Counting and measuring what round {wildcards.round} found"
    script:
        "../scripts/quantify.py"


rule round_report:
    input:
        scores=lambda wildcards: [
            f"results/rounds/{name}/scores.tsv" for name in rounds_until(wildcards)
        ],
        labels=segmentations_of,
        proposals=lambda wildcards: (
            "results/rounds/{round}/regions.tsv"
            if round_tomograms(wildcards.round)
            else []
        ),
        classes=pipeline.classes,
    output:
        html="results/rounds/{round}/report.html",
    log:
        "logs/rounds/{round}/report.log",
    conda:
        "../../envs/segnet.yaml"
    params:
        rounds="results/rounds",
        tomograms=pipeline.tomograms,
        corrections=pipeline.corrections,
        purpose=lambda wildcards: round_config(wildcards.round).purpose,
    message:
        "Writing the report of round {wildcards.round}"
    script:
        "../scripts/round_report.py"
