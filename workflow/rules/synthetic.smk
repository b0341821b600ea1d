# Synthetic tomograms: one specimen and one tilt series each, then blocks to train on and to validate with.


rule model_tomogram:
    input:
        structures="results/structures/manifest.json",
    output:
        expand("results/synthetic/{{tomogram}}/model/{file}", file=MODEL_FILES),
    log:
        "logs/model/{tomogram}.log",
    benchmark:
        "logs/benchmarks/model/{tomogram}.tsv"
    conda:
        "../../envs/cts.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        config=pipeline.specimen.model_dump(mode="json"),
        classes=pipeline.classes,
        class_labels=CLASS_LABELS,
        store=pipeline.structure_store,
        seed=lambda wildcards: pipeline.seed_of(wildcards.tomogram),
    message:
        "Modelling the specimen of {wildcards.tomogram}"
    script:
        "../scripts/model_tomogram.py"


rule simulate_tomogram:
    input:
        rules.model_tomogram.output,
    output:
        expand(
            "results/synthetic/{{tomogram}}/simulation/{file}", file=SIMULATION_FILES
        ),
    log:
        "logs/simulate/{tomogram}.log",
    benchmark:
        "logs/benchmarks/simulate/{tomogram}.tsv"
    conda:
        "../../envs/cts.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        config=pipeline.simulation.model_dump(mode="json"),
        seed=lambda wildcards: pipeline.seed_of(wildcards.tomogram),
    message:
        "Imaging and reconstructing {wildcards.tomogram}"
    script:
        "../scripts/simulate_tomogram.py"


def block_members(wildcards):
    chosen = {"training": pipeline.training_tomograms, "test": pipeline.test_tomograms}[
        wildcards.block
    ]
    return {
        "tomograms": expand(
            "results/synthetic/{tomogram}/simulation/tomogram.mrc", tomogram=chosen
        ),
        "labels": expand(
            "results/synthetic/{tomogram}/model/atlas.mrc", tomogram=chosen
        ),
    }


rule block:
    input:
        unpack(block_members),
    output:
        expand("results/blocks/{{block}}/{file}", file=BLOCK_FILES),
    log:
        "logs/block/{block}.log",
    benchmark:
        "logs/benchmarks/block/{block}.tsv"
    wildcard_constraints:
        block="training|test",
    conda:
        "../../envs/segnet.yaml"
    params:
        config=pipeline.blocks.model_dump(mode="json"),
        classes=pipeline.classes,
        class_labels=CLASS_LABELS,
        names=lambda wildcards: getattr(pipeline, f"{wildcards.block}_tomograms"),
        domains=lambda wildcards: ["synthetic"]
        * len(getattr(pipeline, f"{wildcards.block}_tomograms")),
    message:
        "Normalising and concatenating the {wildcards.block} tomograms"
    script:
        "../scripts/block.py"
