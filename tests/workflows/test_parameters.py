"""Parameters files: the thesis's listing, JSON, defaults, and one line for each thing that can be wrong."""

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from temflux.engine.base.errors import ReadError, SettingsError
from temflux.engine.base.mtf import MTF_MODELS
from temflux.engine.base.seeds import generator
from temflux.engine.generate.draws import draw_microscope
from temflux.engine.generate.labels import LABELS
from temflux.engine.workflows.simulating.parameters import (
    ImageParameters,
    check_parameters,
    example_parameters,
    read_parameters,
)
from temflux.engine.workflows.simulating.parameters_text import parse_parameters

# The names of Table 3.2 and Listing A.1, and the two added to them.
THESIS = {
    *("label", "image_epochs", "image_size", "noise", "num_classes", "null_class", "spotsize", "sampling"),
    *("multifocus", "log_dose", "blur", "focal_spread", "defocus", "normalizedistance", "debug", "seed"),
    *(f"ctf_c{n}" for n in (30, 12, 21, 23, 32, 34, 45)),
    *("mtf", "mtf_c1", "mtf_c2", "mtf_c3", "readout"),
}
ADDED = {"angular_spread", "beam_energy"}

# A listing in the notation of Listing A.1: two fenced parts, comments, products, alternatives side by side.
LISTING = """```
# The task
'label': "Mask",
'label': "Disk",
'label': "Exitwave",

'image_epochs': 7,
'image_size': (512, 256),
'noise': "poisson",

# with the background
'num_classes': 1,
'num_classes': 4,
'null_class': True,
'spotsize': 0.4,
'sampling': (0.17, 0.18),
'sampling': (0.09, 0.11),
'multifocus': None,
'multifocus': (3, 50.0, 1.0),
```

```

## Noise
'log_dose': (2, 6),
'blur': (0.1, 0.8),
'focal_spread': (5, 20),
'defocus': (-200, 200),
'ctf_c30': (0, 1.5*83000),
'ctf_c12': (0, 0),
'ctf_c21': (0, 0),
'ctf_c23': (0, 0),
'ctf_c32': (0, 0),
'ctf_c34': (0, 0),
'ctf_c45': (0, 0),
'mtf': "parametric",
'mtf_c1': (0.2, 0.6),
'mtf_c2': (0.0, 0.0),
'mtf_c3': (2.0, 5.0),
'readout': (0.005, 0.015),
'normalizedistance': 12.0,
# None or True as well
'debug': 100,
'seed': 100

```
"""
UNWANTED = (
    "'label': \"Mask\",\n",
    "'label': \"Exitwave\",\n",
    "'num_classes': 1,\n",
    "'sampling': (0.17, 0.18),\n",
    "'multifocus': None,\n",
)


@pytest.fixture
def write(tmp_path):
    def write(text, name="params.json"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def chosen():
    text = LISTING
    for line in UNWANTED:
        assert line in text
        text = text.replace(line, "")
    return text


def refusal(write, text):
    """What `read_parameters` says, behind the file's name; one line."""
    path = write(text)
    with pytest.raises(SettingsError) as caught:
        read_parameters(path)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(f"{path}: ")
    return said.removeprefix(f"{path}: ")


def test_the_names_are_the_thesis_s():
    assert set(ImageParameters.model_fields) >= THESIS | ADDED
    assert all(field.description for field in ImageParameters.model_fields.values())


def test_a_printed_listing_loads_once_its_alternatives_are_chosen(write):
    parameters = read_parameters(write(chosen()))
    assert parameters.label == "Disk"
    assert parameters.image_epochs == 7
    assert parameters.image_size == (512, 256)
    assert parameters.shape == (256, 512)
    assert parameters.num_classes == 4
    assert parameters.multifocus == (3, 50.0, 1.0)
    assert parameters.sampling == (0.09, 0.11)
    assert parameters.ctf_c30 == (0, 124500.0)
    assert parameters.debug == 100


def test_alternatives_that_are_left_are_all_named(write):
    said = refusal(write, LISTING)
    assert "'label' is given 3 times, as 'Mask', 'Disk' and 'Exitwave'" in said
    assert "'num_classes' is given 2 times, as 1 and 4" in said
    assert "'sampling' is given 2 times, as (0.17, 0.18) and (0.09, 0.11)" in said
    assert "'multifocus' is given 2 times, as None and (3, 50.0, 1.0)" in said
    assert said.endswith("choose one of each")
    assert refusal(write, '{"label": "Mask", "seed": 1, "seed": 2}') == (
        "'seed' is given 2 times, as 1 and 2: choose one"
    )


@pytest.mark.parametrize(
    "text",
    [
        "'label': 'mask', 'seed': 2*3 + 1,",
        "{'label': 'mask', 'seed': 7}",
        "# first\nparameters = {\n'label': \"mask\", # second\n'seed': 7,\n}\n",
        "```python\n{'label': “mask”, 'seed': 7}\n```",
        '{"label": "mask", "seed": 7}',
        '\ufeff{"label": "MASK", "seed": 7}',
        '{"label": "mask", "seed": 7, "null_class": true, "multifocus": null,}',
        "'label': 'mask',\r\n'seed': -(3 - 10),\r\n",
    ],
)
def test_notations_of_the_same_file(write, text):
    assert read_parameters(write(text)) == ImageParameters(label="Mask", seed=7)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5*83000", 124500.0),
        ("2*256", 512),
        ("(−1, 10**2.5)", (-1, 10**2.5)),
        ("[1, 2/4, +3]", [1, 0.5, 3]),
        ("None", None),
        ("True", True),
        ("'a' 'b'", "ab"),
    ],
)
def test_values_of_a_listing(text, value):
    read = parse_parameters(f"'x': {text}")["x"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        "__import__('os').system('true')",
        "open('/etc/passwd').read()",
        "(lambda: 1)()",
        "[x for x in (1, 2)]",
        "9**9**9**9",
        "1/0",
        "(-8)**0.5",
        "True*2",
        "'a'*9",
        "name",
        "{1: 2}",
        "f'{1}'",
        "b'x'",
        "1j",
        "~1",
        "1 if 1 else 2",
    ],
)
def test_nothing_in_a_listing_is_run(write, value):
    said = refusal(write, f"'label': 'Disk',\n'ctf_c30': (0, {value}),")
    assert said.startswith("line 2: 'ctf_c30': expected numbers, words in quotes, None, True, False")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("'label': 'Disk'\n'seed': 1", "line 2: invalid syntax"),
        ("'label': 'Disk',\n'seed': (1,\n", "line 3: "),
        ('{"label": "Disk", "seed" 1}', "line 1: not JSON: Expecting ':'"),
        ("label: Disk\nseed: 1\n", "line 1: "),
        ("[1, 2]", "expected an object of names and values, got [1, 2]"),
        ("{1: 2}", "line 1: expected a name in quotes before the colon"),
        ("{**{}}", "line 1: expected a name in quotes before the colon"),
        ("dict(label='Disk')", "line 1: expected JSON or lines such as 'sampling'"),
        ("(" * 5000, "line 1: "),
        ("[" * 100_000, "line 1: "),
        ("\x00", "line 1: "),
        ("", "label: expected one of Mask"),
    ],
)
def test_what_is_no_parameters_file(write, text, line):
    assert refusal(write, text).startswith(line)


def test_files_that_are_not_there_or_no_text(tmp_path, write):
    with pytest.raises(ReadError, match=r"gone.json: expected a parameters file, No such file"):
        read_parameters(tmp_path / "gone.json")
    with pytest.raises(ReadError, match="expected a parameters file"):
        read_parameters(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ReadError, match="it is not text in UTF-8"):
        read_parameters(tmp_path / "binary")
    with pytest.raises(ReadError, match="more than 1000000 letters"):
        read_parameters(write(" " * 1_000_001))


BAD = [
    ({"samplng": [0.1, 0.2]}, "samplng: no such parameter; did you mean 'sampling'?"),
    ({"CTF_c30": [0, 0]}, "CTF_c30: no such parameter; did you mean 'ctf_c30'?"),
    ({"voltage": 3}, "voltage: no such parameter; known are label, num_classes"),
    ({"label": "Maks"}, "label: expected one of Mask, .*, got 'Maks'; did you mean 'Mask'?"),
    ({"label": 3}, "label: expected one of Mask, .*, got 3"),
    (
        {"sampling": [0.2, 0.1]},
        r"sampling: expected the lower bound first \[Å/px\], above 0, got \[0.2, 0.1\]",
    ),
    ({"sampling": 0.1}, r"sampling: expected a lower and an upper bound \[Å/px\], above 0, got 0.1"),
    ({"sampling": [0, 0.1]}, r"sampling: .*above 0, got \[0, 0.1\]"),
    ({"sampling": ["0.1", "0.2"]}, "sampling: expected a lower and an upper bound"),
    ({"sampling": [True, 2]}, "sampling: expected a lower and an upper bound"),
    ({"sampling": [0.1, 0.2, 0.3]}, "sampling: expected a lower and an upper bound"),
    ({"sampling": [0.1, math.nan]}, "sampling: .*above 0, got .*nan"),
    ({"defocus": [-math.inf, 0]}, r"defocus: .*\[Å\], finite, got \[-inf, 0\]"),
    ({"defocus": [0, 10**400]}, r"defocus: .*finite, got \[0, 10000"),
    ({"log_dose": [2, 9]}, "log_dose: .*at least -1 and at most 8, got"),
    ({"log_dose": [-2, 3]}, "log_dose: .*at least -1 and at most 8, got"),
    ({"blur": [-0.1, 1]}, "blur: .*at least 0, got"),
    ({"focal_spread": [-5, 5]}, "focal_spread: .*at least 0, got"),
    ({"angular_spread": [-1, 0]}, "angular_spread: .*at least 0 and at most 1000, got"),
    ({"mtf_c1": [0, 0.3]}, r"mtf_c1: .*c0, the half-width\], above 0, got \[0, 0.3\]"),
    ({"mtf_c1": [-0.6, 0.2]}, "mtf_c1: .*above 0, got"),
    ({"mtf_c2": [0, 1]}, r"mtf_c2: .*C, the floor\], at least 0 and below 1, got \[0, 1\]"),
    ({"mtf_c3": [0, 1]}, r"mtf_c3: .*c3, the exponent\], above 0, got \[0, 1\]"),
    ({"readout": [-1, 1]}, "readout: .*at least 0, got"),
    ({"image_size": [512, 15]}, "image_size: expected pixels in x and y, each 16 to 16384, got .512, 15."),
    ({"image_size": [16385, 512]}, "image_size: expected pixels in x and y, each 16 to 16384"),
    ({"image_size": 512}, "image_size: expected pixels in x and y, each 16 to 16384, got 512"),
    ({"image_size": [512.0, 512]}, "image_size: expected pixels in x and y"),
    ({"image_epochs": 0}, "image_epochs: expected a whole number of 1 or more, got 0"),
    ({"image_epochs": 1.5}, "image_epochs: expected a whole number of 1 or more, got 1.5"),
    ({"image_epochs": True}, "image_epochs: expected a whole number of 1 or more, got True"),
    ({"image_epochs": "3"}, "image_epochs: expected a whole number of 1 or more, got '3'"),
    ({"seed": -1}, "seed: expected a whole number of 0 or more, got -1"),
    ({"debug": -1}, "debug: expected a whole number of 0 or more, None or True, got -1"),
    ({"debug": 1.5}, "debug: expected a whole number"),
    ({"null_class": 1}, "null_class: expected True or False, got 1"),
    ({"spotsize": 0}, "spotsize: expected a number .Å., above 0 and at most 100, got 0"),
    ({"spotsize": None}, "spotsize: expected a number .*, got None"),
    ({"normalizedistance": 0}, "normalizedistance: expected a number .Å., above 0, got 0"),
    ({"beam_energy": 300}, "beam_energy: expected a number or None, .eV., at least 1000 .*, got 300"),
    ({"noise": "gauss"}, "noise: expected one of poisson, None, got 'gauss'"),
    ({"mtf": "MTF 6"}, "mtf: expected one of parametric, MTF 1, .*, None, got 'MTF 6'"),
    ({"multifocus": [3, 50]}, r"multifocus: expected None, or 1 to 100 images, .*, got \[3, 50\]"),
    ({"multifocus": [0, 50, 1]}, "multifocus: expected None, or 1 to 100 images"),
    ({"multifocus": [3, 0, 1]}, "multifocus: .*a step of defocus above 0 Å"),
    ({"multifocus": [3, 50, -1]}, "multifocus: .*its uncertainty, 0 Å or more"),
    ({"multifocus": [3, 250, 1]}, "multifocus: .*400 Å from -200 to 200 Å, got 3 images 250 Å apart, 500 Å"),
    ({"num_classes": 0}, "num_classes: expected a whole number, 1 to 100, got 0"),
    ({"num_classes": 3}, "num_classes: expected 1, or 2 with null_class true, for Mask .*, got 3"),
    ({"num_classes": 2, "null_class": False}, "num_classes: .*got 2 with null_class false"),
    ({"label": "Exitwave", "num_classes": 1}, "num_classes: expected 2 for Exitwave .*, got 1"),
]


@pytest.mark.parametrize(("values", "line"), BAD, ids=[str(n) for n in range(len(BAD))])
def test_bad_values_are_refused_in_one_line(write, values, line):
    text = json.dumps({"label": "Mask", **values})
    assert re.match(line, refusal(write, text))


def test_all_faults_are_named_at_once(write):
    said = refusal(write, '{"label": "Mask", "blur": 1, "sed": 2, "seed": -1}')
    assert [part.split(":")[0] for part in said.split("; ") if ": " in part] == ["blur", "seed", "sed"]


def test_what_is_left_out_is_as_in_the_listing():
    parameters = ImageParameters(label="Mask")
    assert parameters.log_dose == (2, 6)
    assert parameters.ctf_c30 == (0, 124500)
    assert (parameters.mtf_c1, parameters.mtf_c2, parameters.mtf_c3) == ((0.2, 0.6), (0, 0), (2, 5))
    assert parameters.beam_energy is None
    assert parameters.angular_spread == (0, 0)
    assert [ImageParameters(label=label).num_classes for label in LABELS] == [1, 4, 4, 4, 2, 2]
    with pytest.raises(ValidationError):
        parameters.seed = 3


@pytest.mark.parametrize("spelt", ["MTF 3", "mtf 3", "model 3", "Model 3"])
def test_a_camera_by_name_fills_its_ranges(spelt):
    parameters = check_parameters({"label": "Mask", "mtf": spelt, "readout": (0, 0)})
    assert parameters.mtf == "MTF 3"
    assert parameters.mtf_c1 == MTF_MODELS["MTF 3"].c0
    assert parameters.mtf_c3 == MTF_MODELS["MTF 3"].c3
    assert parameters.readout == (0, 0)
    assert check_parameters({"label": "Mask", "mtf": spelt}).readout == MTF_MODELS["MTF 3"].readout_e
    assert parameters.mtf_c2 == (0, 0)


@pytest.mark.parametrize(
    "values",
    [
        {"label": "Mask"},
        {"label": "Disk", "multifocus": (3, 50, 1), "mtf": "MTF 4", "debug": True},
        {"label": "Exitwave", "noise": None, "mtf": None, "debug": None, "beam_energy": 5e4},
        {"label": "Occupancy", "num_classes": 3, "sampling": (0.1 + 0.2, 1 / 3), "debug": False},
    ],
)
def test_json_reads_back_equal(write, values):
    parameters = check_parameters(values)
    again = read_parameters(write(parameters.to_json()))
    assert again == parameters
    assert again.to_json() == parameters.to_json()
    assert set(json.loads(parameters.to_json())) == set(ImageParameters.model_fields)


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2).map(sorted), st.integers(0, 2**63))
def test_numbers_survive_json_and_listing(defocus, seed):
    parameters = check_parameters({"label": "Mask", "defocus": defocus, "seed": seed})
    assert check_parameters(parse_parameters(parameters.to_json())) == parameters
    listing = f"'label': 'Mask',\n'defocus': {parameters.defocus!r},\n'seed': {seed},"
    assert check_parameters(parse_parameters(listing)) == parameters


@pytest.mark.parametrize("label", LABELS)
def test_examples_read_back_and_name_everything(write, label):
    text = example_parameters(label)
    parameters = read_parameters(write(text, "example.txt"))
    assert parameters.label == label
    assert set(parse_parameters(text)) == set(ImageParameters.model_fields)
    assert (parameters.multifocus is None) == (label == "Mask")
    assert max(map(len, text.splitlines())) <= 100
    with pytest.raises(SettingsError, match="did you mean 'Mask'"):
        example_parameters("Maks")


def test_parameters_hand_their_ranges_and_label_on():
    parameters = check_parameters({"label": "Disk", "multifocus": (3, 50, 1), "spotsize": 0.7})
    drawn = draw_microscope(generator(1), parameters.ranges, multifocus=parameters.multifocus)
    assert 0.07 <= drawn["sampling_A"] <= 0.08
    settings = parameters.label_settings()
    assert (settings.kind, settings.num_classes, settings.null_class, settings.spotsize_A) == (
        "Disk",
        4,
        True,
        0.7,
    )


@pytest.mark.parametrize(("debug", "count"), [(None, 0), (False, 0), (0, 0), (7, 7), (True, math.inf)])
def test_how_many_pictures_are_drawn(debug, count):
    assert ImageParameters(label="Mask", debug=debug).n_debug == count
