"""Tracking with a trained network in place of the threshold."""

import json
from dataclasses import replace

import numpy as np
import pytest

from temflux.engine.base.errors import CalibrationError, ReadError, SettingsError
from temflux.engine.base.stack import Stack
from temflux.engine.learn.model_cards import ModelCard
from temflux.engine.learn.model_files import save_model
from temflux.engine.learn.trained import NetworkSpec
from temflux.engine.workflows.predict import predict_movie
from temflux.engine.workflows.predicting.settings import PredictSettings
from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.segmentation import choose_segmentation
from temflux.engine.workflows.tracking.settings import TrackSettings
from tests.movies import disc_movie
from tests.predictors import save_dark_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A network that calls dark pixels inside: its weights are set, not learnt."""
    from temflux.models.networks import build_network

    spec = NetworkSpec(
        "msdnet", {"in_channels": 1, "out_channels": 1, "channels": 1, "layers": 1, "kernel": 3}
    )
    network = build_network(spec.name, **spec.arguments)
    for weight in network.weights:
        values = np.zeros(weight.shape, np.float32)
        if weight.path.endswith(("moving_variance", "gamma", "alpha")):
            values += 1
        weight.assign(values)
    kernels = [weight for weight in network.weights if weight.path.endswith("kernel")]
    first = np.zeros(kernels[0].shape, np.float32)
    first[:] = 1 / 9
    kernels[0].assign(first)
    # Darker than half a deviation below the local mean, of the 3 by 3 mean that comes last.
    logits = np.zeros(kernels[-1].shape, np.float32)
    logits[..., -1, :] = -20
    kernels[-1].assign(logits)
    network.get_layer("logits").bias.assign([-10.0])
    path = tmp_path_factory.mktemp("models") / "dark"
    card = ModelCard(
        "dark", label="Mask", channels=("inside",), normalize_A=300.0, ranges={"sampling_A": (4.0, 6.0)}
    )
    save_model(path, network, spec, card)
    return path


def movie(pixel_nm=0.5):
    frames, labels = disc_movie(3)
    return Stack.from_array(frames, pixel_nm=pixel_nm, frame_s=0.5), labels


def test_a_network_marks_what_is_tracked(model, tmp_path):
    stack, labels = movie()
    result = track(stack, TrackSettings(segment=f"model:{model}", spectra="none"), out=tmp_path / "out")
    assert result.tracks.groupby("frame").size().tolist() == [3, 3, 3]
    found = np.asarray(result.labels[0]) > 0
    assert (found & labels[0]).sum() / (found | labels[0]).sum() > 0.9
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())["segmentation"]
    assert record["kind"] == "model"
    assert record["name"] == "dark"
    assert len(record["sha256"]["weights.npz"]) == 64


def test_a_network_beyond_its_training_is_noted(model, tmp_path):
    stack, _ = movie(pixel_nm=0.3)
    result = track(stack, TrackSettings(segment=f"model:{model}", spectra="none"), out=tmp_path / "out")
    assert any("dark was trained on 4 to 6 Å/px" in note for note in result.notes)


def test_dose_and_energy_beyond_the_training_are_noted_as_by_predict(tmp_path):
    ranges = {"sampling_A": (0.5, 2.0), "dose_e_per_A2": (10.0, 1e5)}
    model = save_dark_model(tmp_path / "dark", ranges=ranges, energies_eV=(300e3,))
    stack, _ = movie(pixel_nm=0.1)
    low = replace(
        stack.with_calibration(dose_e_per_A2=5.0),
        metadata={"instrument": {"TEM": {"beam_energy": 80.0}}},
    )
    settings = TrackSettings(segment=f"model:{model}", spectra="none")
    notes = track(low, settings, out=tmp_path / "out").notes
    told = predict_movie(model, low, tmp_path / "maps", PredictSettings(runtime="fused")).notes
    for said in (
        "dose of 5 e⁻/Å²: dark was trained on 10 to 100,000 e⁻/Å²",
        "energy of 80 keV: dark was trained on 300 keV",
    ):
        assert notes.count(said) == 1
        assert told.count(said) == 1
    assert not any("was trained on" in note for note in choose_segmentation(stack, f"model:{model}").notes)


def test_a_network_needs_the_pixel_size(model):
    stack, _ = movie(pixel_nm=None)
    with pytest.raises(CalibrationError, match="a network needs the pixel size; give --pixel-nm"):
        track(stack, TrackSettings(segment=f"model:{model}"))


def test_no_model_and_one_for_columns_are_said(tmp_path):
    from temflux.models.networks import build_network

    stack, _ = movie()
    with pytest.raises(ReadError, match="nothing"):
        track(stack, TrackSettings(segment="model:nothing"))
    spec = NetworkSpec(
        "msdnet", {"in_channels": 1, "out_channels": 2, "channels": 1, "layers": 1, "kernel": 3}
    )
    card = ModelCard("columns", label="Disk", channels=("Au", "background"))
    save_model(tmp_path / "columns", build_network(spec.name, **spec.arguments), spec, card)
    with pytest.raises(SettingsError, match=r"expected one that marks particles \(Mask\) in single frames"):
        track(stack, TrackSettings(segment=f"model:{tmp_path / 'columns'}"))


def test_a_network_that_takes_the_place_of_another_is_used(tmp_path):
    """In one process, as of a notebook or a host, that trains, tracks, trains and tracks again."""
    frames, _ = disc_movie(1)
    stack = Stack.from_array(frames, pixel_nm=0.1)
    segment = choose_segmentation(stack, f"model:{save_dark_model(tmp_path / 'one')}")
    first = segment.mask(0, frames[0])
    save_dark_model(tmp_path / "one", slope=20.0)
    again = choose_segmentation(stack, f"model:{tmp_path / 'one'}")
    assert again.fingerprint != segment.fingerprint
    assert (again.mask(0, frames[0]) != first).any()
    with pytest.raises(SettingsError, match="was replaced while it was in use"):
        segment.mask(0, frames[0])
