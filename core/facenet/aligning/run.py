"""Preparing a data set: one face of every image, aligned, in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from facenet.aligning.journal import Done, Journal
from facenet.aligning.report import AlignReport, csv_of, report_on, sheet_of
from facenet.config import InferenceConfig
from facenet.errors import DataError, ImageError
from facenet.imaging import ALIGNMENT_FILE, CONTACT_SHEET, files_of_identities
from facenet.imaging.png import png
from facenet.licensing import check_licences, extension_chains, plugin_chains
from facenet.models import AlignedFolder, read_aligned, resolve_device
from facenet.paths import checked_output_folder, sha256_of, write_whole
from facenet.plugins import Plugin, Registry
from facenet.recognition.ahead import map_ahead
from facenet.recognition.assembly import made_detector
from facenet.recognition.cropping import Cropper
from facenet.types import Alignment, Detector, Progress

JOURNAL, LEFT_OUT = "images.jsonl", "left_out.csv"
"""Beside the two files that `facenet.imaging` knows: what came of each image, and a list of those
that have no aligned face."""


class _Task(NamedTuple):
    """An image to do, by its path and its name below the folder, and the file for its face."""

    path: Path
    name: str
    face: str


def align_folder(
    root: Path,
    output: Path,
    config: InferenceConfig,
    *,
    alignment: Alignment = "five-point",
    size: int = 112,
    progress: Progress = lambda done, images: None,
) -> AlignReport:
    """Write one face of every image of `root/<identity>/` to `output/<identity>/<stem>.png`.

    It is the most prominent one, found by the detector of `config`, whose model is not loaded, and
    aligned as `facenet.imaging.align` does it. Where images of one stem meet, later ones keep their
    whole name, `<name>.png`. What is in `output` is kept, unless its image has changed since; an
    image that was seen to show no face is not tried again. An interrupted run has kept what it
    finished.

    Raises `DataError` when `root` holds no images, or `output` lies in it, holds something else, or
    was made with other settings; `RequestError` when `five-point` is wanted and the detector gives
    no landmarks; `FacenetError` when a file cannot be written; and what making the detector raises,
    among it `ConfigError` for a licence that `licences.allow` does not name.
    """
    files = files_of_identities(root)
    _check_place(root, output)
    plugin, detector = _make_detector(config)
    _claim(output, _settings(plugin, config, alignment, size))
    cropper = Cropper(detector, config, alignment, size)
    with Journal(output / JOURNAL) as journal:
        tasks = list(_tasks(files, root, output, journal.entries))
        done = _align_all(cropper, tasks, len(files), output, journal, progress)
        entries = journal.entries
    names = [path.relative_to(root).as_posix() for path in files]
    outcomes = {name: done[name] if name in done else entries[name] for name in names}
    report = report_on(outcomes, done.keys(), entries, output)
    write_whole(output / LEFT_OUT, csv_of(report.left_out))
    write_whole(output / CONTACT_SHEET, sheet_of(outcomes.values(), output))
    return report


def _check_place(root: Path, output: Path) -> None:
    checked_output_folder(output)
    if output.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{output}: lies in {root}, whose images are read; choose another output")
    if output.exists() and any(output.iterdir()) and read_aligned(output) is None:
        raise DataError(
            f"{output}: holds something that is no folder of aligned faces; choose another output"
        )


def _make_detector(config: InferenceConfig) -> tuple[Plugin, Detector]:
    plugin = Registry().load("detector", config.detector.plugin)
    check_licences(config.licences.allow, chain(plugin_chains(plugin), extension_chains()))
    return plugin, made_detector(plugin, config, resolve_device(config.device).type)


def _settings(
    plugin: Plugin, config: InferenceConfig, alignment: Alignment, size: int
) -> AlignedFolder:
    parsed = plugin.parse_options(config.detector.options, {"config_dir": config.config_dir})
    files: dict[str, Any] = {
        key: f"sha256:{sha256_of(value)}"
        for key, value in parsed
        if isinstance(value, Path) and value.is_file()
    }
    return AlignedFolder(
        alignment=alignment,
        size=size,
        detector=plugin.ref.name,
        options=parsed.model_dump(mode="json") | files,
        detection_threshold=config.detection_threshold,
    )


def _claim(output: Path, settings: AlignedFolder) -> None:
    """Say of the folder how its faces are aligned; refuse one that says otherwise."""
    before = read_aligned(output)
    if before is None:
        write_whole(output / ALIGNMENT_FILE, f"{settings.model_dump_json(indent=2)}\n".encode())
    elif changes := before.changes_to(settings):
        raise DataError(
            f"{output}: was made with other settings ({'; '.join(changes)}): set the former ones, "
            "or choose another output"
        )


def _tasks(
    files: Sequence[Path], root: Path, output: Path, before: Mapping[str, Done]
) -> Iterator[_Task]:
    """The images that are new, have changed, or whose face is gone."""
    taken = {done.face for done in before.values()}
    for path in files:
        name = path.relative_to(root).as_posix()
        done = before.get(name)
        if done and done[:2] == _state(path) and (not done.face or (output / done.face).is_file()):
            continue
        face = (done and done.face) or next(each for each in _names_for(name) if each not in taken)
        taken.add(face)
        yield _Task(path, name, face)


def _names_for(image: str) -> Iterator[str]:
    """What the file of an image's face may be called, best first."""
    longer = (f"{image}{'.png' * times}" for times in count(1))
    return chain([str(PurePosixPath(image).with_suffix(".png"))], longer)


def _align_all(
    cropper: Cropper,
    tasks: Sequence[_Task],
    images: int,
    output: Path,
    journal: Journal,
    progress: Progress,
) -> dict[str, Done | str]:
    """For each image that is to be done what came of it, or why nothing did."""
    config, done = cropper.config, {}
    work = partial(_align, cropper, output, journal)
    kept = images - len(tasks)
    progress(kept, images)
    # Closed before the journal is: threads may be at work when the loop is interrupted.
    with closing(map_ahead(work, tasks, config.num_workers, config.batch_size)) as answers:
        for task, outcome in answers:
            done[task.name] = outcome
            progress(kept + len(done), images)
    return done


def _align(cropper: Cropper, output: Path, journal: Journal, task: _Task) -> Done | str:
    # Asked before the image is read, so that a change meanwhile is seen by the next run.
    state = _state(task.path)
    target = output / task.face
    try:
        photo = cropper.open(task.path)
        faces = cropper.faces(photo)
        pixels = cropper.crop(photo, faces[0], len(faces)).pixels if faces else None
    except ImageError as error:
        target.unlink(missing_ok=True)
        return str(error).removeprefix(f"{task.path}: ")
    if pixels is None:
        target.unlink(missing_ok=True)
    else:
        write_whole(target, png(pixels))
    done = Done(*state, task.face if faces else None, len(faces))
    journal.add(task.name, done)
    return done


def _state(path: Path) -> tuple[int, int]:
    """Size and time of a file; zeros when it cannot be asked, as for a link to nothing."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
