"""Predict: a movie and a trained network in; probability maps, masks or columns of every frame out."""

from __future__ import annotations

import csv
import io
import json
import platform
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..base.errors import CalibrationError, SettingsError
from ..base.stack import Stack
from ..files.atomic import atomic_file, write_errors
from ..files.journal import Journal, read_journal
from ..files.labels import open_labels
from ..files.maps import open_maps
from ..files.read import open_movie
from ..learn.model_files import load_model
from ..learn.predict import choose_sampling
from ..learn.reading import Reading, choose_reading, predict_maps
from ..learn.trained import TrainedModel
from .predicting.frames import NamedPredictor, find_fault, read_series
from .predicting.notes import fault_notes, range_notes
from .predicting.other import Other, describe_origin, open_other
from .predicting.preview import write_preview
from .predicting.settings import PredictSettings
from .predicting.stores import COLUMNS, DISAGREEMENT, MAPS, MASKS, create_stores, name_outputs

Progress = Callable[[str, int, int], None]

_COLUMNS = ("frame", "x_nm", "y_nm", "class", "probability")
_LIBRARIES = ("numpy", "scipy", "scikit-image", "zarr", "keras")


@dataclass(frozen=True)
class PredictResult:
    """Where a movie's predictions are, and what a user should know of them.

    Parameters
    ----------
    folder : Path
        Folder of all outputs.
    made, kept : int
        Frames (or focal series) predicted now, and those that were there.
    notes : tuple of str
        Use outside of the trained range, and frames that could not be used.
    provenance : mapping
        Version, settings, input, model, runtime.
    """

    folder: Path
    made: int
    kept: int
    notes: tuple[str, ...]
    provenance: Mapping[str, Any]

    @property
    def maps(self) -> Any:
        """Maps (T, Y, X, C), a Zarr array that reads when sliced; NaN where a frame could not be used."""
        return open_maps(self.folder / MAPS)

    @property
    def masks(self) -> Any:
        """Masks (T, Y, X) of a model for masks: 0 outside, 1 and on the classes."""
        return open_labels(self.folder / MASKS)

    @property
    def disagreement(self) -> Any:
        """Standard deviation of two models' maps (T, Y, X), where a second one was run; NaN as in `maps`."""
        return open_maps(self.folder / DISAGREEMENT)


def predict_movie(
    model: str | Path | TrainedModel,
    source: str | Path | Stack,
    out: str | Path,
    settings: PredictSettings | None = None,
    *,
    progress: Progress | None = None,
) -> PredictResult:
    """Run a trained network over a movie, frame by frame.

    Parameters
    ----------
    model : str, Path or TrainedModel
        Name of the zoo, a model's folder, or a model already loaded.
    source : path or Stack
        A movie's file or folder, or a movie already opened. A model of F images takes frames 0 to F - 1 as
        its first focal series, and so on.
    out : str or Path
        Folder of the results: maps.zarr (T, Y, X, C); masks.zarr of masks, columns.csv of atomic columns;
        disagreement.zarr (T, Y, X) where there is a second model; preview.png, provenance.json. A
        run that was stopped goes on; one that is finished is left as it is.
    settings : PredictSettings or None
        Defaults where None.
    progress : callable or None
        Called with the stage's name, frames done now and frames to do.

    Returns
    -------
    PredictResult
        Where everything is.

    Raises
    ------
    CalibrationError, SettingsError
        If the pixel size is missing or impossible, frames do not make whole focal series, a second model is
        one of another task, or `out` holds something else.
    DataError, ReadError, WriteError
        If the network gives values that are not finite, movie or model cannot be read, or results not
        written; what was finished stays.

    Notes
    -----
    Probabilities are kept in float16, which steps by at most 0.0005 below 1; values of exit waves and
    occupancies in float32. Masks and columns are read from the values that are kept; positions of columns
    count from the middle of pixel (0, 0). Frames of a single value, or that cannot be read, have maps of
    NaN and no mask.
    """
    settings = settings or PredictSettings()
    trained = model if isinstance(model, TrainedModel) else load_model(model)
    if isinstance(source, Stack):
        stack = source
    else:
        stack = open_movie(source, dataset=settings.dataset, pixel_nm=settings.pixel_nm)
    stack = stack.with_calibration(pixel_nm=settings.pixel_nm, dose_e_per_A2=settings.dose_e_per_A2)
    reading = choose_reading(trained, threshold=settings.threshold, temperature=settings.temperature)
    job = _Job(stack, trained, settings, Path(out), reading, open_other(trained, reading, settings))
    job.check()
    provenance = job.claim()
    if provenance is not None:
        return PredictResult(job.out, 0, len(job.series), tuple(provenance["notes"]), provenance)
    kept = job.run(progress or _no_progress)
    records = read_journal(job.journal)
    write_preview(job.out, stack, job.series, reading, records)
    provenance = job.provenance(records)
    with atomic_file(job.out / "provenance.json") as temporary:
        temporary.write_text(_json(provenance), encoding="utf-8")
    return PredictResult(job.out, len(records) - kept, kept, tuple(provenance["notes"]), provenance)


@dataclass(frozen=True)
class _Job:
    """One movie being predicted: what is read, by what, and where it is kept."""

    stack: Stack
    trained: TrainedModel
    settings: PredictSettings
    out: Path
    reading: Reading
    other: Other | None

    @property
    def frames(self) -> range:
        """Frames that are predicted."""
        return self.settings.chosen_frames(self.stack.n_frames)

    @property
    def series(self) -> range:
        """First frame of each focal series; each frame where the model takes single images."""
        return self.frames[:: self.trained.spec.in_channels]

    @property
    def journal(self) -> Path:
        """One line for each series that is finished."""
        return self.out / "frames.jsonl"

    @property
    def is_whole(self) -> bool:
        """Whether all stores and tables are there."""
        return all((self.out / name).exists() for name in name_outputs(self.reading, self.other))

    @property
    def sampling_A(self) -> float:
        """Side of a pixel [Å]."""
        return 10 * (self.stack.pixel_nm or 0.0)

    def check(self) -> None:
        """Refuse what cannot be predicted, before anything is written."""
        name, n_images, n_frames = self.trained.card.name, self.trained.spec.in_channels, len(self.frames)
        if n_frames % n_images:
            whole = n_frames // n_images * n_images
            first = self.frames.start
            remedy = f"choose whole series by --frames {first}:{first + whole}"
            raise SettingsError(
                f"{name} takes focal series of {n_images} images, got {n_frames} "
                f"frame{'s' if n_frames > 1 else ''} of {self.stack.source}; "
                f"{remedy if whole else 'choose another model'}"
            )
        if self.stack.pixel_nm is None:
            raise CalibrationError(
                f"{self.stack.source}: a network needs the pixel size, which the file does not give; give "
                "--pixel-nm"
            )
        choose_sampling(self.trained, self.sampling_A)
        defoci = self.settings.defoci_A()
        if defoci is not None and len(defoci) not in (1, n_images):
            raise SettingsError(f"defocus_A: expected 1 or {n_images} numbers for {name}, got {len(defoci)}")

    def claim(self) -> dict[str, Any] | None:
        """Take the folder, or see that it holds the same work; give its provenance where it is finished."""
        key = {
            "version": version("temflux"),
            "movie": {"source": self.stack.source, "fingerprint": self.stack.fingerprint or uuid.uuid4().hex},
            "model": self.trained.fingerprint,
            "settings": self.settings.model_dump(mode="json"),
            "calibration": [self.sampling_A, self.reading.threshold, self.reading.temperature],
            "second model": None if self.other is None else self.other.trained.fingerprint,
        }
        path = self.out / "run.json"
        if path.exists():
            before = _read_record(path)
            changed = [name for name, value in key.items() if before.get(name) != value]
            if changed:
                raise SettingsError(
                    f"{self.out}: holds predictions made with another {' and '.join(changed)}; give another "
                    "--out, or the same as before to go on"
                )
            finished = _read_record(self.out / "provenance.json")
            return finished if finished and self.is_whole else None
        if self.out.is_file() or (self.out.is_dir() and any(self.out.iterdir())):
            raise SettingsError(f"{self.out}: holds something else than predictions; give another --out")
        with atomic_file(path) as temporary:
            temporary.write_text(_json(key), encoding="utf-8")
        return None

    def run(self, progress: Progress) -> int:
        """Predict the series that are not finished; say how many were."""
        done = len(read_journal(self.journal)) if self.is_whole else 0
        if done == 0:
            self.journal.unlink(missing_ok=True)
            create_stores(self.out, self.stack, self.series, self.trained, self.reading, self.other)
        n_images, total = self.trained.spec.in_channels, len(self.series)
        rest = self.frames[done * n_images :]
        predictors = [self._ready(self.trained)]
        if self.other is not None:
            predictors.append(self._ready(self.other.trained))
        with Journal(self.journal) as journal, self._open_columns() as columns:
            progress("predicting frames", 0, total - done)
            for number, series in enumerate(read_series(self.stack, rest, n_images), start=done):
                record = self._predict(number, series, predictors, columns)
                journal.add(record)
                progress("predicting frames", number + 1 - done, total - done)
        return done

    def _ready(self, trained: TrainedModel) -> NamedPredictor:
        return NamedPredictor(
            trained,
            orientations=self.settings.orientations,
            runtime=self.settings.runtime,
            window_px=self.settings.window_px,
            batch=self.settings.batch,
            threads=self.settings.threads,
        )

    def _open_columns(self) -> BinaryIO:
        """Open the table of columns behind its last finished frame; nothing where there are no columns."""
        if not self.reading.has_columns:
            return io.BytesIO()
        path = self.out / COLUMNS
        records = read_journal(self.journal)
        with write_errors(path):
            file = path.open("r+b" if records and path.exists() else "w+b")
            file.truncate(records[-1]["columns_end"] if records else 0)
            file.seek(0, io.SEEK_END)
            if not records:
                file.write(_csv_lines([_COLUMNS]))
        return file

    def _predict(
        self, number: int, series: np.ndarray | None, predictors: list[NamedPredictor], columns: BinaryIO
    ) -> dict[str, Any]:
        """Predict and keep one series; give its line of the journal."""
        fault, n_lacking = find_fault(series)
        frame = self.series[number]
        record: dict[str, Any] = {"frame": frame, "fault": fault, "not_finite_px": n_lacking}
        if series is not None and not fault:
            maps = predict_maps(predictors[0], series, self.reading, sampling_A=self.sampling_A)
            record["runtime"] = predictors[0].used
            with write_errors(self.out / MAPS):
                open_maps(self.out / MAPS, writable=True)[number] = maps
            if self.reading.has_masks:
                with write_errors(self.out / MASKS):
                    mask = self.reading.label_pixels(maps)
                    open_labels(self.out / MASKS, writable=True)[number] = mask
            if self.other is not None:
                deviation, differing = self.other.compare(
                    maps, series, predictors[1], self.reading, sampling_A=self.sampling_A
                )
                if differing is not None:
                    record["differing_share"] = differing
                with write_errors(self.out / DISAGREEMENT):
                    open_maps(self.out / DISAGREEMENT, writable=True)[number] = deviation
            if self.reading.has_columns:
                found = self.reading.find_columns(maps, sampling_A=self.sampling_A)
                rows = [
                    (frame, f"{x_A / 10:.7g}", f"{y_A / 10:.7g}", self.reading.classes[kind], f"{sure:.4g}")
                    for (x_A, y_A), kind, sure in zip(*(part.tolist() for part in found), strict=True)
                ]
                record["columns"] = len(rows)
                with write_errors(self.out / COLUMNS):
                    columns.write(_csv_lines(rows))
        if self.reading.has_columns:
            with write_errors(self.out / COLUMNS):
                columns.flush()
            record["columns_end"] = columns.tell()
        return record

    def provenance(self, records: list[dict[str, Any]]) -> dict[str, Any]:
        """Say how the results came about."""
        card = self.trained.card
        defoci = self.settings.defoci_A()
        beyond = range_notes(card, self.stack, self.frames, defoci_A=defoci)
        if self.other is not None:
            beyond += self.other.notes(self.trained, self.stack, self.frames, defoci_A=defoci)
        return {
            "temflux": version("temflux"),
            "source": self.stack.source,
            "fingerprint": self.stack.fingerprint,
            "shape": list(self.stack.shape),
            "dtype": str(self.stack.dtype),
            "pixel_nm": self.stack.pixel_nm,
            "frames": [self.frames.start, self.frames.stop],
            "settings": self.settings.model_dump(mode="json"),
            "model": {
                **describe_origin(self.trained),
                "label": card.label,
                "channels": list(self.reading.channels),
            },
            **({} if self.other is None else {"disagreement": self.other.describe(records)}),
            "threshold": self.reading.threshold if self.reading.is_probability else None,
            "temperature": self.reading.temperature,
            "runtime": sorted({record["runtime"] for record in records if "runtime" in record}),
            "notes": list(dict.fromkeys([*self.stack.notes, *beyond, *fault_notes(records)])),
            "python": platform.python_version(),
            "libraries": {name: version(name) for name in _LIBRARIES},
        }


def _read_record(path: Path) -> dict[str, Any]:
    """Read a record; nothing where there is none, or it is damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _csv_lines(rows: list[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _json(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=1, ensure_ascii=False, default=str) + "\n"


def _no_progress(stage: str, done: int, total: int) -> None:
    """Report nothing."""
