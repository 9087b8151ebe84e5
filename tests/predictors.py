"""Tiny models for tests of prediction: weights that are set, not learnt, so that what they find is known."""

import numpy as np

from temflux.engine.learn.model_cards import ModelCard
from temflux.engine.learn.model_files import save_model
from temflux.engine.learn.trained import NetworkSpec


def save_dark_model(path, *, label="Mask", channels=("inside",), n_images=1, slope=-20.0, **card):
    """Save a network that calls pixels inside whose 3 by 3 mean is half a deviation below their surroundings.

    A background has a logit of 5, other channels of 0; of a focal series the images are averaged.
    """
    from temflux.models.networks import build_network

    arguments = {
        "in_channels": n_images,
        "out_channels": len(channels),
        "channels": 1,
        "layers": 1,
        "kernel": 3,
    }
    arguments["activation"] = "softmax" if "background" in channels else "sigmoid"
    spec = NetworkSpec("msdnet", arguments)
    network = build_network(spec.name, **spec.arguments)
    for weight in network.weights:
        values = np.zeros(weight.shape, np.float32)
        if weight.path.endswith(("moving_variance", "gamma", "alpha")):
            values += 1
        weight.assign(values)
    kernels = [weight for weight in network.weights if weight.path.endswith("kernel")]
    first = np.full(kernels[0].shape, 1 / 9 / n_images, np.float32)
    kernels[0].assign(first)
    logits = np.zeros(kernels[-1].shape, np.float32)
    logits[..., -1, 0] = slope
    kernels[-1].assign(logits)
    bias = np.zeros(len(channels), np.float32)
    bias[0] = slope / 2
    if channels[-1] == "background":
        bias[-1] = 5
    network.get_layer("logits").bias.assign(bias)
    given = {"normalize_A": 60.0, "ranges": {"sampling_A": (0.5, 2.0), "dose_e_per_A2": (10.0, 1e5)}, **card}
    save_model(path, network, spec, ModelCard(path.name, label=label, channels=channels, **given))
    return path
