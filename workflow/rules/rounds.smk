# Co-training. Round r trains a new network on the synthetic block and on every correction of rounds up to r; the
# person who corrects is the back edge, and a corrected subvolume is a leaf input: no rule makes it.
from segnet.rounds.corrections import held_out_corrections, training_corrections


def round_config(name):
    return next(entry for entry in pipeline.rounds.sequence if entry.name == name)


def round_tomograms(name):
    """Real tomograms that a round segments."""
    chosen = round_config(name).tomograms
    return [row for row in tables.tomograms if chosen == "all" or row.tomogram_id in chosen]


def real_tomogram(tomogram):
    return next((row for row in tables.tomograms if row.tomogram_id == tomogram), None)


def corrections_of(wildcards):
    return training_corrections(tables.corrections, wildcards.round)


def has_corrections(wildcards):
    return bool(corrections_of(wildcards))


rule corrections_block:
    input:
        tomograms=lambda wildcards: [row.image_path for row in corrections_of(wildcards)],
        labels=lambda wildcards: [row.labels_path for row in corrections_of(wildcards)],
        classes=pipeline.classes,
    output:
        expand("results/rounds/{{round}}/corrections/{file}", file=BLOCK_FILES),
    params:
        config=pipeline.blocks.model_dump(mode="json"),
        names=lambda wildcards: [row.region_id for row in corrections_of(wildcards)],
        domains=lambda wildcards: [
            "hard_negative" if row.role == "hard_negative" else "real" for row in corrections_of(wildcards)
        ],
    log:
        "logs/rounds/{round}/corrections_block.log",
    conda:
        "../../envs/segnet.yaml"
    message:
        "Normalising and concatenating the corrections up to round {wildcards.round}"
    script:
        "../scripts/block.py"


rule train:
    input:
        synthetic="results/blocks/training/parts.tsv",
        corrections=lambda wildcards: (
            f"results/rounds/{wildcards.round}/corrections/parts.tsv" if has_corrections(wildcards) else []
        ),
        validation="results/blocks/test/parts.tsv" if pipeline.test_tomograms else [],
        classes=pipeline.classes,
    output:
        weights="results/rounds/{round}/model/weights.safetensors",
        card="results/rounds/{round}/model/model.json",
        history="results/rounds/{round}/model/history.csv",
    params:
        config=pipeline.training.model_dump(mode="json"),
        seed=pipeline.training_seed,
    log:
        "logs/rounds/{round}/train.log",
    benchmark:
        "logs/benchmarks/train/{round}.tsv"
    threads: pipeline.training.threads or workflow.cores
    resources:
        mem_mb=8000,
        runtime=720,
    conda:
        "../../envs/segnet.yaml"
    message:
        "Training the network of round {wildcards.round}"
    script:
        "../scripts/train.py"


def tomogram_to_segment(wildcards):
    row = real_tomogram(wildcards.tomogram)
    return row.path if row else f"results/synthetic/{wildcards.tomogram}/simulation/tomogram.mrc"


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
    params:
        config=pipeline.segmentation.model_dump(mode="json"),
        contrast=lambda wildcards: getattr(real_tomogram(wildcards.tomogram), "contrast", "dark"),
        pixel_size_angstrom=lambda wildcards: getattr(
            real_tomogram(wildcards.tomogram), "pixel_size_angstrom", None
        ),
    log:
        "logs/rounds/{round}/segment/{tomogram}.log",
    benchmark:
        "logs/benchmarks/segment/{round}/{tomogram}.tsv"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=120,
    conda:
        "../../envs/segnet.yaml"
    message:
        "Segmenting {wildcards.tomogram} with the network of round {wildcards.round}"
    script:
        "../scripts/segment.py"
