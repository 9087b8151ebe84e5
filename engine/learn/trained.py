"""A trained network in memory: architecture, weights and card; Keras is loaded only where it must run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from temflux.models.networks import build_network, layer_dilation, network_sizes, size_multiple, smallest_side

from ..base.errors import ReadError, SettingsError
from .model_cards import ModelCard

if TYPE_CHECKING:
    import keras

FORMAT = "temflux model 1"


@dataclass(frozen=True)
class NetworkSpec:
    """A network by name and arguments: all that is needed to build it again.

    Parameters
    ----------
    name : str
        Name of `temflux.models.networks.NETWORKS`.
    arguments : dict
        Arguments of `build_network`: in_channels, out_channels, activation, sizes, seed.

    Examples
    --------
    >>> NetworkSpec("compact", {"in_channels": 1, "out_channels": 1}).activation
    'sigmoid'
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def in_channels(self) -> int:
        """Images that it takes."""
        return int(self.arguments["in_channels"])

    @property
    def out_channels(self) -> int:
        """Maps that it gives."""
        return int(self.arguments["out_channels"])

    @property
    def activation(self) -> str:
        """Activation of its output."""
        return str(self.arguments.get("activation", "sigmoid"))

    @property
    def sizes(self) -> dict[str, int]:
        """Its channels, layers, kernel and levels, those that are given."""
        other = ("in_channels", "out_channels", "activation", "seed")
        return {key: size for key, size in self.arguments.items() if key not in other and size is not None}

    @property
    def size_multiple(self) -> int:
        """Number of which the sides of its images must be multiples [px]."""
        return size_multiple(self.name, **self.sizes)

    @property
    def smallest_side(self) -> int:
        """Least side of its images [px]."""
        return smallest_side(self.name, **self.sizes)

    @property
    def reach_px(self) -> int:
        """Distance from which a pixel of an MSD-net's maps can be changed: the sum of all dilated kernels."""
        sizes = network_sizes(self.name, **self.sizes)
        if self.name != "msdnet":
            raise SettingsError(f"the reach of {self.name} is not known; only that of msdnet is")
        return sum(map(layer_dilation, range(sizes["layers"]))) * (sizes["kernel"] // 2)


@dataclass(frozen=True)
class TrainedModel:
    """A trained network with its card.

    Parameters
    ----------
    spec : NetworkSpec
        What it is built from.
    card : ModelCard
        What is known of it.
    weights : dict of str to array
        Its weights by their Keras path, as "layer0_conv/kernel"; Keras itself is loaded only for `network`.

    Examples
    --------
    >>> TrainedModel(NetworkSpec("compact"), ModelCard("mine"), {}).fingerprint[:4]
    '2e03'
    """

    spec: NetworkSpec
    card: ModelCard
    weights: Mapping[str, np.ndarray] = field(repr=False)

    @classmethod
    def from_network(cls, network: keras.Model, spec: NetworkSpec, card: ModelCard) -> TrainedModel:
        """Hold a network that is in memory, with the weights that it has now."""
        weights = {weight.path: _to_numpy(weight) for weight in network.weights}
        return cls(spec, card, weights)

    @cached_property
    def network(self) -> keras.Model:
        """The network in Keras; ReadError if the weights do not fit the architecture."""
        try:
            network = build_network(self.spec.name, **self.spec.arguments)
        except (TypeError, ValueError) as error:
            raise ReadError(f"{self.card.name}: {error}; train or save it anew") from None
        wanted = {weight.path: tuple(weight.shape) for weight in network.weights}
        given = {path: array.shape for path, array in self.weights.items()}
        if wanted != given:
            wrong = next(path for path in {**wanted, **given} if wanted.get(path) != given.get(path))
            raise ReadError(
                f"{self.card.name}: weight {wrong} must be of shape {wanted.get(wrong)} in {self.spec.name}, "
                f"got {given.get(wrong)}; train or save it anew"
            )
        for weight in network.weights:
            weight.assign(self.weights[weight.path].astype(np.float32))
        return network

    @cached_property
    def fingerprint(self) -> str:
        """Sha256 of architecture and weights: the same for the same function."""
        digest = hashlib.sha256(json.dumps(describe_model(self.spec, self.weights)).encode())
        for array in self.weights.values():
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def describe_model(spec: NetworkSpec, weights: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Describe a network and its weights as JSON can hold it.

    Parameters
    ----------
    spec : NetworkSpec
        Architecture.
    weights : dict of str to array
        Weights by name.

    Returns
    -------
    dict
        Format, network, arguments, and name, shape and type of each weight.
    """
    return {
        "format": FORMAT,
        "network": spec.name,
        "arguments": dict(spec.arguments),
        "weights": [[name, list(array.shape), str(array.dtype)] for name, array in weights.items()],
    }


def _to_numpy(weight: Any) -> np.ndarray:
    from keras import ops

    return np.array(ops.convert_to_numpy(weight), order="C")
