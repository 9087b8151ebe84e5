"""The networks by name: what each takes, what it costs, and the sizes of image it can read.

Importing this file is cheap: keras is loaded when a network is built.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

ACTIVATIONS = ("sigmoid", "softmax", "linear")
_LARGEST_DILATION = 10


@dataclass(frozen=True)
class Architecture:
    """A network that can be built: calling it builds one.

    Parameters
    ----------
    name : str
        Name, also of the file in which it is written.
    sizes : mapping of str to int
        Sizes that can be chosen, with what they are by default.
    halvings : int
        How often resolution is halved, less the number of levels; sides must be multiples of 2 to that power.
        None for a network that keeps its resolution.
    """

    name: str
    sizes: MappingProxyType[str, int] = field(hash=False)
    halvings: int | None = None

    def __call__(self, **arguments: Any) -> keras.Model:
        """Build the network; its builder tells the arguments."""
        module = importlib.import_module(f".{self.name}", __package__)
        model: keras.Model = getattr(module, f"build_{self.name}")(**arguments)
        return model


def _sizes(**sizes: int) -> MappingProxyType[str, int]:
    return MappingProxyType(sizes)


NETWORKS: MappingProxyType[str, Architecture] = MappingProxyType(
    {
        "unet": Architecture("unet", _sizes(channels=8, kernel=5, levels=4), halvings=-1),
        "unetpp": Architecture("unetpp", _sizes(channels=8, kernel=5, levels=4), halvings=-1),
        "msdnet": Architecture("msdnet", _sizes(channels=3, layers=50, kernel=5)),
        "compact": Architecture("compact", _sizes(channels=16, levels=5), halvings=0),
    }
)
# Not of images to maps, but of the map of a spectrum to its class.
CLASSIFIERS: MappingProxyType[str, Architecture] = MappingProxyType(
    {"polar": Architecture("polar", _sizes(channels=16, levels=4), halvings=0)}
)


def build_network(
    name: str,
    *,
    in_channels: int,
    out_channels: int,
    activation: str = "sigmoid",
    seed: int = 0,
    **sizes: int | None,
) -> keras.Model:
    """Build a network by name.

    Parameters
    ----------
    name : {"unet", "unetpp", "msdnet", "compact", "polar"}
        Architecture: those of Publications II and III, and the project's own, of images and of spectra.
    in_channels, out_channels : int
        Images of the series; maps to predict.
    activation : {"sigmoid", "softmax", "linear"}
        Activation of the output: independent probabilities, probabilities that sum to 1, plain values.
    seed : int
        Seed of the initial weights, 0 or more; the same seed gives the same weights.
    **sizes : int or None
        Those of channels, layers, kernel (pixels, odd) and levels that the network takes; None for default.

    Returns
    -------
    keras.Model
        Images (B, Y, X, in_channels), float32, to maps (B, Y, X, out_channels), float32; "polar" gives
        one value a class, (B, out_channels).

    Raises
    ------
    ValueError
        If the name is unknown, or the arguments do not fit the network.

    Examples
    --------
    >>> build_network("compact", in_channels=1, out_channels=1, levels=2).name
    'compact'
    """
    chosen = network_sizes(name, **sizes)
    for what, number in (("in_channels", in_channels), ("out_channels", out_channels)):
        _check_number(what, number, least=1)
    _check_number("seed", seed, least=0)
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}; got {activation!r}")
    if activation == "softmax" and out_channels < 2:
        raise ValueError(
            "softmax needs at least 2 out_channels, one of them the background; use sigmoid for 1"
        )
    return _architecture(name)(
        in_channels=in_channels, out_channels=out_channels, activation=activation, seed=seed, **chosen
    )


def network_sizes(name: str, **sizes: int | None) -> dict[str, int]:
    """Complete and check the sizes of a network, without building it.

    Parameters
    ----------
    name : str
        Architecture.
    **sizes : int or None
        Those of channels, layers, kernel and levels that the network takes; None for its default.

    Returns
    -------
    dict of str to int
        Every size that the network takes.

    Raises
    ------
    ValueError
        If the name is unknown, or a size is none of the network's or impossible.

    Examples
    --------
    >>> network_sizes("unet", channels=16)
    {'channels': 16, 'kernel': 5, 'levels': 4}
    """
    allowed = _architecture(name).sizes
    given = {key: size for key, size in sizes.items() if size is not None}
    strange = sorted(set(given) - set(allowed))
    if strange:
        raise ValueError(f"{name} takes {', '.join(allowed)}; it does not take {', '.join(strange)}")
    for key, size in given.items():
        _check_number(key, size, least=1)
    if given.get("kernel", 1) % 2 == 0:
        raise ValueError(f"kernel must be odd, so that it has a centre; got {given['kernel']}")
    if given.get("levels", 1) > 10:
        raise ValueError(f"levels must be 10 or fewer, or no image is large enough; got {given['levels']}")
    return {**allowed, **given}


def _architecture(name: str) -> Architecture:
    known = {**NETWORKS, **CLASSIFIERS}
    if name not in known:
        raise ValueError(f"unknown network {name!r}; take one of {', '.join(known)}")
    return known[name]


def _check_number(what: str, number: Any, *, least: int) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise ValueError(f"{what} must be a whole number of at least {least}; got {number!r}")


def size_multiple(network: str | keras.Model, **sizes: int | None) -> int:
    """Tell of what number the sides of a network's images must be multiples.

    Parameters
    ----------
    network : str or keras.Model
        Name of an architecture, or a network built from one.
    **sizes : int or None
        With a name: the sizes handed to `build_network`.

    Returns
    -------
    int
        Pixels; 1 where every size will do.

    Raises
    ------
    ValueError
        As `network_sizes` does.

    Examples
    --------
    >>> size_multiple("unet"), size_multiple("compact", levels=6), size_multiple("msdnet")
    (8, 64, 1)
    """
    if not isinstance(network, str):
        return math.prod(getattr(layer, "strides", (1,))[0] for layer in network.layers)
    chosen = network_sizes(network, **sizes)
    halvings = _architecture(network).halvings
    return 1 if halvings is None else 2 ** (chosen["levels"] + halvings)


def smallest_side(network: str, **sizes: int | None) -> int:
    """Tell the least side of image that a network can read.

    Parameters
    ----------
    network : str
        Name of an architecture.
    **sizes : int or None
        The sizes handed to `build_network`.

    Returns
    -------
    int
        Pixels. An MSD-net's reflecting pad must find that many to mirror.

    Raises
    ------
    ValueError
        As `network_sizes` does.

    Examples
    --------
    >>> smallest_side("unet"), smallest_side("msdnet", kernel=3)
    (8, 11)
    """
    chosen = network_sizes(network, **sizes)
    if network != "msdnet":
        return size_multiple(network, **sizes)
    return max(map(layer_dilation, range(chosen["layers"]))) * (chosen["kernel"] // 2) + 1


def layer_dilation(layer: int) -> int:
    """Give the dilation of a layer of the MSD-net: 1 to 10, over and over (thesis, Section 3.3).

    Parameters
    ----------
    layer : int
        Number of the layer, from 0.

    Returns
    -------
    int
        Distance of the kernel's taps in pixels.

    Examples
    --------
    >>> [layer_dilation(layer) for layer in (0, 1, 9, 10)]
    [1, 2, 10, 1]
    """
    return layer % _LARGEST_DILATION + 1


def count_parameters(model: keras.Model) -> int:
    """Count the numbers that training changes, as Publication III's Tables 2 and 3 do.

    Parameters
    ----------
    model : keras.Model
        Network.

    Returns
    -------
    int
        Kernels, biases, slopes, scales and offsets; not the running means and variances.

    Examples
    --------
    >>> count_parameters(build_network("msdnet", in_channels=3, out_channels=4, layers=25))
    68329
    """
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def count_operations(model: keras.Model, shape: tuple[int, int] = (512, 512)) -> int:
    """Count the multiply-adds of the convolutions for one image; twice as many floating-point operations.

    Parameters
    ----------
    model : keras.Model
        Network of `build_network`.
    shape : tuple of int
        Height and width of the image in pixels.

    Returns
    -------
    int
        Multiply-adds; interpolation, normalisation and activations, a few a value, are left out.

    Examples
    --------
    >>> model = build_network("unet", in_channels=1, out_channels=1, levels=1, channels=1, kernel=1)
    >>> count_operations(model, (2, 2))
    28
    """
    import keras

    image = keras.Input((*shape, model.input_shape[-1]), batch_size=1)
    # A copy, so that the model's own layers do not come to have two outputs.
    copy = keras.models.clone_model(model, input_tensors=image)
    return sum(
        math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3])
        for layer in copy.layers
        if isinstance(layer, keras.layers.Conv2D)
    )
