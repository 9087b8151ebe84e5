"""Scores of masks against truth: pixels (IoU) and instances (F1 with one-to-one matches)."""

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

SPECK_PX = 20


def mask_iou(mask, truth):
    """Share of the union of two masks that both cover; 1 where both are empty."""
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 1.0


def instance_counts(labels, truth_mask, *, speck_px=SPECK_PX, least_iou=0.5):
    """Count matches, spurious and missed instances, leaving out specks and what covers only specks."""
    whole, n_truth = ndimage.label(truth_mask)
    truth_area = np.bincount(whole.ravel(), minlength=n_truth + 1)
    n_found = int(labels.max(initial=0))
    table = np.zeros((n_found + 1, n_truth + 1), np.int64)
    np.add.at(table, (labels.ravel(), whole.ravel()), 1)
    area = table.sum(axis=1)
    large = truth_area >= speck_px
    large[0] = False
    on_speck = table[:, 1:][:, ~large[1:]].sum(axis=1) > 0
    only_speck = on_speck & (table[:, large].sum(axis=1) == 0)
    kept = (area > 0) & ~only_speck
    kept[0] = False
    shared = table[np.ix_(kept, large)]
    iou = shared / (area[kept][:, None] + truth_area[large][None, :] - shared)
    rows, columns = linear_sum_assignment(-np.where(iou >= least_iou, iou, 0))
    matched = int(np.count_nonzero(iou[rows, columns] >= least_iou))
    return matched, int(kept.sum()) - matched, int(large.sum()) - matched


def f1_of_counts(counts):
    """F1 over (matched, spurious, missed) of one or more frames."""
    matched, spurious, missed = np.sum(np.atleast_2d(counts), axis=0)
    whole = 2 * matched + spurious + missed
    return 2 * matched / whole if whole else 1.0


def plain_labels(mask, *, min_separation_px=10.0):
    """Instances by a distance map's watershed, composed plainly of SciPy and scikit-image."""
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    distance = ndimage.distance_transform_edt(mask)
    smooth = ndimage.gaussian_filter(distance, 2.0)
    pieces, _ = ndimage.label(mask)
    peaks = peak_local_max(smooth, min_distance=int(min_separation_px), labels=pieces, exclude_border=False)
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-smooth, markers, mask=mask)
