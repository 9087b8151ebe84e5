"""A small simulated set for the tests, made of noise and discs: no wave is computed."""

import json
from pathlib import Path

import numpy as np

from temflux.engine.files.journal import Journal
from temflux.engine.generate.dataset import ImageSet

PARAMETERS = {
    "label": "Mask",
    "num_classes": 1,
    "null_class": True,
    "normalizedistance": 12.0,
    "noise": "poisson",
    "mtf": "parametric",
}


def make_set(
    folder: Path, *, count=5, epochs=3, n_focus=1, shape=(40, 48), dtype="uint8", finished=None, **values
):
    """Write `count` systems; each pixel of image (system, epoch) has the mean 100·system + 10·epoch + 20."""
    parameters = {**PARAMETERS, **values}
    channels = {1: ("inside",), 2: ("inside", "background"), 4: ("1Mo", "2S", "1S", "background")}[
        parameters["num_classes"]
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "parameters.json").write_text(json.dumps(parameters), encoding="utf-8")
    images = ImageSet(folder)
    images.create(
        count,
        epochs,
        image_shape=(n_focus, *shape),
        label_shape=(*shape, len(channels)),
        label_dtype=dtype,
        channels=channels,
    )
    rng = np.random.default_rng(5)
    with Journal(images.journal) as journal:
        for system in range(count) if finished is None else finished:
            mean = 100 * system + 10 * np.arange(epochs) + 20
            pixels = rng.normal(mean[:, None, None, None], 1.0, (epochs, n_focus, *shape))
            label = np.zeros((epochs, *shape, len(channels)), dtype)
            label[:, 10:20, 5 : 15 + system, 0] = 1
            pixels += 5 * np.moveaxis(label[..., :1], -1, 1)
            if len(channels) > 1:
                label[..., -1] = 1 - label[..., :-1].sum(axis=-1)
            sha256 = images.save(system, pixels.astype(np.float32), label)
            drawn = [
                {
                    "row": system * epochs + epoch,
                    "system": system,
                    "epoch": epoch,
                    "sampling_A": 0.2 + 0.01 * system,
                    "dose_e_per_A2": 1000.0 * (system + 1),
                    "defocus_A": 10.0 * epoch,
                    **{f"defocus_{n + 2}_A": 10.0 * epoch + 50 * (n + 1) for n in range(n_focus - 1)},
                    "mtf_c0": 0.4,
                    "mtf_c3": 3.0,
                    "mtf_floor": 0.0,
                    "readout_e": 0.01,
                }
                for epoch in range(epochs)
            ]
            journal.add({"system": system, "images": drawn, "sha256": sha256})
    return folder
