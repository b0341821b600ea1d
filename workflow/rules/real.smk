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
        params:
            archive=archive.model_dump(mode="json"),
        log:
            f"logs/fetch_{archive_name}.log",
        conda:
            "../../envs/workflow.yaml"
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
        params:
            config=series.reconstruction.model_dump(mode="json"),
        log:
            f"logs/reconstruct_{series_id}.log",
        benchmark:
            f"logs/benchmarks/reconstruct/{series_id}.tsv"
        threads: 2
        resources:
            mem_mb=4000,
            runtime=60,
        conda:
            "../../envs/cts.yaml"
        message:
            f"Reconstructing the tilt series {series_id}"
        script:
            "../scripts/reconstruct.py"
