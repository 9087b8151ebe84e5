"""Simulated and experimental images in hand: loaded, standardised, inferred, scored, cropped and shown."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from temflux.engine.base.errors import CalibrationError, DataError, ReadError, SettingsError
from temflux.engine.images.standardise import standardise
from temflux.engine.learn.model_files import load_model
from temflux.engine.learn.predict import Predictor
from temflux.engine.workflows.experimental_image import ExperimentalImage
from temflux.engine.workflows.simulated_image import SimulatedImage
from tests.learn.sets import make_set
from tests.movies import disc_movie, save_movie
from tests.predictors import save_dark_model


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    # Bright: the discs of the set add 5 counts.
    ranges = {"sampling_A": (0.1, 2.0)}
    save_dark_model(folder / "bright", slope=20.0, normalize_A=12.0, ranges=ranges)
    save_dark_model(folder / "dark")
    save_dark_model(folder / "two", channels=("inside", "background"))
    return folder


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets") / "images"
    make_set(folder, count=3, epochs=2, finished=[0, 2])
    return folder


def picture(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_a_simulated_image_is_loaded_with_its_label_and_microscope(simulated):
    image = SimulatedImage(simulated, 5).load()
    assert image.image.shape == (1, 40, 48)
    assert image.label.shape == (40, 48, 1)
    assert image.channels == ("inside",)
    assert image.sampling_A == pytest.approx(0.22)
    assert image.drawn["dose_e_per_A2"] == 3000.0
    wanted = standardise(image.image, sigma_px=12.0 / 0.22)
    np.testing.assert_array_equal(image.standardise(), wanted)
    assert image.standardised is not None


def test_scores_are_those_of_the_prediction(simulated, models):
    image = SimulatedImage(simulated, 4)
    with pytest.raises(SettingsError, match=r"nothing was predicted yet; call infer\(model\) first"):
        image.f1_score()
    predictor = Predictor(load_model(models / "bright"), runtime="fused")
    maps = image.infer(predictor)
    assert maps.shape == (40, 48, 1)
    truth, found = image.label[..., 0] > 0, maps[..., 0] > 0.5
    hits = (truth & found).sum()
    assert image.f1_score() == pytest.approx(2 * hits / (truth.sum() + found.sum()))
    assert image.mse_score() == pytest.approx(((maps - image.label) ** 2).mean())
    assert image.rmse_score() ** 2 == pytest.approx(image.mse_score())
    image.prediction = image.label
    assert image.f1_score() == 1
    assert image.mse_score() == 0
    image.load()
    assert image.prediction is None


def test_the_background_does_not_count_in_f1(tmp_path):
    make_set(tmp_path / "images", count=1, epochs=1, num_classes=2)
    image = SimulatedImage(tmp_path / "images", 0)

    class Nothing:
        input_shape = (None, None, None, 1)

        def predict(self, batch, verbose):  # noqa: ARG002
            maps = np.zeros((1, *batch.shape[1:3], 2))
            maps[..., 1] = 1
            return maps

    image.infer(Nothing())
    assert image.f1_score() == 0
    assert image.mask().sum() == 0


def test_a_keras_network_of_elsewhere_is_given_the_standardised_image(simulated, models):
    image = SimulatedImage(simulated, 0)
    own = image.infer(models / "bright", runtime="fused")
    other = image.infer(load_model(models / "bright").network)
    np.testing.assert_allclose(other, own, atol=1e-4)
    with pytest.raises(SettingsError, match="got function"):
        image.infer(picture)


def test_a_simulated_image_beyond_the_training_warns(simulated, tmp_path):
    ranges = {
        "sampling_A": (0.1, 0.21),
        "dose_e_per_A2": (10.0, 1e3),
        "defocus_A": (20.0, 50.0),
        "mtf_c0": (0, 1),
    }
    model = save_dark_model(tmp_path / "narrow", normalize_A=12.0, ranges=ranges)
    image = SimulatedImage(simulated, 4)
    with pytest.warns(UserWarning, match="was trained on") as warned:
        image.infer(model, runtime="fused")
    assert [str(one.message).partition(":")[0] for one in warned] == [
        "sampling of 0.22 Å/px",
        "dose of 3000 e⁻/Å²",
        "defocus of 0 Å",
    ]
    assert warned[0].filename == __file__
    assert image.outside == tuple(str(one.message) for one in warned)
    known = save_dark_model(tmp_path / "known", normalize_A=12.0, ranges={"sampling_A": (0.1, 2.0)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image.infer(known, runtime="fused")
    assert image.outside == ()


def test_a_recorded_image_beyond_the_training_warns(movie, tmp_path):
    model = save_dark_model(tmp_path / "narrow", ranges={"dose_e_per_A2": (10.0, 1e5)}, energies_eV=(300e3,))
    image = ExperimentalImage(movie)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image.infer(model, runtime="fused")
    image.dose_e_per_A2, image.beam_energy_eV = 5.0, 80e3
    with pytest.warns(UserWarning, match="was trained on"):
        image.infer(model, runtime="fused")
    assert image.outside == (
        "dose of 5 e⁻/Å²: narrow was trained on 10 to 100,000 e⁻/Å²",
        "energy of 80 keV: narrow was trained on 300 keV",
    )


def test_what_does_not_fit_is_said(simulated, models, tmp_path):
    with pytest.raises(DataError, match="has no image 2; its images are 0 to 5"):
        SimulatedImage(simulated, 2)
    with pytest.raises(ReadError, match="make some with temflux images"):
        SimulatedImage(tmp_path, 0)
    image = SimulatedImage(simulated, 0)
    image.infer(models / "two", runtime="fused")
    with pytest.raises(DataError, match=r"expected maps of the label's shape .*inside.* choose a model for"):
        image.f1_score()
    make_set(tmp_path / "waves", count=1, epochs=1, num_classes=2, label="Exitwave", dtype="float32")
    wave = SimulatedImage(tmp_path / "waves", 0)
    wave.prediction, wave.reading = wave.label, image.reading
    assert wave.mse_score() == 0
    with pytest.raises(SettingsError, match=r"has no classes; use mse_score\(\)"):
        wave.f1_score()


def test_an_image_shows_itself_with_prediction_and_label(simulated, models, tmp_path):
    image = SimulatedImage(simulated, 4)
    without = picture(image._repr_png_())
    image.infer(models / "bright", runtime="fused")
    drawing = image.plot(tmp_path / "plot.png")
    titles = [axes.get_title(loc="left") for axes in drawing.figure.axes]
    assert titles[:3] == ["image 4, 3,000 e⁻/Å²", "prediction: inside", "label: inside"]
    shown = picture(drawing._repr_png_())
    assert shown.shape[1] > without.shape[1]
    assert (picture((tmp_path / "plot.png").read_bytes()) == shown).all()
    assert any("nm" in text.get_text() for text in drawing.figure.axes[0].texts)


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    return save_movie(tmp_path_factory.mktemp("movies") / "discs.npz", n_frames=3)


def test_an_experimental_image_has_what_its_file_says(movie):
    image = ExperimentalImage(movie, 2).load()
    assert image.image.shape == (1, 160, 200)
    assert image.shape == (160, 200)
    assert (image.pixel_nm, image.sampling_A) == (pytest.approx(0.1), pytest.approx(1.0))
    assert (image.time_s, image.frame_s) == (1.0, 0.5)
    assert image.beam_energy_eV is None
    np.testing.assert_array_equal(image.image[0], disc_movie(3)[0][2])
    np.testing.assert_array_equal(ExperimentalImage(movie, -1).image, image.image)
    assert ExperimentalImage(movie, 0, n_images=3).image.shape == (3, 160, 200)
    for arguments in ({"frame": 3}, {"frame": 1, "n_images": 3}, {"frame": -4}):
        with pytest.raises(SettingsError, match="has 3 frames, from 0 on; got"):
            ExperimentalImage(movie, **arguments)


def test_microscope_files_give_energy_and_magnification(real_data):
    file = next(iter(sorted(real_data.glob("needle_stack/HAADF.dm3"))), None)
    if file is None:
        pytest.skip("no microscope file")
    image = ExperimentalImage(file)
    assert image.beam_energy_eV == 300e3
    assert image.magnification == 40000.0


def test_a_particle_is_cropped_and_transformed_alone(movie, models):
    image = ExperimentalImage(movie)
    with pytest.raises(SettingsError, match=r"call infer\(model\) first"):
        image.crop()
    whole = image.fft()
    assert whole.values.shape[0] >= 200
    assert whole.reciprocal_pixel_per_nm == pytest.approx(1 / (len(whole.values) * 0.1))
    image.infer(models / "dark", runtime="fused")
    crop = image.crop()
    # The largest disc has a radius of 20 px.
    assert all(38 <= side <= 44 for side in crop.shape)
    assert crop.mean() < image.image.mean()
    alone = image.fft()
    assert len(alone.values) < len(whole.values)
    assert image.crop(2).shape < crop.shape
    with pytest.raises(SettingsError, match="particle: expected 1 to 3, got 9"):
        image.crop(9)
    assert picture(alone._repr_png_()).shape == picture(whole._repr_png_()).shape
    image.prediction[:] = 0
    with pytest.raises(DataError, match="no particle to crop"):
        image.crop()


def test_the_fft_of_fringes_peaks_at_their_frequency(tmp_path):
    x = np.arange(128)
    np.save(tmp_path / "fringes.npy", 100 + 20 * np.cos(2 * np.pi * x / 8) * np.ones((128, 1)))
    spectrum = ExperimentalImage(tmp_path / "fringes.npy", pixel_nm=0.025).fft()
    middle = len(spectrum.values) // 2
    row, column = np.unravel_index(np.argmax(spectrum.values), spectrum.values.shape)
    assert row == middle
    frequency = abs(column - middle) * spectrum.reciprocal_pixel_per_nm
    assert frequency == pytest.approx(1 / (8 * 0.025), rel=0.03)


def test_the_dose_needs_the_conversion(movie, tmp_path):
    image = ExperimentalImage(movie)
    with pytest.raises(
        CalibrationError, match="does not say how many counts an electron gives; give counts_"
    ):
        image.dose((0, 0), 20)
    # 100 counts a pixel of 1 Å², 4 counts an electron.
    assert image.dose((0, 120), (30, 20), counts_per_electron=4) == pytest.approx(25, rel=0.03)
    assert image.dose((0, 120), 30, counts_per_electron=4, dark_counts=20) == pytest.approx(20, rel=0.03)
    with pytest.raises(SettingsError, match="expected an area within 160 by 200 pixels"):
        image.dose((150, 0), 20, counts_per_electron=4)
    with pytest.raises(CalibrationError, match="expected mean vacuum counts of 0 or more"):
        image.dose((0, 120), 30, counts_per_electron=4, dark_counts=500)
    np.save(tmp_path / "plain.npy", np.ones((32, 32)))
    plain = ExperimentalImage(tmp_path / "plain.npy", counts_per_electron=1)
    with pytest.raises(CalibrationError, match="a dose per area needs the pixel size; give pixel_nm"):
        plain.dose((0, 0), 8)
    for needs_size in (plain.standardise, lambda: plain.infer("nothing")):
        with pytest.raises(CalibrationError, match="the pixel size is not known; give pixel_nm"):
            needs_size()
    assert picture(plain._repr_png_()).size


def test_images_show_themselves_in_jupyter(movie):
    from IPython.core.formatters import DisplayFormatter

    image = ExperimentalImage(movie)
    for shown in (image, image.plot(), image.fft()):
        data, _ = DisplayFormatter().format(shown)
        assert picture(data["image/png"]).std() > 0
