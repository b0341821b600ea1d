# Co-training. Round r trains a new network on the synthetic block and on every correction of rounds up to r; the
# person who corrects is the back edge, and a corrected subvolume is a leaf input: no rule makes it.
from segnet.rounds.corrections import held_out_corrections, training_corrections


def round_config(name):
    return next(entry for entry in pipeline.rounds.sequence if entry.name == name)


def round_tomograms(name):
    """Real tomograms that a round segments."""
    chosen = round_config(name).tomograms
    return [
        row for row in tables.tomograms if chosen == "all" or row.tomogram_id in chosen
    ]


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
        images=lambda wildcards: [row.image_path for row in corrections_of(wildcards)],
        labels=lambda wildcards: [row.labels_path for row in corrections_of(wildcards)],
        classes=pipeline.classes,
    output:
        expand("results/rounds/{{round}}/corrections/{file}", file=BLOCK_FILES),
    log:
        "logs/rounds/{round}/corrections_block.log",
    conda:
        "../../envs/segnet.yaml"
    params:
        config=pipeline.blocks.model_dump(mode="json"),
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
        classes=pipeline.classes,
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
    if row and row.model:
        return f"{row.model}/model.json"
    return f"results/rounds/{wildcards.round}/model/model.json"


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


# Scores: synthetic tomograms that no network sees, and real crops that are held out from every round.
rule score_unseen:
    input:
        prediction="results/rounds/{round}/segmentations/{tomogram}_labels.mrc",
        truth="results/synthetic/{tomogram}/model/atlas.mrc",
        classes=pipeline.classes,
    output:
        table="results/rounds/{round}/scores/synthetic/{tomogram}.tsv",
    log:
        "logs/rounds/{round}/score/{tomogram}.log",
    conda:
        "../../envs/segnet.yaml"
    params:
        config=pipeline.scoring.model_dump(mode="json"),
        round=lambda wildcards: wildcards.round,
        domain="synthetic",
        tomogram=lambda wildcards: wildcards.tomogram,
        merge=pipeline.training.merge,
    message:
        "Scoring {wildcards.tomogram} in round {wildcards.round}"
    script:
        "../scripts/score.py"


def held_out(region):
    return next(
        row
        for row in held_out_corrections(tables.corrections)
        if row.region_id == region
    )


use rule segment as segment_held_out with:
    input:
        tomogram=lambda wildcards: held_out(wildcards.tomogram).image_path,
        card="results/rounds/{round}/model/model.json",
    output:
        labels="results/rounds/{round}/held_out/{tomogram}_labels.mrc",
        uncertainty="results/rounds/{round}/held_out/{tomogram}_uncertainty.mrc",
    log:
        "logs/rounds/{round}/held_out/{tomogram}.log",
    benchmark:
        "logs/benchmarks/held_out/{round}/{tomogram}.tsv"
    params:
        config=pipeline.segmentation.model_dump(mode="json"),
        contrast=lambda wildcards: held_out_contrast(wildcards.tomogram),
        pixel_size_angstrom=None,
    message:
        "Segmenting the held-out crop {wildcards.tomogram} with the network of round {wildcards.round}"


def held_out_contrast(region):
    tomogram = next(
        (row.tomogram_id for row in tables.regions if row.region_id == region), ""
    )
    return getattr(real_tomogram(tomogram), "contrast", "dark")


use rule score_unseen as score_held_out with:
    input:
        prediction="results/rounds/{round}/held_out/{tomogram}_labels.mrc",
        truth=lambda wildcards: held_out(wildcards.tomogram).labels_path,
        classes=pipeline.classes,
    output:
        table="results/rounds/{round}/scores/real/{tomogram}.tsv",
    log:
        "logs/rounds/{round}/score_held_out/{tomogram}.log",
    params:
        config=pipeline.scoring.model_dump(mode="json"),
        round=lambda wildcards: wildcards.round,
        domain="real",
        tomogram=lambda wildcards: wildcards.tomogram,
        merge=pipeline.training.merge,


rule collect_scores:
    input:
        [
            f"results/rounds/{{round}}/scores/synthetic/{name}.tsv"
            for name in pipeline.test_tomograms
        ],
        [
            f"results/rounds/{{round}}/scores/real/{row.region_id}.tsv"
            for row in held_out_corrections(tables.corrections)
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


rule propose:
    input:
        labels=segmentations_of,
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
        config=pipeline.rounds.model_dump(
            mode="json", include={"sequence", "crop", "proposal"}
        ),
        segmentations="results/rounds/{round}/segmentations",
        tomograms=pipeline.tomograms,
        chosen=lambda wildcards: [
            row.tomogram_id for row in round_tomograms(wildcards.round)
        ],
        regions=pipeline.regions,
        corrections=pipeline.corrections,
    message:
        "Ranking regions to correct after round {wildcards.round}"
    script:
        "../scripts/propose.py"


rule crop:
    input:
        proposals=rules.propose.output.table,
        card="results/rounds/{round}/model/model.json",
    output:
        done="results/rounds/{round}/to_correct/crops.txt",
    log:
        "logs/rounds/{round}/crop.log",
    conda:
        "../../envs/segnet.yaml"
    params:
        config=rules.propose.params.config,
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


def rounds_until(wildcards):
    """The round and those before it: its page compares them."""
    names = pipeline.rounds.names
    return names[: names.index(wildcards.round) + 1]


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
