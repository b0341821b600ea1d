# Real data: published archives, and tilt series that are reconstructed here.


def path_of(tomogram):
    row = next(row for row in tables.tomograms if row.tomogram_id == tomogram)
    return str(row.path)


for archive_name, archive in pipeline.archives.items():

    rule:
        name:
            f"fetch_{archive_name}"
        output:
            list(archive.files),
        log:
            f"logs/fetch_{archive_name}.log",
        conda:
            "../../envs/workflow.yaml"
        params:
            archive=archive.model_dump(mode="json"),
        message:
            f"Fetching {archive.package} {archive.version}"
        script:
            "../scripts/fetch_archive.py"


for series_id, series in pipeline.tilt_series.items():

    rule:
        name:
            f"reconstruct_{series_id}"
        input:
            stack=series.stack,
            angles=series.angles,
            transforms=series.transforms or [],
        output:
            tomogram=path_of(series_id),
        log:
            f"logs/reconstruct_{series_id}.log",
        benchmark:
            f"logs/benchmarks/reconstruct/{series_id}.tsv"
        conda:
            "../../envs/cts.yaml"
        threads: 2
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            config=series.reconstruction.model_dump(mode="json"),
        message:
            f"Reconstructing the tilt series {series_id}"
        script:
            "../scripts/reconstruct.py"
