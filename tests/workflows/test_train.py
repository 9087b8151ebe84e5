import json
import shutil

import numpy as np
import pytest

from temflux.engine.base.errors import ReadError, SettingsError
from temflux.engine.learn.model_files import load_model
from temflux.engine.workflows.checked_settings import check_settings
from temflux.engine.workflows.images import make_images
from temflux.engine.workflows.run_record import claim_run, fingerprint_images
from temflux.engine.workflows.simulating.parameters import check_parameters
from temflux.engine.workflows.simulating.recipes import FlakeRecipe
from temflux.engine.workflows.structures import make_structures
from temflux.engine.workflows.train import train_network
from temflux.engine.workflows.train_settings import TrainSettings

TINY = {"channels": 4, "levels": 2, "epochs": 2, "batch_size": 2, "crop_px": 32, "compiled": False}


def make_dataset(out, seed):
    parameters = check_parameters(
        {"label": "Mask", "image_epochs": 2, "image_size": [48, 48], "sampling": [0.3, 0.35], "debug": None}
    )
    for part in ("train", "test"):
        make_structures(out, FlakeRecipe(count=4, cell=20, sampling=0.25, seed=seed), part=part)
        make_images(out, parameters, part=part)
    return out


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("set"), 1)


@pytest.fixture(scope="module")
def other_dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("other"), 2)


def test_a_dataset_becomes_a_model_with_a_card(dataset, tmp_path):
    seen = []
    run = train_network(
        dataset,
        dataset,
        tmp_path / "run",
        TrainSettings(**TINY),
        on_epoch=lambda rows: seen.append(len(rows)),
    )
    assert seen == [1, 2]
    assert (tmp_path / "run" / "curves.csv").exists()
    model = load_model(run.model)
    assert model.card.channels == ("inside",)
    assert model.card.energies_eV == (50e3,)
    low, high = model.card.ranges["sampling_A"]
    assert 0.29 < low < high < 0.36
    maps = model.network.predict(np.zeros((1, 32, 32, 1), np.float32), verbose=0)
    assert maps.shape == (1, 32, 32, 1)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["settings"]["net"] == "compact"


@pytest.mark.long
def test_going_on_is_the_same_as_not_stopping(dataset, tmp_path):
    once = train_network(dataset, dataset, tmp_path / "once", TrainSettings(**TINY))
    train_network(dataset, dataset, tmp_path / "twice", TrainSettings(**{**TINY, "epochs": 1}))
    twice = train_network(dataset, dataset, tmp_path / "twice", TrainSettings(**TINY), restart=True)
    one, other = load_model(once.model).weights, load_model(twice.model).weights
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_run_is_not_written_over(dataset, tmp_path):
    train_network(dataset, dataset, tmp_path / "run", TrainSettings(**{**TINY, "epochs": 1}))
    with pytest.raises(SettingsError, match="holds a run; give --restart"):
        train_network(dataset, dataset, tmp_path / "run", TrainSettings(**TINY))
    with pytest.raises(SettingsError, match="other settings"):
        train_network(dataset, dataset, tmp_path / "run", TrainSettings(**{**TINY, "seed": 7}), restart=True)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"net": "vgg"}, "net: input should be 'compact', 'unet', 'unetpp' or 'msdnet'"),
        ({"epoch": 3}, "epoch: no such setting; known are net, "),
        ({"learning_rate": 0}, "learning_rate: input should be greater than 0"),
    ],
)
def test_bad_settings_are_one_line(values, said):
    with pytest.raises(SettingsError) as caught:
        check_settings(TrainSettings, values)
    assert said in str(caught.value)


def test_sizes_that_a_network_has_not_are_said(dataset, tmp_path):
    with pytest.raises(SettingsError, match="layers"):
        train_network(dataset, dataset, tmp_path / "run", TrainSettings(net="unet", layers=3))
    with pytest.raises(SettingsError, match="optimi"):
        train_network(dataset, dataset, tmp_path / "run", TrainSettings(**TINY, optimizer="sdg"))


def claim(run, dataset, settings):
    """Leave what a run that was stopped leaves."""
    folders = [dataset / part / "images" for part in ("train", "test")]
    known = [fingerprint_images(folder) for folder in folders]
    claim_run(run, settings, [str(one) for one in folders], restart=False, fingerprints=known)
    (run / "model").mkdir()
    return folders, known


def test_a_run_goes_on_with_the_same_images_wherever_they_lie(dataset, other_dataset, tmp_path):
    run, settings = tmp_path / "run", TrainSettings(**{**TINY, "epochs": 1})
    _, known = claim(run, dataset, settings)
    with pytest.raises(SettingsError, match="learnt from other frames"):
        train_network(other_dataset, dataset, run, settings, restart=True)
    with pytest.raises(SettingsError, match="learnt from other frames"):
        train_network(dataset, other_dataset, run, settings, restart=True)
    moved = shutil.copytree(dataset, tmp_path / "moved")
    assert [fingerprint_images(moved / part / "images") for part in ("train", "test")] == known
    claim_run(run, settings, ["elsewhere"], restart=True, fingerprints=known)


def test_a_run_of_an_older_version_goes_on_where_its_images_are(dataset, tmp_path):
    run, settings = tmp_path / "run", TrainSettings(**{**TINY, "epochs": 1})
    folders, known = claim(run, dataset, settings)
    record = json.loads((run / "run.json").read_text())
    del record["fingerprints"], record["settings"]["patience"]
    (run / "run.json").write_text(json.dumps(record))
    with pytest.raises(SettingsError, match="learnt from other frames"):
        claim_run(run, settings, ["elsewhere"], restart=True, fingerprints=known)
    claim_run(run, settings, [str(one) for one in folders], restart=True, fingerprints=known)


@pytest.mark.parametrize(("name", "value"), [("optimizer", "sdg"), ("loss", "bce_dise")])
def test_a_slip_of_the_pen_leaves_the_folder_free(dataset, tmp_path, name, value):
    with pytest.raises(SettingsError, match=value):
        train_network(dataset, dataset, tmp_path / "run", TrainSettings(**TINY, **{name: value}))
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_run_that_left_nothing_is_written_over(tmp_path):
    claim_run(tmp_path, TrainSettings(seed=1), ["here"], restart=False)
    claim_run(tmp_path, TrainSettings(seed=2), ["there"], restart=False)
    (tmp_path / "model").mkdir()
    with pytest.raises(SettingsError, match="holds a run"):
        claim_run(tmp_path, TrainSettings(seed=2), ["there"], restart=False)


def test_what_is_learnt_from_does_not_judge(dataset, tmp_path):
    images = dataset / "train" / "images"
    copy = shutil.copytree(images, tmp_path / "copy")
    for judged in (images, copy):
        with pytest.raises(SettingsError, match="to learn from and to validate on are the same"):
            train_network(images, judged, tmp_path / "run", TrainSettings(**TINY))


def test_no_images_are_said(tmp_path):
    with pytest.raises(ReadError, match="expected a dataset or its images"):
        train_network(tmp_path, tmp_path, tmp_path / "run", TrainSettings())
