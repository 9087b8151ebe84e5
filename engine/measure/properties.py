"""Properties of labelled particles: place, area, outline, shape and intensity, from runs of pixels."""

from __future__ import annotations

from math import isfinite

import numpy as np

from ..base.compiled import use_compiled
from ..base.errors import CalibrationError, DataError
from ..base.tables import Columns
from .runs import check_runs, labels_of_runs, runs_of_labels


def measure_properties(
    labels: np.ndarray,
    image: np.ndarray | None = None,
    *,
    pixel_nm: float | None = None,
    compiled: bool | None = None,
) -> Columns:
    """Measure every particle of a label frame.

    Parameters
    ----------
    labels : array (Y, X), integer
        0 is background; a particle is all pixels of one label, connected or not.
    image : array (Y, X), real, or None
        Intensities to average; None leaves `mean_intensity` NaN.
    pixel_nm : float or None
        Side of a pixel [nm]; None leaves the columns in nm NaN.
    compiled : bool or None
        True asks for numba, False for NumPy and SciPy, None takes numba where it is installed.

    Returns
    -------
    dict of arrays (n,)
        One row a particle by ascending label: label, y_px, x_px (centre of mass, 0 at the centre of the first
        pixel), y_nm, x_nm, area_px2, area_nm2, perimeter_px, perimeter_nm, equivalent_diameter_px,
        equivalent_diameter_nm (of the disc of equal area), eccentricity, orientation_deg, solidity,
        mean_intensity, touches_edge, bbox_y0_px, bbox_x0_px, bbox_y1_px, bbox_x1_px (end excluded).

    Raises
    ------
    DataError
        If the labels are not 2-D integers from 0, or the image is not real or of another shape.
    CalibrationError
        If the pixel size is not above 0.

    Notes
    -----
    The perimeter is Crofton's formula over 4 directions [1]_: π/4 times the number of times that lines one
    pixel apart enter the particle, where those along the diagonals lie 1/√2 apart. Eccentricity and
    orientation are those of the ellipse of equal second moments; the orientation is the angle of its major
    axis from the row axis (down) towards the column axis (right), counter-clockwise on the screen, from −90°
    to 90° as in scikit-image; of a particle without a longer axis it is −45°. Solidity is the area over that
    of the convex hull of the pixels' corners.

    References
    ----------
    .. [1] G. Lehmann and D. Legland, "Efficient N-dimensional surface estimation using Crofton formula and
       run-length encoding", Insight Journal (2012).

    Examples
    --------
    >>> table = measure_properties(np.array([[0, 2, 2], [0, 2, 2]]), pixel_nm=0.5)
    >>> table["x_px"].tolist(), table["area_nm2"].tolist(), table["solidity"].tolist()
    ([1.5], [1.0], [1.0])
    """
    labels = np.asarray(labels)
    runs = runs_of_labels(labels, compiled=compiled)
    rows, columns = labels.shape
    return measure_runs(runs, (rows, columns), image, pixel_nm=pixel_nm, compiled=compiled)


def measure_runs(
    runs: np.ndarray,
    shape: tuple[int, int],
    image: np.ndarray | None = None,
    *,
    pixel_nm: float | None = None,
    compiled: bool | None = None,
) -> Columns:
    """Measure every particle given as runs of pixels.

    Parameters
    ----------
    runs : array (n, 4), integer
        Row, first column, end column (excluded) and label of each run, by row, then column.
    shape : (int, int)
        Rows and columns of the frame.
    image : array (Y, X), real, or None
        Intensities to average; None leaves `mean_intensity` NaN.
    pixel_nm : float or None
        Side of a pixel [nm]; None leaves the columns in nm NaN.
    compiled : bool or None
        True asks for numba, False for NumPy and SciPy, None takes numba where it is installed.

    Returns
    -------
    dict of arrays (n,)
        As `measure_properties` returns them.

    Raises
    ------
    DataError
        If the runs are not of that form, or the image is not real or of another shape.
    CalibrationError
        If the pixel size is not above 0.

    Examples
    --------
    >>> measure_runs(np.array([[0, 1, 3, 2], [1, 1, 3, 2]]), (2, 3))["area_px2"].tolist()
    [4]
    """
    if pixel_nm is not None and not (isfinite(pixel_nm) and pixel_nm > 0):
        raise CalibrationError(f"expected a pixel size above 0 nm, got {pixel_nm}; give the true one or None")
    image = None if image is None else _check_image(image, shape)
    runs = check_runs(runs, shape)
    runs = runs[runs[:, 3] > 0]
    ordered, starts = _by_label(runs)
    labels = ordered[starts, 3]
    box = _boxes(ordered, starts)
    area, y, x, eccentricity, orientation = _moments(ordered, starts, box)
    if use_compiled(compiled):
        neighbours, hull, total = _compiled_sums(runs, ordered, starts, image)
    else:
        neighbours, hull, total = _plain_sums(runs, ordered, starts, image, shape)
    perimeter = _perimeters(ordered, starts, area, neighbours)
    diameter = np.sqrt(4 * area / np.pi)
    scale = np.nan if pixel_nm is None else float(pixel_nm)
    y0, x0, y1, x1 = box
    return {
        "label": labels,
        "y_px": y,
        "x_px": x,
        "y_nm": y * scale,
        "x_nm": x * scale,
        "area_px2": area,
        "area_nm2": area * scale**2,
        "perimeter_px": perimeter,
        "perimeter_nm": perimeter * scale,
        "equivalent_diameter_px": diameter,
        "equivalent_diameter_nm": diameter * scale,
        "eccentricity": eccentricity,
        "orientation_deg": orientation,
        "solidity": area / hull,
        "mean_intensity": total / area,
        "touches_edge": (y0 == 0) | (x0 == 0) | (y1 == shape[0]) | (x1 == shape[1]),
        "bbox_y0_px": y0,
        "bbox_x0_px": x0,
        "bbox_y1_px": y1,
        "bbox_x1_px": x1,
    }


def locate_runs(runs: np.ndarray) -> Columns:
    """Find the place and area of every particle given as runs of pixels.

    Parameters
    ----------
    runs : array (n, 4), integer
        Row, first column, end column (excluded) and label of each run, by row, then column.

    Returns
    -------
    dict of arrays (n,)
        label, area_px2, y_px, x_px: to the bit those of `measure_runs`, which takes many times as long.

    Raises
    ------
    DataError
        If the runs are not of that form.

    Examples
    --------
    >>> {name: values.tolist() for name, values in locate_runs(np.array([[0, 1, 3, 2]])).items()}
    {'label': [2], 'area_px2': [2], 'y_px': [0.0], 'x_px': [1.5]}
    """
    ordered, starts = _by_label(check_runs(runs, None))
    area, y, x, _, _ = _moments(ordered, starts, _boxes(ordered, starts))
    return {"label": ordered[starts, 3], "area_px2": area, "y_px": y, "x_px": x}


def _by_label(runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort runs by label, and say where each label begins."""
    runs = runs[runs[:, 3] > 0]
    ordered = runs[np.argsort(runs[:, 3], kind="stable")].astype(np.int64)
    return ordered, np.flatnonzero(np.diff(ordered[:, 3], prepend=-1))


def _check_image(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    image = np.asarray(image)
    if image.shape != tuple(shape) or image.dtype.kind not in "buif":
        raise DataError(
            f"expected an image of real numbers of shape {tuple(shape)}, got {image.dtype} of shape "
            f"{image.shape}; give the frame that the labels were made from"
        )
    # Kernels take the machine's own byte order and no half or extended floats.
    if image.dtype.kind == "f" and image.dtype.itemsize not in (4, 8):
        return image.astype(np.float64)
    return image.astype(image.dtype.newbyteorder("="), copy=False)


def _boxes(ordered: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    if len(starts) == 0:
        none = np.zeros(0, np.int64)
        return none, none, none, none
    ends = np.append(starts, len(ordered))[1:] - 1
    return (
        ordered[starts, 0],
        np.minimum.reduceat(ordered[:, 1], starts),
        ordered[ends, 0] + 1,
        np.maximum.reduceat(ordered[:, 2], starts),
    )


def _totals(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return np.add.reduceat(values, starts) if len(starts) else np.zeros(0, values.dtype)


def _sum_of_squares_below(end: np.ndarray) -> np.ndarray:
    return (end - 1) * end * (2 * end - 1) // 6


def _moments(
    ordered: np.ndarray, starts: np.ndarray, box: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Area, centre (y, x), eccentricity and orientation [°], from exact sums over each particle's box."""
    counts = np.diff(np.append(starts, len(ordered)))
    y0, x0 = box[0], box[1]
    row = ordered[:, 0] - np.repeat(y0, counts)
    first = ordered[:, 1] - np.repeat(x0, counts)
    end = ordered[:, 2] - np.repeat(x0, counts)
    pixels = end - first
    columns = (first + end - 1) * pixels // 2
    area = _totals(pixels, starts)
    sum_y, sum_x = _totals(row * pixels, starts), _totals(columns, starts)
    y, x = sum_y / area, sum_x / area
    squares = _sum_of_squares_below(end) - _sum_of_squares_below(first)
    var_y = np.maximum(_totals(row * row * pixels, starts) / area - y * y, 0)
    var_x = np.maximum(_totals(squares, starts) / area - x * x, 0)
    mixed = _totals(row * columns, starts) / area - y * x
    spread = np.hypot(var_y - var_x, 2 * mixed)
    largest = var_y + var_x + spread
    eccentricity = np.sqrt(np.divide(2 * spread, largest, out=np.zeros(len(area)), where=largest > 0))
    orientation = np.degrees(np.arctan2(2 * mixed, var_y - var_x)) / 2
    orientation[spread == 0] = -45.0
    return area, y + y0, x + x0, np.minimum(eccentricity, 1), orientation


def _perimeters(
    ordered: np.ndarray, starts: np.ndarray, area: np.ndarray, neighbours: np.ndarray
) -> np.ndarray:
    """Crofton perimeters from each particle's pixels below, below right and below left of its pixels."""
    same = (ordered[1:, 3] == ordered[:-1, 3]) & (ordered[1:, 0] == ordered[:-1, 0])
    entries = np.ones(len(ordered), np.int64)
    # Runs that touch in a row, as after two labels became one, are entered once.
    entries[1:][same & (ordered[1:, 1] == ordered[:-1, 2])] = 0
    straight = _totals(entries, starts) + area - neighbours[0]
    diagonal = 2 * area - neighbours[1] - neighbours[2]
    return np.pi / 4 * (straight + diagonal / np.sqrt(2))


def _extents(ordered: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row, first column and end column of each particle's rows, and offsets of each particle."""
    new = np.ones(len(ordered), bool)
    new[1:] = (ordered[1:, 3] != ordered[:-1, 3]) | (ordered[1:, 0] != ordered[:-1, 0])
    first = np.flatnonzero(new)
    last = np.append(first, len(ordered))[1:] - 1
    extents = np.stack([ordered[first, 0], ordered[first, 1], ordered[last, 2]], axis=1)
    return extents, np.append(np.searchsorted(first, starts), len(first))


def _compiled_sums(
    runs: np.ndarray, ordered: np.ndarray, starts: np.ndarray, image: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from .kernels_runs import hull_areas, intersect, sum_pixels

    labels = ordered[starts, 3]
    neighbours = np.zeros((3, len(labels)), np.int64)
    for direction, right in enumerate((0, -1, 1)):
        common = intersect(runs, runs, -1, right)
        common = common[common[:, 0] == common[:, 1]]
        np.add.at(neighbours[direction], np.searchsorted(labels, common[:, 0]), common[:, 2])
    hull = hull_areas(*_extents(ordered, starts))
    if image is None:
        return neighbours, hull, np.full(len(labels), np.nan)
    return neighbours, hull, sum_pixels(runs, np.searchsorted(labels, runs[:, 3]), image, len(labels))


def _plain_sums(
    runs: np.ndarray,
    ordered: np.ndarray,
    starts: np.ndarray,
    image: np.ndarray | None,
    shape: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from scipy.spatial import ConvexHull

    names = ordered[starts, 3]
    ranked = runs.copy()
    ranked[:, 3] = np.searchsorted(names, runs[:, 3]) + 1
    labels = labels_of_runs(ranked, shape, compiled=False)
    above, below, size = labels[:-1], labels[1:], len(names) + 1
    pairs = ((above, below), (above[:, :-1], below[:, 1:]), (above[:, 1:], below[:, :-1]))
    neighbours = np.stack([np.bincount(a[a == b], minlength=size)[1:] for a, b in pairs])
    extents, offsets = _extents(ordered, starts)
    hull = np.empty(len(names))
    for index in range(len(names)):
        row, first, end = extents[offsets[index] : offsets[index + 1]].T
        corners = [(row, first), (row + 1, first), (row, end), (row + 1, end)]
        hull[index] = ConvexHull(np.concatenate([np.stack(c, axis=1) for c in corners])).volume
    if image is None:
        return neighbours, hull, np.full(len(names), np.nan)
    there = labels > 0
    total = np.bincount(labels[there], weights=image[there].astype(np.float64), minlength=size)[1:]
    return neighbours, hull, total
