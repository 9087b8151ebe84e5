import csv
import shutil

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import distance_transform_edt

from temflux.engine.base.errors import ReadError, SettingsError
from temflux.engine.generate.dataset import ImageSet, SystemSet, fingerprint
from temflux.engine.workflows.images import make_images
from temflux.engine.workflows.simulating.parameters import check_parameters
from temflux.engine.workflows.simulating.recipes import FlakeRecipe, OxideRecipe
from temflux.engine.workflows.structures import make_structures

SMALL = {"cell": 22.0, "sampling": 0.2}
PARAMETERS = {"label": "Mask", "image_epochs": 2, "image_size": [80, 64], "sampling": [0.2, 0.25], "debug": 1}


@pytest.fixture(scope="module")
def systems(tmp_path_factory):
    out = tmp_path_factory.mktemp("set")
    for part in ("train", "test"):
        make_structures(out, FlakeRecipe(count=2, **SMALL), part=part)
    return out


@pytest.fixture
def out(systems, tmp_path):
    shutil.copytree(systems, tmp_path / "set")
    return tmp_path / "set"


def parameters(**values):
    return check_parameters({**PARAMETERS, **values})


def test_images_labels_and_drawn_values_lie_side_by_side(out):
    result = make_images(out, parameters())
    assert (result.made, result.kept) == (4, 0)
    made = ImageSet(out / "train" / "images")
    assert made.images.shape == (4, 1, 64, 80)
    assert made.labels.shape == (4, 64, 80, 1)
    assert made.labels.attrs["channels"] == ["inside"]
    drawn = made.drawn()
    assert [(d["row"], d["system"], d["epoch"]) for d in drawn] == [
        (0, 0, 0),
        (1, 0, 1),
        (2, 1, 0),
        (3, 1, 1),
    ]
    for row, values in enumerate(drawn):
        image = made.images[row, 0]
        # Vacuum and a thin flake let nearly all electrons through; readout adds its own.
        expected = values["dose_e_per_A2"] * values["sampling_A"] ** 2 + values["readout_e"]
        assert image.mean() == pytest.approx(expected, rel=0.05)
    assert len({d["dose_e_per_A2"] for d in drawn}) == 4
    with (made.folder / "images.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["row"] for row in table] == ["0", "1", "2", "3"]
    assert float(table[2]["defocus_A"]) == drawn[2]["defocus_A"]
    picture = Image.open(made.folder / "debug" / "000000.png")
    assert picture.size == (168, 64)
    assert "angstrom per pixel" in picture.text["sampling"]
    assert len(list((made.folder / "debug").iterdir())) == 1


def test_tests_have_one_epoch_and_other_noise(out):
    assert make_images(out, parameters(), part="test").made == 2
    make_images(out, parameters())
    train, test = (ImageSet(out / part / "images").images[0] for part in ("train", "test"))
    assert fingerprint(train) != fingerprint(test)


def test_the_label_fits_the_image(out):
    """Contrast of a bare flake lies inside its mask and close around it, at high dose."""
    quiet = {"log_dose": [6, 6], "mtf": None, "defocus": [40, 60], "ctf_c30": [0, 0], "sampling": [0.3, 0.32]}
    make_images(out, parameters(**quiet))
    made = ImageSet(out / "train" / "images")
    for image, label in zip(made.images[:, 0], made.labels[..., 0], strict=True):
        inside = label.astype(bool)
        far = distance_transform_edt(~inside) > 10
        assert far.sum() > 100
        assert image[inside].std() > 4 * image[far].std()


def test_sites_and_image_share_an_origin(out):
    """Discs lie where the sites are, less the origin that is stored beside the image."""
    make_images(out, parameters(label="Disk", spotsize=1.0))
    made, systems = ImageSet(out / "train" / "images"), SystemSet(out / "train" / "systems")
    drawn = made.drawn()[3]
    sites = systems.load_sites(drawn["system"])
    xy_px = (sites.xy_A - [drawn["origin_x_A"], drawn["origin_y_A"]]) / drawn["sampling_A"]
    j, i = np.rint(xy_px).astype(int).T
    inside = (i >= 0) & (i < 64) & (j >= 0) & (j < 80)
    assert inside.sum() > 10
    label = np.asarray(made.labels[3])
    assert (label[i[inside], j[inside], sites.classes[inside]] == 1).all()


def test_a_focal_series_with_columns_of_classes(out):
    series = {"label": "Disk", "multifocus": [3, 50, 1], "spotsize": 1.0}
    make_images(out, parameters(**series))
    made = ImageSet(out / "train" / "images")
    assert made.images.shape[1] == 3
    assert made.labels.attrs["channels"] == ["1Mo", "2S", "1S", "background"]
    assert (np.asarray(made.labels[:]).sum(axis=-1) == 1).all()
    one, two = made.drawn()[0]["defocus_A"], made.drawn()[0]["defocus_2_A"]
    assert two - one == pytest.approx(50, abs=6)


def test_the_exit_wave_as_a_label(out):
    make_images(out, parameters(label="Exitwave"))
    label = np.asarray(ImageSet(out / "train" / "images").labels[0])
    assert label.shape == (64, 80, 2)
    assert label.dtype == np.float32
    # In vacuum the wave is 1.
    from_vacuum = np.hypot(label[..., 0] - 1, label[..., 1])
    assert np.quantile(from_vacuum, 0.1) < 0.05
    assert from_vacuum.max() > 0.2


def test_occupancy_of_oxide_columns(tmp_path):
    make_structures(tmp_path, OxideRecipe(count=1, cell=24, sampling=0.25, vacancies=0.5))
    make_images(tmp_path, parameters(label="Occupancy", spotsize=1.0))
    label = np.asarray(ImageSet(tmp_path / "train" / "images").labels[0])
    values = np.unique(label[..., 1])
    assert values[0] == 0
    assert values[-1] == 1
    assert len(values) > 2


def test_vibrations_lower_the_contrast_of_columns(out):
    """Frozen phonons of a large amplitude blur what atoms at rest show."""
    quiet = {
        "noise": None,
        "mtf": None,
        "defocus": [50, 50],
        "ctf_c30": [0, 0],
        "blur": [0, 0],
        "image_epochs": 1,
    }
    contrast = {}
    for name, values in {"still": None, "shaken": {"configurations": 3, "factor": 6.0}}.items():
        make_images(out, parameters(**quiet, vibrations=values), name=name)
        contrast[name] = np.asarray(ImageSet(out / "train" / name).images[0, 0])
    relative = [image.std() / image.mean() for image in contrast.values()]
    assert relative[1] < 0.8 * relative[0]


def test_the_same_again_makes_nothing_and_new_systems_are_added(out):
    make_images(out, parameters())
    before = np.asarray(ImageSet(out / "train" / "images").images[:])
    assert make_images(out, parameters(debug=0)).made == 0
    make_structures(out, FlakeRecipe(count=3, **SMALL))
    result = make_images(out, parameters())
    assert (result.made, result.kept) == (2, 4)
    after = ImageSet(out / "train" / "images").images
    assert after.shape[0] == 6
    np.testing.assert_array_equal(after[:4], before)
    assert after[4:].min() >= -50


def test_other_parameters_need_another_name(out):
    make_images(out, parameters())
    with pytest.raises(
        SettingsError, match=r"parameters\.json: images with other parameters are there; give --name"
    ):
        make_images(out, parameters(seed=7))
    assert make_images(out, parameters(seed=7), name="other").made == 4


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"label": "Disk", "num_classes": 3}, "num_classes"),
        ({"beam_energy": 300e3}, r"beam_energy: the waves of .* are of 50000 eV, got 300000"),
    ],
)
def test_parameters_that_do_not_fit_the_systems_are_one_line(out, values, said):
    with pytest.raises(SettingsError, match=said):
        make_images(out, parameters(**values))


def test_parameters_that_failed_do_not_stand_in_the_way(out):
    with pytest.raises(SettingsError, match="num_classes"):
        make_images(out, parameters(label="Disk", num_classes=3))
    assert make_images(out, parameters()).made == 4


def test_no_systems_are_said(tmp_path):
    with pytest.raises(ReadError, match="no systems; make some with temflux structures"):
        make_images(tmp_path, parameters())


def test_a_half_written_set_is_said(out):
    journal = SystemSet(out / "train" / "systems").journal
    journal.write_bytes(journal.read_bytes()[:-20])
    with pytest.raises(ReadError, match=r"systems\.jsonl: 1 of 2 systems are still to be made; run the same"):
        make_images(out, parameters())


def test_a_lost_wave_is_said(out):
    shutil.rmtree(out / "train" / "systems" / "waves.zarr" / "c" / "1")
    with pytest.raises(ReadError, match="wave of system 1 is missing or has changed"):
        make_images(out, parameters())
