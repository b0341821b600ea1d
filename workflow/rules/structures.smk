# structures.tsv: download what is named by PDB id, check that everything can be read.


rule fetch_structures:
    input:
        table=pipeline.specimen.structures,
        files=[
            row.source.removeprefix("file:")
            for row in tables.structures
            if row.source.startswith("file:")
        ],
    output:
        manifest="results/structures/manifest.json",
    log:
        "logs/fetch_structures.log",
    conda:
        "../../envs/cts.yaml"
    params:
        classes=pipeline.classes,
        class_labels=CLASS_LABELS,
        store=pipeline.structure_store,
        download=pipeline.specimen.download.model_dump(mode="json"),
    message:
        "Reading the structures of {input.table}"
    script:
        "../scripts/fetch_structures.py"
