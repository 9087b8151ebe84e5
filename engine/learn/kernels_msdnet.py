"""Compiled passes of an MSD-net over one feature buffer; imported only inside functions.

Features lie as (C, Y, S) in one flat array, S being the row with its margins. The loops run along rows, nine
taps and up to three outputs at a time, so that each pixel that is loaded serves many products. The sum of a
pixel has one order, whatever rows are done together or by which thread.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, fastmath={"contract"})
def _add_three(
    flat: np.ndarray, target: int, step: int, sources: np.ndarray, base: int, weights: np.ndarray, count: int
) -> None:
    """Add nine weighted taps to a row of three outputs, `step` apart; `count` is a multiple of 16."""
    a0, a1, a2 = (
        flat[target : target + count],
        flat[target + step :][:count],
        flat[target + 2 * step :][:count],
    )
    s0, s1, s2 = base + sources[0], base + sources[1], base + sources[2]
    s3, s4, s5 = base + sources[3], base + sources[4], base + sources[5]
    s6, s7, s8 = base + sources[6], base + sources[7], base + sources[8]
    r0, r1, r2 = flat[s0 : s0 + count], flat[s1 : s1 + count], flat[s2 : s2 + count]
    r3, r4, r5 = flat[s3 : s3 + count], flat[s4 : s4 + count], flat[s5 : s5 + count]
    r6, r7, r8 = flat[s6 : s6 + count], flat[s7 : s7 + count], flat[s8 : s8 + count]
    u0, u1, u2, u3, u4 = weights[0, 0], weights[0, 1], weights[0, 2], weights[0, 3], weights[0, 4]
    u5, u6, u7, u8 = weights[0, 5], weights[0, 6], weights[0, 7], weights[0, 8]
    v0, v1, v2, v3, v4 = weights[1, 0], weights[1, 1], weights[1, 2], weights[1, 3], weights[1, 4]
    v5, v6, v7, v8 = weights[1, 5], weights[1, 6], weights[1, 7], weights[1, 8]
    w0, w1, w2, w3, w4 = weights[2, 0], weights[2, 1], weights[2, 2], weights[2, 3], weights[2, 4]
    w5, w6, w7, w8 = weights[2, 5], weights[2, 6], weights[2, 7], weights[2, 8]
    # Said again, so that the compiler writes no loop for a rest, whose weights would take registers.
    for x in range(count & -16):
        p0, p1, p2, p3, p4 = r0[x], r1[x], r2[x], r3[x], r4[x]
        p5, p6, p7, p8 = r5[x], r6[x], r7[x], r8[x]
        b0 = a0[x] + u0 * p0 + u1 * p1 + u2 * p2 + u3 * p3 + u4 * p4 + u5 * p5 + u6 * p6 + u7 * p7 + u8 * p8
        b1 = a1[x] + v0 * p0 + v1 * p1 + v2 * p2 + v3 * p3 + v4 * p4 + v5 * p5 + v6 * p6 + v7 * p7 + v8 * p8
        b2 = a2[x] + w0 * p0 + w1 * p1 + w2 * p2 + w3 * p3 + w4 * p4 + w5 * p5 + w6 * p6 + w7 * p7 + w8 * p8
        a0[x], a1[x], a2[x] = b0, b1, b2


@njit(cache=True, nogil=True, fastmath={"contract"})
def _add_one(
    flat: np.ndarray, target: int, sources: np.ndarray, base: int, weights: np.ndarray, count: int
) -> None:
    """Add nine weighted taps to a row of one output, `count` a multiple of 16."""
    a0 = flat[target : target + count]
    s0, s1, s2 = base + sources[0], base + sources[1], base + sources[2]
    s3, s4, s5 = base + sources[3], base + sources[4], base + sources[5]
    s6, s7, s8 = base + sources[6], base + sources[7], base + sources[8]
    r0, r1, r2 = flat[s0 : s0 + count], flat[s1 : s1 + count], flat[s2 : s2 + count]
    r3, r4, r5 = flat[s3 : s3 + count], flat[s4 : s4 + count], flat[s5 : s5 + count]
    r6, r7, r8 = flat[s6 : s6 + count], flat[s7 : s7 + count], flat[s8 : s8 + count]
    u0, u1, u2, u3, u4 = weights[0], weights[1], weights[2], weights[3], weights[4]
    u5, u6, u7, u8 = weights[5], weights[6], weights[7], weights[8]
    for x in range(count & -16):
        first = a0[x] + u0 * r0[x] + u1 * r1[x] + u2 * r2[x] + u3 * r3[x]
        a0[x] = first + u4 * r4[x] + u5 * r5[x] + u6 * r6[x] + u7 * r7[x] + u8 * r8[x]


@njit(cache=True, nogil=True)
def _reflect(row: int, rows: int) -> int:
    """Row inside the image that mirrors one up to `rows` - 1 outside; the edge is not repeated."""
    if row < 0:
        return -row
    return 2 * (rows - 1) - row if row >= rows else row


@njit(cache=True, nogil=True)
def start_layers(flat: np.ndarray, size: np.ndarray, first: int, bias: np.ndarray, rows: np.ndarray) -> None:
    """Set features to their layers' biases, where products are then added.

    Parameters
    ----------
    flat : array (C·Y·S,), float32
        Feature buffer.
    size : array (4,), int64
        Rows Y, length S of a row with its margins, margin, columns X.
    first : int
        First feature to set.
    bias : array (n,), float32
        Bias of each of the n features from there.
    rows : array (2,), int64
        First row, and the row after the last.
    """
    n_rows, stride = size[0], size[1]
    for number in range(len(bias)):
        start = (first + number) * n_rows * stride
        flat[start + rows[0] * stride : start + rows[1] * stride] = bias[number]


@njit(cache=True, nogil=True)
def add_features(
    flat: np.ndarray,
    size: np.ndarray,
    layers: np.ndarray,
    taps: np.ndarray,
    weights: np.ndarray,
    inputs: np.ndarray,
    block: np.ndarray,
    rows: np.ndarray,
) -> None:
    """Add the dilated convolutions of features to the outputs of layers that follow each other.

    Parameters
    ----------
    flat, size
        As in `start_layers`.
    layers : array (L, 5), int64
        Of each layer: dilation, first feature of output, number of outputs, first feature of input, and row
        of `weights` where its own begin.
    taps : array (9·G, 2), int64
        Row and column of each tap of the kernel before dilation, filled up to nines.
    weights : array (n, 9), float32
        By layer, input, nine taps, output.
    inputs : array (2,), int64
        First feature to read, and the feature after the last.
    block : array (3,), int64
        Rows and features to do at a time, so that they stay in the cache; rows in one loop.
    rows : array (2,), int64
        First row to compute, and the row after the last.
    """
    n_rows, stride, margin, columns = size[0], size[1], size[2], size[3]
    n_nines = len(taps) // 9
    plane = n_rows * stride
    sources = np.empty(len(taps), np.int64)
    for top in range(rows[0], rows[1], block[0]):
        bottom = min(top + block[0], rows[1])
        for begin in range(inputs[0], inputs[1], block[1]):
            end = min(begin + block[1], inputs[1])
            for layer in range(len(layers)):
                dilation, output, n_outputs, first_input, first_weight = layers[layer]
                reach = -taps[0, 0] * dilation
                row = top
                while row < bottom:
                    # Rows whose taps are not mirrored lie one after the other: a long row, margins included,
                    # whose sums there, as past the columns, are overwritten when the layer is finished.
                    n_together = 1
                    if row >= reach:
                        n_together = max(1, min(bottom, row + block[2], n_rows - reach) - row)
                    count = (n_together - 1) * stride + (columns + 15 & -16)
                    for tap in range(len(taps)):
                        line = _reflect(row + taps[tap, 0] * dilation, n_rows)
                        sources[tap] = line * stride + margin + taps[tap, 1] * dilation
                    target = output * plane + row * stride + margin
                    row += n_together
                    for feature in range(begin, end):
                        base = feature * plane
                        place = first_weight + (feature - first_input) * n_nines * n_outputs
                        for nine in range(n_nines):
                            nearby = sources[9 * nine : 9 * nine + 9]
                            number = 0
                            while number + 3 <= n_outputs:
                                own = weights[place + number : place + number + 3]
                                there = target + number * plane
                                _add_three(flat, there, plane, nearby, base, own, count)
                                number += 3
                            while number < n_outputs:
                                there = target + number * plane
                                _add_one(flat, there, nearby, base, weights[place + number], count)
                                number += 1
                            place += n_outputs


@njit(cache=True, nogil=True)
def finish_layer(
    flat: np.ndarray, size: np.ndarray, first: int, slopes: np.ndarray, rows: np.ndarray
) -> None:
    """Apply a layer's PReLU and mirror its rows into their margins.

    Parameters
    ----------
    flat, size
        As in `start_layers`.
    first : int
        First feature of the layer.
    slopes : array (n,), float32
        Slope below 0 of each of its features.
    rows : array (2,), int64
        First row, and the row after the last.
    """
    n_rows, stride, margin, columns = size[0], size[1], size[2], size[3]
    reach = min(margin, columns - 1)
    for number in range(len(slopes)):
        slope = slopes[number]
        for row in range(rows[0], rows[1]):
            start = ((first + number) * n_rows + row) * stride + margin
            line = flat[start : start + columns]
            for x in range(columns):
                value = line[x]
                line[x] = value if value > 0 else slope * value
            for x in range(1, reach + 1):
                flat[start - x] = flat[start + x]
                flat[start + columns - 1 + x] = flat[start + columns - 1 - x]


@njit(cache=True, nogil=True, fastmath={"contract"})
def read_out(
    flat: np.ndarray,
    size: np.ndarray,
    first: int,
    weights: np.ndarray,
    bias: np.ndarray,
    out: np.ndarray,
    rows: np.ndarray,
) -> None:
    """Sum all features of a pixel into maps.

    Parameters
    ----------
    flat, size
        As in `start_layers`.
    first : int
        First feature to read.
    weights : array (n, M), float32
        Weight of each feature in each map.
    bias : array (M,), float32
        Bias of each map.
    out : array (M, Y, X), float32
        Takes the sums.
    rows : array (2,), int64
        First row, and the row after the last.
    """
    n_rows, stride, margin, columns = size[0], size[1], size[2], size[3]
    for row in range(rows[0], rows[1]):
        for number in range(len(bias)):
            line = out[number, row]
            line[:] = bias[number]
            for feature in range(len(weights)):
                start = ((first + feature) * n_rows + row) * stride + margin
                weight = weights[feature, number]
                source = flat[start : start + columns]
                for x in range(columns):
                    line[x] += weight * source[x]
