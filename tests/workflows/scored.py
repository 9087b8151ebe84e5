"""A small dataset and a tiny model for the tests of scoring, and a model that knows every answer."""

import json
import shutil
from types import MappingProxyType

import numpy as np

from temflux.engine.generate.dataset import ImageSet
from temflux.engine.learn.model_cards import ModelCard
from temflux.engine.learn.model_files import save_model
from temflux.engine.learn.task import read_task
from temflux.engine.learn.trained import NetworkSpec
from temflux.engine.workflows.images import make_images
from temflux.engine.workflows.simulating.parameters import check_parameters
from temflux.engine.workflows.simulating.recipes import FlakeRecipe
from temflux.engine.workflows.structures import make_structures
from temflux.models.networks import build_network


def make_dataset(out, *, count=4, **values):
    """Write systems and images of both parts."""
    given = {"image_epochs": 2, "image_size": [64, 64], "sampling": [0.25, 0.25], "debug": None}
    parameters = check_parameters({**given, "log_dose": [4, 5], "blur": [0.1, 0.2], **values})
    for part in ("train", "test"):
        make_structures(out, FlakeRecipe(count=count, cell=20, sampling=0.2), part=part)
        make_images(out, parameters, part=part)
    return out


def make_model(out, dataset, **changes):
    """Save an untrained network that fits a dataset."""
    task, _ = read_task(ImageSet(dataset / "train" / "images"))
    arguments = {
        "in_channels": changes.pop("in_channels", task.in_channels),
        "out_channels": task.out_channels,
        "activation": task.activation,
        "channels": 4,
        "levels": 1,
    }
    spec = NetworkSpec("compact", arguments)
    card = {
        "label": task.label,
        "channels": task.channels,
        "normalize_A": task.normalize_A,
        "ranges": dict(task.ranges),
        **changes,
    }
    save_model(out, build_network("compact", seed=1, **arguments), spec, ModelCard(out.name, **card))
    return out


def labels_by_image(*folders):
    """Read all labels of some folders, by the bytes of the first image of their series."""
    known = {}
    for folder in folders:
        images = ImageSet(folder)
        for image, label in zip(images.images[:], images.labels[:], strict=True):
            known[image[0].tobytes()] = np.asarray(label, np.float32)
    return known


class Knowing:
    """Stands in for a Predictor: gives the label of every image that it knows, and nothing of others."""

    known = MappingProxyType({})

    def __init__(self, trained, **_):
        self.trained = trained

    def __call__(self, image, *, sampling_A):  # noqa: ARG002
        nothing = np.zeros((*image.shape[1:], self.trained.spec.out_channels), np.float32)
        nothing[..., -1] = self.trained.spec.out_channels > 1
        return self.known.get(image[0].tobytes(), nothing)


def change_journal(dataset, out, change):
    """Copy a dataset and change what was drawn for its test images."""
    shutil.copytree(dataset, out)
    path = ImageSet(out / "test" / "images").journal
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        for drawn in record["images"]:
            change(drawn)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return out
