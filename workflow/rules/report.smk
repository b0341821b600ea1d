# The report of the whole run: one HTML file that opens offline.
LAST_ROUND = pipeline.rounds.names[-1]


def report_inputs(wildcards):
    real = [row.tomogram_id for row in round_tomograms(LAST_ROUND)]
    segmentations = f"results/rounds/{LAST_ROUND}/segmentations/{{tomogram}}_labels.mrc"
    synthetic = pipeline.test_tomograms
    return {
        "models": expand(
            "results/synthetic/{tomogram}/model/model.mrc", tomogram=synthetic
        ),
        "tomograms": expand(
            "results/synthetic/{tomogram}/simulation/tomogram.mrc", tomogram=synthetic
        ),
        "truths": expand(
            "results/synthetic/{tomogram}/model/atlas.mrc", tomogram=synthetic
        ),
        "predictions": expand(segmentations, tomogram=synthetic),
        "real_tomograms": [path_of(tomogram) for tomogram in real],
        "real_predictions": expand(segmentations, tomogram=real),
        "history": f"results/rounds/{LAST_ROUND}/model/history.csv",
        "scores": f"results/rounds/{LAST_ROUND}/scores.tsv",
        "manifests": expand(
            "results/synthetic/{tomogram}/{step}/manifest.json",
            tomogram=pipeline.all_tomograms,
            step=["model", "simulation"],
        ),
    }


rule report:
    input:
        unpack(report_inputs),
        classes=pipeline.classes,
    output:
        html="results/report.html",
    log:
        "logs/report.log",
    conda:
        "../../envs/workflow.yaml"
    params:
        configuration=pipeline.model_dump(mode="json", exclude_defaults=True),
        synthetic=pipeline.test_tomograms,
        real=[row.tomogram_id for row in round_tomograms(LAST_ROUND)],
        benchmarks="logs/benchmarks",
    message:
        "Writing the report of the run"
    script:
        "../scripts/report.py"
