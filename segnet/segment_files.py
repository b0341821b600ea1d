"""Segmentation of files: several tomograms with one network, resumable, on one or several devices."""

from __future__ import annotations

import json
import logging
import multiprocessing
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from segnet.config.segmentation import SegmentationConfig
from segnet.devices import cpu_threads, pick_device
from segnet.infer import Predictor
from segnet.islands import remove_small_islands
from segnet.model_folder import WEIGHTS, LoadedModel, ModelCard, load_model, read_card
from segnet.normalisation import read_normalisation, sidecar_path
from segnet.progress import progress_bar
from segnet.segmentation import (
    SegmentedSlices,
    entropy,
    make_predictor,
    open_stream,
    segment_stream,
    warn_of_empty_result,
)
from tomoio import (
    VolumeHeader,
    VolumeReader,
    create_volume,
    read_header,
    read_manifest,
    sha256_of,
    write_manifest,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One tomogram to segment and where its results go."""

    tomogram: Path
    model_dir: Path
    output_dir: Path
    config: SegmentationConfig
    pixel_size_angstrom: float | None
    name: str = ""

    @property
    def stem(self) -> str:
        """What the names of the results start with: ``name``, or the file name without suffix."""
        plain = Path(self.tomogram.name.removesuffix(".gz").removesuffix(".bz2"))
        return self.name or plain.stem

    @property
    def labels(self) -> Path:
        """The label volume."""
        return self.output_dir / f"{self.stem}_labels.mrc"

    @property
    def manifest(self) -> Path:
        """The manifest, written last."""
        return self.output_dir / f"{self.stem}_manifest.json"

    @property
    def uncertainty(self) -> Path:
        """The uncertainty map."""
        return self.output_dir / f"{self.stem}_uncertainty.mrc"

    def probability(self, class_name: str) -> Path:
        """The probability map of a class."""
        return self.output_dir / f"{self.stem}_probability_{class_name.replace('/', '_')}.mrc"

    def mapped(self, card: ModelCard) -> list[str]:
        """The classes whose probability is written."""
        wanted = self.config.probabilities
        return [name for name in card.class_table.names if name in wanted or "all" in wanted]

    def volumes(self, card: ModelCard) -> list[Path]:
        """All volumes that are written."""
        maps = [self.probability(name) for name in self.mapped(card)]
        return [self.labels, *maps, *([self.uncertainty] if self.config.uncertainty else [])]

    def settings(self) -> dict[str, Any]:
        """What the result depends on, besides the files."""
        how = {"threads", "device", "tile_px", "max_pass_megapixels"}
        values = self.config.model_dump(mode="json", exclude=how)
        return json.loads(json.dumps(values | {"pixel_size_angstrom": self.pixel_size_angstrom}))

    def inputs(self) -> list[Path]:
        """The files that the result depends on."""
        carried = sidecar_path(self.tomogram)
        return [self.tomogram, self.model_dir / WEIGHTS, *([carried] if carried.is_file() else [])]

    def is_done(self, card: ModelCard) -> bool:
        """True where the whole result of the same network, tomogram and settings is there."""
        if not all(path.is_file() for path in (self.manifest, *self.volumes(card))):
            return False
        manifest = read_manifest(self.manifest)
        sums = [entry["sha256"] for entry in manifest.get("inputs", [])]
        return manifest.get("configuration") == self.settings() and sums == [
            sha256_of(path) for path in self.inputs()
        ]


def segment_tomograms(
    model_dir: Path | str,
    tomograms: Sequence[Path | str],
    output_dir: Path | str,
    config: SegmentationConfig,
    *,
    names: Sequence[str] | None = None,
    pixel_size_angstrom: float | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Segment files with one network; those whose result is there already are passed over.

    A result is there when ``{stem}_manifest.json`` names the same network, tomogram and settings.

    Parameters
    ----------
    model_dir
        Model folder.
    tomograms
        MRC files with different stems.
    output_dir
        Gets ``{stem}_labels.mrc``, ``{stem}_manifest.json`` and, on request,
        ``{stem}_probability_{class}.mrc`` and ``{stem}_uncertainty.mrc`` (float16), all on its grid.
    config
        What to do and what to write.
    names
        What the results of each tomogram are called in place of ``{stem}``.
    pixel_size_angstrom
        Overrides the headers of all tomograms.
    overwrite
        Replace results of another network or other settings.

    Returns
    -------
    The label files, in the order of the tomograms.

    Raises
    ------
    FileExistsError
        If there is a result of another network or other settings, whole or in part, and ``overwrite`` is not
        set.
    FileNotFoundError, ValueError
        If a file is missing or unreadable. All are checked before the first is segmented.
    """
    jobs = [
        Job(Path(tomogram), Path(model_dir), Path(output_dir), config, pixel_size_angstrom, name)
        for tomogram, name in zip(tomograms, names or [""] * len(tomograms), strict=True)
    ]
    card = read_card(model_dir)
    _check_jobs(jobs, card)
    waiting = [job for job in jobs if not job.is_done(card)]
    for path in (path for job in waiting for path in job.volumes(card)):
        if path.exists() and not overwrite:
            raise FileExistsError(
                f"{path}: exists already, from another network or other settings or not with all that "
                "was asked for; pass --overwrite or choose another folder"
            )
    if len(waiting) < len(jobs):
        log.info("%d of %d tomograms are segmented already", len(jobs) - len(waiting), len(jobs))
    _run_on_devices(waiting, _devices(config.device))
    return [job.labels for job in jobs]


def _check_jobs(jobs: Sequence[Job], card: ModelCard) -> None:
    if not jobs:
        raise ValueError("no tomogram given; wanted at least one")
    twice = [stem for stem, count in Counter(job.stem for job in jobs).items() if count > 1]
    if twice:
        raise ValueError(f"two tomograms are called {twice[0]}; wanted different names, or one call for each")
    for name in jobs[0].config.probabilities:
        if name != "all":
            card.class_table.label_of(name)
    written = {path.resolve() for job in jobs for path in job.volumes(card)}
    for job in jobs:
        if job.tomogram.resolve() in written:
            raise ValueError(
                f"{job.tomogram}: would be replaced by the labels or maps of a tomogram; wanted another "
                "folder for the results, or tomograms only"
            )
        read_header(job.tomogram, pixel_size_angstrom=job.pixel_size_angstrom)


def _devices(name: str) -> list[str]:
    if name == "auto" and torch.cuda.device_count() > 1:
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [name]


def _run_on_devices(jobs: Sequence[Job], devices: Sequence[str]) -> None:
    """Run jobs on one device here, or on several in a process each."""
    if len(devices) == 1 or len(jobs) < 2:
        run_jobs(jobs, devices[0])
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(devices), mp_context=context) as pool:
        shares = [pool.submit(run_jobs, jobs[n :: len(devices)], name) for n, name in enumerate(devices)]
        for share in shares:
            share.result()


def run_jobs(jobs: Sequence[Job], device_name: str) -> None:
    """Segment tomograms one after the other on one device; the network is loaded once."""
    if not jobs:
        return
    config, device = jobs[0].config, pick_device(device_name)
    model = load_model(jobs[0].model_dir)
    with cpu_threads(config.threads):
        predictor = make_predictor(model, config, device)
        for job in jobs:
            _run_job(job, model, predictor)


def _run_job(job: Job, model: LoadedModel, predictor: Predictor) -> None:
    started = time.monotonic()
    with VolumeReader(job.tomogram, pixel_size_angstrom=job.pixel_size_angstrom) as reader:
        header = reader.header
        carried = read_normalisation(job.tomogram, model.card.normalisation)
        stream = open_stream(reader, header, model.card, job.config, str(job.tomogram), carried)
        with ExitStack() as files:
            outputs = Outputs(job, header, model.card, files)
            results = segment_stream(
                stream, header.shape, predictor, model.card, with_probabilities=outputs.need_probabilities
            )
            with progress_bar(total=header.shape[0], desc=job.stem, unit="slice") as bar:
                for result in results:
                    outputs.take(result)
                    bar.update(len(result.planes))
            removed = 0
            if job.config.min_island_voxels:
                removed = remove_small_islands(outputs.labels, job.config.min_island_voxels)
            counts = _voxels_by_class(outputs.labels, model.card)
            job.manifest.unlink(missing_ok=True)  # of what is replaced now
    voxels = sum(counts.values())
    warn_of_empty_result(str(job.tomogram), voxels - counts[model.card.classes[0].name], voxels)
    write_manifest(
        job.manifest,
        verb="segnet segment",
        configuration=job.settings(),
        inputs=job.inputs(),
        timings_s={"total": time.monotonic() - started},
        results={
            "voxels": counts,
            "removed_voxels": removed,
            "network_pixel_size_angstrom": stream.pixel_size_angstrom,
        },
        overwrite=True,
    )


def _voxels_by_class(labels: NDArray[np.int16], card: ModelCard) -> dict[str, int]:
    counts = np.zeros(256, np.int64)
    for plane in labels:
        counts += np.bincount(plane.ravel(), minlength=256)
    return {entry.name: int(counts[entry.label]) for entry in card.classes}


class Outputs:
    """The volumes that a job writes, open as memory maps until all of them are whole."""

    def __init__(self, job: Job, header: VolumeHeader, card: ModelCard, files: ExitStack) -> None:
        def create(path: Path, dtype: type) -> NDArray[Any]:
            volume = create_volume(
                path,
                header.shape,
                dtype,
                header.pixel_size_angstrom,
                origin_angstrom=header.origin_angstrom,
                overwrite=True,
            )
            return files.enter_context(volume)

        names = card.class_table.names
        self.labels = create(job.labels, np.int16)
        self._probabilities = {
            names.index(name): create(job.probability(name), np.float16) for name in job.mapped(card)
        }
        self._uncertainty = create(job.uncertainty, np.float16) if job.config.uncertainty else None
        self.need_probabilities = bool(self._probabilities) or self._uncertainty is not None

    def take(self, result: SegmentedSlices) -> None:
        """Write some slices."""
        self.labels[result.planes] = result.labels
        if result.probabilities is None:
            return
        for channel, volume in self._probabilities.items():
            volume[result.planes] = result.probabilities[:, channel]
        if self._uncertainty is not None:
            self._uncertainty[result.planes] = entropy(result.probabilities)
