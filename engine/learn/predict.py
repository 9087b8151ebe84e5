"""Frames of any size and sampling into a trained network's maps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ..base.errors import CalibrationError, DataError, SettingsError
from ..images.coarsen import coarsen
from ..images.standardise import standardise
from .model_cards import outside_range
from .runtimes import RUNTIMES, Runtime, choose_runtime
from .trained import TrainedModel
from .windows import WindowPlan, blend_windows, plan_windows

# Largest sides of windows [px]: few seams, so that a frame of 4096 px takes four. An MSD-net holds all its
# features.
_WINDOW_PX = 2560
_WINDOW_MSDNET_PX = 1536
# Widths of halo and overlap [px], and what part of a window they may take. The U-Nets and the compact network
# see about 250 px around a pixel: with a halo of 128 px windows showed (0.07 in a map), with 256 not at all.
_HALO_PX, _LARGEST_HALO = 256, 1 / 4
_OVERLAP_PX, _LARGEST_OVERLAP = 32, 1 / 16
# More than this is no change of magnification but a wrong pixel size.
_LARGEST_RESAMPLING = 20.0


class Predictor:
    """A trained network, ready for frame after frame.

    Parameters
    ----------
    trained : TrainedModel
        Network and card, as `load_model` gives them.
    runtime : {"auto", "fused", "openvino", "onnx", "keras"}
        What runs the network; see `choose_runtime`.
    window_px : int or None
        Largest side of a window; None for 2560, of an MSD-net 1536.
    halo_px : int or None
        Width at a window's inner sides whose maps are not used; None for 256, or a quarter of a smaller
        window, whose seams then show, and no more than an MSD-net's receptive field.
    batch : int
        Windows at a time.
    cache : str, Path or None
        Folder for exported networks; see `choose_runtime`.
    threads : int or None
        Threads of the network; None for all cores.

    Raises
    ------
    SettingsError
        If the runtime is unknown, or window, halo or batch are out of range.

    Examples
    --------
    >>> from temflux.engine.learn.model_cards import ModelCard
    >>> from temflux.engine.learn.trained import NetworkSpec
    >>> spec = NetworkSpec("compact", {"in_channels": 1, "out_channels": 2})
    >>> Predictor(TrainedModel(spec, ModelCard("mine"), {})).plan((4096, 4096)).window
    (2336, 2336)
    """

    def __init__(
        self,
        trained: TrainedModel,
        *,
        runtime: str = "auto",
        window_px: int | None = None,
        halo_px: int | None = None,
        batch: int = 1,
        cache: str | Path | None = None,
        threads: int | None = None,
    ) -> None:
        if runtime not in RUNTIMES:
            raise SettingsError(f"runtime: expected one of {', '.join(RUNTIMES)}, got {runtime!r}")
        if batch < 1 or (window_px is not None and window_px < 1) or (halo_px is not None and halo_px < 0):
            raise SettingsError(
                f"expected a window and batch of 1 or more and a halo of 0 or more, got {window_px}, {batch} "
                f"and {halo_px}"
            )
        is_msdnet = trained.spec.name == "msdnet"
        self.trained = trained
        self.window_px = window_px or (_WINDOW_MSDNET_PX if is_msdnet else _WINDOW_PX)
        usual = min(_HALO_PX, int(self.window_px * _LARGEST_HALO))
        self.halo_px = usual if halo_px is None else halo_px
        if is_msdnet and halo_px is None:
            self.halo_px = min(self.halo_px, trained.spec.reach_px)
        self.batch = batch
        self._asked = runtime
        self._cache, self._threads = cache, threads
        self._runtimes: dict[tuple[int, int, int], Runtime] = {}

    def plan(self, shape: tuple[int, int]) -> WindowPlan:
        """Lay windows over a frame of some rows and columns."""
        return plan_windows(
            shape,
            window=self.window_px,
            overlap=min(_OVERLAP_PX, int(self.window_px * _LARGEST_OVERLAP)),
            multiple=self.trained.spec.size_multiple,
            halo=self.halo_px,
            least=self.trained.spec.smallest_side,
        )

    def runtime_for(self, plan: WindowPlan) -> Runtime:
        """Give what runs the network on a plan's windows, made at the first call."""
        shape = (min(self.batch, len(plan)), *plan.window)
        if shape not in self._runtimes:
            self._runtimes[shape] = choose_runtime(
                self.trained, shape, runtime=self._asked, cache=self._cache, threads=self._threads
            )
        return self._runtimes[shape]

    def __call__(self, frame: np.ndarray, *, sampling_A: float | None = None) -> np.ndarray:
        """Predict a frame's maps; arguments, result and errors are those of `predict_frame`."""
        series = _as_series(frame, self.trained)
        sampling = _check_sampling(sampling_A, self.trained)
        target = choose_sampling(self.trained, sampling)
        resampled = _resample(series, sampling / target)
        sigma_px = self.trained.card.normalize_A / target
        standard = np.moveaxis(standardise(resampled, sigma_px=sigma_px), 0, -1)
        plan = self.plan((standard.shape[0], standard.shape[1]))
        maps = blend_windows(standard, plan, self.runtime_for(plan), batch=self.batch)
        if maps.shape[:2] == series.shape[1:]:
            return maps
        return _resize(maps, (*series.shape[1:], maps.shape[2]), order=1)


def predict_frame(
    trained: TrainedModel,
    frame: np.ndarray,
    *,
    sampling_A: float | None = None,
    runtime: str = "auto",
    window_px: int | None = None,
    batch: int = 1,
    cache: str | Path | None = None,
) -> np.ndarray:
    """Predict the maps of one frame.

    Parameters
    ----------
    trained : TrainedModel
        Network and card, as `load_model` gives them.
    frame : array (Y, X) or (F, Y, X), any real type
        One image, or a focal series of as many as the network takes.
    sampling_A : float
        Pixel size [Å]. Outside of the range that the network was trained on, the frame is resampled to the
        middle of the range, and the maps back.
    runtime, window_px, batch, cache
        As `Predictor` takes them.

    Returns
    -------
    array (Y, X, C), float32
        Probabilities, or values of a linear output, on the frame's pixels.

    Raises
    ------
    CalibrationError
        If the pixel size is missing or impossible.
    DataError
        If the frame has not as many images as the network takes, or is empty.
    SettingsError
        If a setting is out of range, or the runtime is not there.

    Examples
    --------
    >>> from temflux.engine.learn.model_cards import ModelCard
    >>> from temflux.engine.learn.trained import NetworkSpec
    >>> spec = NetworkSpec("compact", {"in_channels": 3, "out_channels": 2})
    >>> predict_frame(TrainedModel(spec, ModelCard("mine"), {}), np.zeros((64, 64)), sampling_A=0.1)
    Traceback (most recent call last):
    temflux.engine.base.errors.DataError: mine takes a focal series of 3 images, got 1; choose another model
    """
    predictor = Predictor(trained, runtime=runtime, window_px=window_px, batch=batch, cache=cache)
    return predictor(frame, sampling_A=sampling_A)


def predict_stack(
    predictor: Predictor, frames: Iterable[np.ndarray], *, sampling_A: float | None = None
) -> Iterator[np.ndarray]:
    """Predict the maps of frame after frame, holding one at a time.

    Parameters
    ----------
    predictor : Predictor
        Network ready to run.
    frames : iterable of arrays (Y, X) or (F, Y, X)
        Frames or focal series, read as they are needed.
    sampling_A : float
        Pixel size [Å].

    Yields
    ------
    array (Y, X, C), float32
        Maps of each frame, as `predict_frame` gives them.

    Examples
    --------
    >>> from temflux.engine.learn.model_cards import ModelCard
    >>> from temflux.engine.learn.trained import NetworkSpec
    >>> spec = NetworkSpec("compact", {"in_channels": 1, "out_channels": 2})
    >>> list(predict_stack(Predictor(TrainedModel(spec, ModelCard("mine"), {})), []))
    []
    """
    for frame in frames:
        yield predictor(np.asarray(frame), sampling_A=sampling_A)


def choose_sampling(trained: TrainedModel, sampling_A: float) -> float:
    """Choose the sampling at which a network looks at a frame.

    Parameters
    ----------
    trained : TrainedModel
        Network and card.
    sampling_A : float
        The frame's pixel size [Å].

    Returns
    -------
    float
        The frame's own inside the trained range or where that is not known, else the range's middle [Å],
        since a network knows least about its ends.

    Raises
    ------
    CalibrationError
        If the frame is so far outside that its pixel size must be wrong.

    Examples
    --------
    >>> from temflux.engine.learn.model_cards import ModelCard
    >>> from temflux.engine.learn.trained import NetworkSpec
    >>> card = ModelCard("mine", ranges={"sampling_A": (0.05, 0.1)})
    >>> round(choose_sampling(TrainedModel(NetworkSpec("compact"), card, {}), 0.3), 3)
    0.071
    """
    card = trained.card
    if card.sampling_A is None or not outside_range(card, sampling_A=sampling_A):
        return sampling_A
    low, high = card.sampling_A
    target = math.sqrt(low * high)
    if not 1 / _LARGEST_RESAMPLING <= sampling_A / target <= _LARGEST_RESAMPLING:
        raise CalibrationError(
            f"pixel size of {sampling_A:g} Å is too far from the {low:g} to {high:g} Å that {card.name} was "
            "trained on; check the pixel size and its unit"
        )
    return target


def _as_series(frame: np.ndarray, trained: TrainedModel) -> np.ndarray:
    array = np.asarray(frame)
    if array.ndim not in (2, 3) or array.size == 0:
        raise DataError(f"expected an image (Y, X) or a focal series (F, Y, X), got shape {array.shape}")
    series = array if array.ndim == 3 else array[np.newaxis]
    wanted = trained.spec.in_channels
    if len(series) != wanted:
        what = "one image" if wanted == 1 else f"a focal series of {wanted} images"
        raise DataError(f"{trained.card.name} takes {what}, got {len(series)}; choose another model")
    return series


def _check_sampling(sampling_A: float | None, trained: TrainedModel) -> float:
    if sampling_A is None:
        raise CalibrationError(
            f"pixel size missing: {trained.card.name} standardises over {trained.card.normalize_A:g} Å; give "
            "the pixel size"
        )
    if not (math.isfinite(sampling_A) and sampling_A > 0):
        raise CalibrationError(f"pixel size must be finite and above 0 Å, got {sampling_A}")
    return float(sampling_A)


def _resample(series: np.ndarray, factor: float) -> np.ndarray:
    """Change the number of pixels of all images by a factor; pixels that are not finite become the median."""
    rows, columns = (max(1, round(side * factor)) for side in series.shape[1:])
    if (rows, columns) == series.shape[1:]:
        return series
    images = series.astype(np.float32)
    known = np.isfinite(images)
    if not known.all():
        images[~known] = np.median(images[known]) if known.any() else 0
    if factor < 1:
        return np.stack([coarsen(image, (rows, columns)) for image in images])
    return np.stack([_resize(image, (rows, columns), order=3) for image in images])


def _resize(image: np.ndarray, shape: tuple[int, ...], *, order: int) -> np.ndarray:
    from skimage.transform import resize

    shrinks = shape[0] < image.shape[0] or shape[1] < image.shape[1]
    result: np.ndarray = resize(
        image, shape, order=order, mode="reflect", anti_aliasing=shrinks, preserve_range=True
    )
    return result.astype(np.float32)
