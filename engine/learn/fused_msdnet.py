"""An MSD-net run by compiled kernels over one buffer of features, in place of a growing concatenation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from temflux.models.networks import layer_dilation

from ..base.errors import DataError, SettingsError

# Of keras.layers.BatchNormalization, which the networks use as it comes.
_EPSILON = 1e-3
# Layers whose sums over earlier features are made together, so that those are read from memory once for all.
_LAYERS_TOGETHER = 8
# Rows and features that stay in the cache meanwhile, and rows that one loop runs through.
_BLOCK = (16, 4, 8)
# Rows start at multiples of this many pixels, where vector loads are cheapest; the kernels rely on it.
_ALIGNED = 16


class FusedMSDNet:
    """An MSD-net's inference without Keras.

    Parameters
    ----------
    weights : mapping of str to array
        The network's weights by their Keras path, as "layer0_conv/kernel".
    activation : {"sigmoid", "softmax", "linear"}
        Activation of the output.
    threads : int or None
        Threads that share the rows; None for as many as there are cores for this process. The result does not
        depend on it.

    Raises
    ------
    SettingsError
        If the weights are not those of an MSD-net, or the activation is unknown.

    Notes
    -----
    Batch normalisation is folded into the convolutions. Features lie in one buffer of
    4·(F + channels·layers)·Y·(X + margins) bytes, kept from call to call.

    Examples
    --------
    >>> FusedMSDNet({}, activation="sigmoid")
    Traceback (most recent call last):
    temflux.engine.base.errors.SettingsError: no weights of an MSD-net; choose another runtime
    """

    def __init__(
        self, weights: Mapping[str, np.ndarray], *, activation: str, threads: int | None = None
    ) -> None:
        if activation not in _ACTIVATIONS:
            raise SettingsError(f"activation: expected one of {', '.join(_ACTIVATIONS)}, got {activation!r}")
        if threads is not None and threads < 1:
            raise SettingsError(f"threads: expected 1 or more, got {threads}")
        self.threads = threads or _count_threads()
        self._activate = _ACTIVATIONS[activation]
        self._layers = _read_layers(weights)
        readout = weights["logits/kernel"].astype(np.float32)[0, 0], weights["logits/bias"].astype(np.float32)
        self._readout = readout
        kernel, _, self.in_channels, _ = self._layers[0].kernel.shape
        self._reach = kernel // 2
        self._table, self._packed = _pack(self._layers, self.in_channels)
        self._taps = _list_taps(kernel)
        self._buffer = np.zeros(0, np.float32)
        self._lock = Lock()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Run the network.

        Parameters
        ----------
        images : array (B, Y, X, F), float32
            Standardised images.

        Returns
        -------
        array (B, Y, X, C), float32
            Maps.

        Raises
        ------
        DataError
            If the images are of another shape, or smaller than the reflecting pad.
        """
        least = self._reach * int(self._table[:, 0].max()) + 1
        if np.ndim(images) != 4 or images.shape[3] != self.in_channels or min(images.shape[1:3]) < least:
            raise DataError(
                f"expected images (B, Y, X, {self.in_channels}) of {least} px or more, got {np.shape(images)}"
            )
        with self._lock, ThreadPoolExecutor(self.threads) as pool:
            return np.stack([self._run(image, pool) for image in images])

    def _run(self, image: np.ndarray, pool: ThreadPoolExecutor) -> np.ndarray:
        from . import kernels_msdnet as kernels

        rows, columns, _ = image.shape
        edges = np.linspace(0, rows, min(self.threads, rows) + 1).astype(np.int64)
        strips = [np.array(pair) for pair in pairwise(edges)]

        def each(kernel: Callable[..., None], *arguments: Any) -> None:
            """Run a kernel on all strips of rows, and wait for all."""
            list(pool.map(lambda strip: kernel(*arguments, strip), strips))

        flat, size = self._place(image)
        table, block = self._table, np.array(_BLOCK, np.int64)
        for first, last in _group(len(table)):
            group = table[first:last]
            bias = np.concatenate([layer.bias for layer in self._layers[first:last]])
            each(kernels.start_layers, flat, size, group[0, 1], bias)
            # What came before the group is read once for all its layers, what comes within by each in turn.
            before = np.array([group[0, 3], group[0, 1]])
            each(kernels.add_features, flat, size, group, self._taps, self._packed, before, block)
            for number in range(first, last):
                own = table[number : number + 1]
                within = np.array([group[0, 1], own[0, 1]])
                if number > first:
                    each(kernels.add_features, flat, size, own, self._taps, self._packed, within, block)
                each(kernels.finish_layer, flat, size, own[0, 1], self._layers[number].slopes)
        weights, bias = self._readout
        maps = np.empty((len(bias), rows, columns), np.float32)
        each(kernels.read_out, flat, size, table[0, 1], weights, bias, maps)
        return self._activate(np.moveaxis(maps, 0, -1))

    def _place(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the buffer with the image as its first features, and its size as the kernels take it."""
        rows, columns, _ = image.shape
        margin = _round_up(self._reach * int(self._table[:, 0].max()))
        stride = _round_up(columns + margin) + margin
        n_features = int(self._table[-1, 1] + self._table[-1, 2])
        length = n_features * rows * stride
        if len(self._buffer) != length:
            self._buffer = _allocate(length)
        planes = self._buffer.reshape(n_features, rows, stride)
        pad = min(margin, columns - 1)
        padded = np.pad(image, ((0, 0), (pad, pad), (0, 0)), mode="reflect")
        planes[: self.in_channels, :, margin - pad : margin + columns + pad] = np.moveaxis(padded, 2, 0)
        return self._buffer, np.array([rows, stride, margin, columns])


@dataclass(frozen=True)
class _Layer:
    """A layer with its normalisation folded in: kernel (K, K, inputs, outputs), bias, slopes below 0."""

    kernel: np.ndarray
    bias: np.ndarray
    slopes: np.ndarray


def _read_layers(weights: Mapping[str, np.ndarray]) -> list[_Layer]:
    layers: list[_Layer] = []
    refusal = SettingsError("no weights of an MSD-net; choose another runtime")
    while f"layer{len(layers)}_conv/kernel" in weights:
        name = f"layer{len(layers)}"
        try:
            gamma, beta, mean, variance = (
                weights[f"{name}_norm/{part}"].astype(np.float64)
                for part in ("gamma", "beta", "moving_mean", "moving_variance")
            )
            scale = gamma / np.sqrt(variance + _EPSILON)
            kernel = (weights[f"{name}_conv/kernel"] * scale).astype(np.float32)
            bias = ((weights[f"{name}_conv/bias"] - mean) * scale + beta).astype(np.float32)
            slopes = weights[f"{name}_prelu/alpha"].astype(np.float32).reshape(-1)
        except (KeyError, ValueError):
            raise refusal from None
        layers.append(_Layer(kernel, bias, slopes))
    if not layers or not {"logits/kernel", "logits/bias"} <= set(weights):
        raise refusal
    side, _, n_images, width = layers[0].kernel.shape
    inputs = [n_images, *(width * number for number in range(1, len(layers)))]
    fits = all(
        layer.kernel.shape == (side, side, n_inputs, width)
        and layer.slopes.shape == layer.bias.shape == (width,)
        for layer, n_inputs in zip(layers, inputs, strict=True)
    )
    if not fits or side % 2 == 0 or weights["logits/kernel"].shape[:3] != (1, 1, width * len(layers)):
        raise refusal
    return layers


def _pack(layers: list[_Layer], n_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the table of layers, and their weights in nines, as the kernels take them."""
    rows, packed, count = [], [], 0
    for number, layer in enumerate(layers):
        side, _, n_inputs, n_outputs = layer.kernel.shape
        n_nines = -(-side * side // 9)
        taps = np.zeros((9 * n_nines, n_inputs, n_outputs), np.float32)
        taps[: side * side] = layer.kernel.reshape(side * side, n_inputs, n_outputs)
        nines = taps.reshape(n_nines, 9, n_inputs, n_outputs).transpose(2, 0, 3, 1).reshape(-1, 9)
        first_input = n_images if number else 0
        rows.append((layer_dilation(number), n_images + n_outputs * number, n_outputs, first_input, count))
        packed.append(nines)
        count += len(nines)
    return np.array(rows, np.int64), np.ascontiguousarray(np.concatenate(packed))


def _list_taps(side: int) -> np.ndarray:
    """Row and column of each tap from the kernel's centre, filled up to nines with the centre."""
    steps = np.arange(side) - side // 2
    taps = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.concatenate([taps, np.zeros((-len(taps) % 9, 2), taps.dtype)]).astype(np.int64)


def _count_threads() -> int:
    """Cores of this process, or what NUMBA_NUM_THREADS says (joblib's workers set it to their share)."""
    from numba import config

    return int(vars(config)["NUMBA_NUM_THREADS"])


def _group(n_layers: int) -> list[tuple[int, int]]:
    """First layer alone, since only it reads the images; then groups of layers."""
    starts = [0, *range(1, n_layers, _LAYERS_TOGETHER), n_layers]
    return list(pairwise(starts))


def _allocate(length: int) -> np.ndarray:
    raw = np.zeros(length + _ALIGNED, np.float32)
    offset = -(raw.ctypes.data // raw.itemsize) % _ALIGNED
    return raw[offset : offset + length]


def _round_up(pixels: int) -> int:
    return -(-pixels // _ALIGNED) * _ALIGNED


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return expit(values)


def _softmax(values: np.ndarray) -> np.ndarray:
    return softmax(values, axis=-1)


def _linear(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values)


_ACTIVATIONS = {"sigmoid": _sigmoid, "softmax": _softmax, "linear": _linear}
