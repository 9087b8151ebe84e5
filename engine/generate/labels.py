"""Labels: what a network is to make of an image, pixel by pixel, from the columns that the image was made of.

Sample (i, j) of a label lies where that of its image does: y = origin + i·sampling, x = origin + j·sampling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..base.errors import DataError, SettingsError

if TYPE_CHECKING:
    from .system import Sites

LABELS = ("Mask", "Disk", "Blob", "Gaussian", "Exitwave", "Occupancy")
_REGRESSIONS = ("Exitwave", "Occupancy")
_MOST_CLASSES = 100
# Columns closer to a straight line than this [Å] span no area; atoms are never known that well.
_FLAT_A = 1e-3
# A Gaussian is cut off at 4 standard deviations, where it has fallen to 0.0003.
_GAUSSIAN_REACH = 4.0


@dataclass(frozen=True)
class LabelSettings:
    """Which label is made, and its channels (thesis, Table 3.2).

    Parameters
    ----------
    kind : {"Mask", "Disk", "Blob", "Gaussian", "Exitwave", "Occupancy"}
        The label; see `make_label`.
    num_classes : int
        Channels. 1 is a single class without background; more count the background where there is one.
    null_class : bool
        Whether the last channel is the background: one minus the sum of the others. It means nothing where
        `num_classes` is 1, and for Exitwave and Occupancy, which have none.
    spotsize_A : float
        Width of the spots [Å]: the discs' diameter, the blobs' full width at half maximum, or the
        standard deviation of the Gaussians.

    Raises
    ------
    SettingsError
        If the kind is unknown, the classes do not suit it, or the spots have no width.

    Examples
    --------
    >>> LabelSettings("Disk", num_classes=4).n_classes
    3
    """

    kind: str = "Mask"
    num_classes: int = 1
    null_class: bool = True
    spotsize_A: float = 0.4

    def __post_init__(self) -> None:
        """Refuse what cannot be made."""
        if self.kind not in LABELS:
            raise SettingsError(f"label: expected one of {', '.join(LABELS)}, got {self.kind!r}")
        if not (math.isfinite(self.spotsize_A) and self.spotsize_A > 0):
            raise SettingsError(f"spotsize: expected a width above 0 Å, got {self.spotsize_A!r}")
        if not 1 <= self.num_classes <= _MOST_CLASSES:
            raise SettingsError(f"num_classes: expected 1 to {_MOST_CLASSES}, got {self.num_classes!r}")
        if self.kind == "Exitwave" and self.num_classes != 2:
            raise SettingsError(
                f"num_classes: expected 2 for Exitwave (real and imaginary part), got {self.num_classes}"
            )
        if self.kind == "Mask" and (self.num_classes > 2 or (self.num_classes == 2 and not self.null_class)):
            raise SettingsError(
                "num_classes: expected 1, or 2 with null_class true, for Mask (inside and background), "
                f"got {self.num_classes} with null_class {str(self.null_class).lower()}"
            )

    @property
    def has_background(self) -> bool:
        """Whether the last channel is the background."""
        return self.null_class and self.num_classes > 1 and self.kind not in _REGRESSIONS

    @property
    def n_classes(self) -> int:
        """Channels without the background."""
        return self.num_classes - self.has_background


def make_label(
    settings: LabelSettings,
    sites: Sites,
    *,
    shape: tuple[int, int],
    sampling_A: float,
    origin_A: tuple[float, float] = (0.0, 0.0),
    wave: np.ndarray | None = None,
) -> np.ndarray:
    """Make the label of one image (thesis, 3.2).

    Parameters
    ----------
    settings : LabelSettings
        Kind and channels of the label.
    sites : Sites
        Columns of what is labelled, in the cell [Å]; their occupancy is needed for Occupancy alone.
    shape : (int, int)
        Rows and columns of the image.
    sampling_A : float
        Distance of samples [Å].
    origin_A : (float, float)
        Where sample (0, 0) lies in the cell, x and y [Å]; negative where the image is padded.
    wave : array (Y, X), complex, or None
        Exit wave on the image's grid; needed for Exitwave alone.

    Returns
    -------
    array (Y, X, C), uint8 (Mask, Disk) or float32
        One channel a class in the order of `sites.class_names`, then the background where there is one.

    Raises
    ------
    SettingsError
        If the classes of the sites are not `num_classes` (less the background), or the grid is impossible.
    DataError
        If the sites are not finite, have classes without names, or lack occupancies, or the wave is
        missing or of another shape.

    Notes
    -----
    Mask: 1 where the sample lies in the convex hull of the columns, its edge included, whatever their class;
    columns on a line or fewer than three mark the samples nearest to them. No columns, an empty mask.
    Disk: 1 within half a spot size of a column, and at the sample nearest to it; where discs overlap, a
    sample belongs to the nearer column, so that no two channels are 1 at once.
    Blob: (1 + cos(πd/spotsize))/2 at distance d < spotsize from the nearest column of the class: half as high
    where the disc of the same spot size ends.
    Gaussian: exp(−d²/2·spotsize²), cut off at four standard deviations.
    Occupancy: the occupancy of the column on the samples of its disc, 0 elsewhere.
    Exitwave: real and imaginary part.

    Examples
    --------
    >>> from .system import Sites
    >>> corners = Sites(np.array([[1.0, 1], [3, 1], [1, 3]]), np.zeros(3, np.int64), ("Au",))
    >>> make_label(LabelSettings("Mask"), corners, shape=(5, 5), sampling_A=1.0).sum()
    np.uint64(6)
    """
    _check_grid(shape, sampling_A, origin_A)
    if settings.kind == "Exitwave":
        return _wave_label(wave, shape)
    xy, classes = _check_sites(sites)
    xy_px = (xy - np.asarray(origin_A, np.float64)) / sampling_A
    if settings.kind == "Mask":
        flat_px = _FLAT_A / sampling_A
        label = np.zeros((*shape, settings.num_classes), np.uint8)
        label[..., 0] = _fill_hull(xy_px, shape, flat_px)
        if settings.has_background:
            label[..., 1] = 1 - label[..., 0]
        return label
    if settings.num_classes == 1:
        classes = np.zeros_like(classes)
    elif settings.n_classes != len(sites.class_names):
        raise SettingsError(_explain_classes(settings, sites.class_names))
    spot_px = settings.spotsize_A / sampling_A
    if settings.kind == "Disk":
        return _discs(settings, xy_px, classes, shape, spot_px)
    if settings.kind == "Occupancy":
        return _occupancies(settings, xy_px, classes, shape, spot_px, _check_occupancy(sites))
    return _peaks(settings, xy_px, classes, shape, spot_px)


def channel_names(settings: LabelSettings, class_names: tuple[str, ...]) -> tuple[str, ...]:
    """Say what the channels of a label are.

    Parameters
    ----------
    settings : LabelSettings
        Kind and channels of the label.
    class_names : tuple of str
        Names of the sites' classes.

    Returns
    -------
    tuple of str
        As many as channels: "inside" for a mask, "column" where classes are joined.

    Examples
    --------
    >>> channel_names(LabelSettings("Disk", num_classes=4), ("1Mo", "2S", "1S"))
    ('1Mo', '2S', '1S', 'background')
    """
    background = ("background",) if settings.has_background else ()
    if settings.kind == "Exitwave":
        return "real", "imaginary"
    if settings.kind == "Mask":
        return "inside", *background
    if settings.num_classes == 1:
        return (class_names[0],) if len(class_names) == 1 else ("column",)
    if settings.n_classes != len(class_names):
        raise SettingsError(_explain_classes(settings, class_names))
    return *class_names, *background


def _check_grid(shape: tuple[int, int], sampling_A: float, origin_A: tuple[float, float]) -> None:
    if len(shape) != 2 or min(shape) < 1:
        raise SettingsError(f"shape: expected rows and columns of 1 or more, got {shape}")
    if not (math.isfinite(sampling_A) and sampling_A > 0):
        raise SettingsError(f"sampling_A: expected a distance above 0 Å, got {sampling_A!r}")
    if len(origin_A) != 2 or not np.isfinite(origin_A).all():
        raise SettingsError(f"origin_A: expected x and y in Å, got {origin_A}")


def _check_sites(sites: Sites) -> tuple[np.ndarray, np.ndarray]:
    xy, classes = np.asarray(sites.xy_A, np.float64).reshape(-1, 2), np.asarray(sites.classes, np.int64)
    if len(xy) != len(classes) or not np.isfinite(xy).all():
        raise DataError(f"sites: expected finite x and y, one class each, got {len(xy)} and {len(classes)}")
    if len(classes) and not 0 <= classes.min() <= classes.max() < len(sites.class_names):
        raise DataError(
            f"sites: expected classes 0 to {len(sites.class_names) - 1} ({', '.join(sites.class_names)}), "
            f"got {classes.min()} to {classes.max()}"
        )
    return xy, classes


def _check_occupancy(sites: Sites) -> np.ndarray:
    if sites.occupancy is None:
        raise DataError("label Occupancy: expected sites with occupancies, got none; make oxide columns")
    occupancy = np.asarray(sites.occupancy, np.float32)
    if occupancy.shape != (len(sites.classes),) or not (np.isfinite(occupancy) & (occupancy >= 0)).all():
        raise DataError("label Occupancy: expected an occupancy of 0 or more for each site")
    return occupancy


def _explain_classes(settings: LabelSettings, names: tuple[str, ...]) -> str:
    """Which number of classes would suit the sites."""
    wanted = len(names) + settings.has_background
    extra = " and the background" if settings.has_background else ""
    alone = ", or 1 to join them" if len(names) > 1 else ""
    return (
        f"num_classes: expected {wanted} for the classes {', '.join(names)}{extra}{alone}, "
        f"got {settings.num_classes} with null_class {str(settings.null_class).lower()}"
    )


def _wave_label(wave: np.ndarray | None, shape: tuple[int, int]) -> np.ndarray:
    if wave is None or np.shape(wave) != tuple(shape) or not np.iscomplexobj(wave):
        came = "none" if wave is None else f"{np.asarray(wave).dtype} of {np.shape(wave)}"
        raise DataError(f"label Exitwave: expected a complex wave of {tuple(shape)} samples, got {came}")
    return np.stack([wave.real, wave.imag], axis=-1).astype(np.float32, copy=False)


def _fill_hull(xy_px: np.ndarray, shape: tuple[int, int], flat_px: float) -> np.ndarray:
    """Find the samples in the convex hull, an array (Y, X) of bool."""
    line = _straight_line(xy_px, flat_px)
    if line is not None:
        inside = np.zeros(shape, bool)
        row, column = _nearest_samples(line, shape)
        inside[row, column] = True
        return inside
    # Qhull takes 20 ms to import, and Exitwave does without.
    from scipy.spatial import ConvexHull

    across, down, offset = ConvexHull(xy_px).equations.T
    rows = np.arange(shape[0], dtype=np.float64)[:, np.newaxis]
    # Each side keeps x·across + y·down + offset <= 0; the millionth of a sample takes rounding in.
    room = 1e-6 - (rows * down + offset)
    with np.errstate(divide="ignore", invalid="ignore"):
        end = room / across
    right = np.min(end, axis=1, where=across > 0, initial=np.inf)
    left = np.max(end, axis=1, where=across < 0, initial=-np.inf)
    left[((across == 0) & (room < 0)).any(axis=1)] = np.inf
    columns = np.arange(shape[1], dtype=np.float64)
    return (columns >= left[:, np.newaxis]) & (columns <= right[:, np.newaxis])


def _straight_line(xy_px: np.ndarray, flat_px: float) -> np.ndarray | None:
    """Points at most half a sample apart along columns that span no area; None where they span some."""
    if len(xy_px) < 2:
        return xy_px
    centred = xy_px - xy_px.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2]
    along, aside = (centred @ axis.T).T
    if np.ptp(aside) > flat_px:
        return None
    first, last = xy_px[along.argmin()], xy_px[along.argmax()]
    steps = 2 * math.ceil(float(np.ptp(along))) + 1
    return first + np.linspace(0, 1, steps + 1)[:, np.newaxis] * (last - first)


def _nearest_samples(xy_px: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the samples nearest to points, of those that lie in the image."""
    nodes = np.rint(xy_px).astype(np.int64)
    inside = ((nodes >= 0) & (nodes < (shape[1], shape[0]))).all(axis=1)
    return nodes[inside, 1], nodes[inside, 0]


def _nearest_columns(
    xy_px: np.ndarray, shape: tuple[int, int], reach_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """Squared distance [px²] to the nearest point, inf beyond reach, and which point that is; (Y, X) each."""
    distance2, owner = np.full(shape, np.inf), np.zeros(shape, np.int64)
    first = np.maximum(np.ceil(xy_px - reach_px), 0).astype(np.int64)
    stop = np.minimum(np.floor(xy_px + reach_px) + 1, (shape[1], shape[0])).astype(np.int64)
    for index in np.flatnonzero((first < stop).all(axis=1)).tolist():
        (x0, y0), (x1, y1), (x, y) = first[index].tolist(), stop[index].tolist(), xy_px[index].tolist()
        across, down = np.arange(x0 - x, x1 - x - 0.5), np.arange(y0 - y, y1 - y - 0.5)
        patch = (down * down)[:, np.newaxis] + across * across
        box = (slice(y0, y1), slice(x0, x1))
        closer = patch < distance2[box]
        np.copyto(distance2[box], patch, where=closer)
        np.copyto(owner[box], index, where=closer)
    distance2[distance2 > reach_px * reach_px] = np.inf
    return distance2, owner


def _owned(
    xy_px: np.ndarray, shape: tuple[int, int], spot_px: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows and columns of the samples on discs, and the column that each belongs to."""
    # The millionth of a sample takes those in that lie on the rim but for rounding.
    radius = spot_px / 2 + 1e-6
    distance2, owner = _nearest_columns(xy_px, shape, max(radius, math.sqrt(0.5) + 1e-6))
    on_disc = distance2 <= radius * radius
    on_disc[_nearest_samples(xy_px, shape)] = True
    row, column = np.nonzero(on_disc)
    return row, column, owner[row, column]


def _discs(
    settings: LabelSettings, xy_px: np.ndarray, classes: np.ndarray, shape: tuple[int, int], spot_px: float
) -> np.ndarray:
    label = np.zeros((*shape, settings.num_classes), np.uint8)
    row, column, owner = _owned(xy_px, shape, spot_px)
    if settings.has_background:
        label[..., -1] = 1
        label[row, column, -1] = 0
    label[row, column, classes[owner]] = 1
    return label


def _occupancies(
    settings: LabelSettings,
    xy_px: np.ndarray,
    classes: np.ndarray,
    shape: tuple[int, int],
    spot_px: float,
    occupancy: np.ndarray,
) -> np.ndarray:
    label = np.zeros((*shape, settings.num_classes), np.float32)
    row, column, owner = _owned(xy_px, shape, spot_px)
    label[row, column, classes[owner]] = occupancy[owner]
    return label


def _peaks(
    settings: LabelSettings, xy_px: np.ndarray, classes: np.ndarray, shape: tuple[int, int], spot_px: float
) -> np.ndarray:
    """Blobs or Gaussians: both fall with the distance, so that the nearest column of a class decides."""
    gaussian = settings.kind == "Gaussian"
    label = np.zeros((*shape, settings.num_classes), np.float32)
    rest = np.ones(shape, np.float32)
    for index in range(settings.n_classes):
        reach = _GAUSSIAN_REACH * spot_px if gaussian else spot_px
        distance2, _ = _nearest_columns(xy_px[classes == index], shape, reach)
        near = np.isfinite(distance2)
        if gaussian:
            height = np.exp(distance2[near] / (-2 * spot_px * spot_px))
        else:
            height = (1 + np.cos(np.sqrt(distance2[near]) * (math.pi / spot_px))) / 2
        label[near, index] = height
        rest -= label[..., index]
    if settings.has_background:
        np.maximum(rest, 0, out=label[..., -1])
    return label
