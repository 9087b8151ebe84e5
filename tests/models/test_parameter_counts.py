"""The numbers of parameters that Publication III prints, met exactly."""

import keras
import pytest

from temflux.models.networks import build_network, count_parameters

# Publication III, Tables 2 and 3: 3 images of a series in, 4 classes out.
PRINTED = [
    *(
        ("unet", {"channels": channels}, count)
        for channels, count in zip(
            (4, 8, 16, 32, 64), (248_464, 989_468, 3_949_108, 15_778_916, 63_080_644), strict=True
        )
    ),
    *(
        ("unetpp", {"channels": channels}, count)
        for channels, count in zip(
            (4, 8, 16, 32, 64), (258_848, 1_031_100, 4_115_828, 16_446_180, 65_750_468), strict=True
        )
    ),
    *(
        ("msdnet", {"kernel": kernel, "channels": channels, "layers": layers}, count)
        for kernel, channels, layers, count in (
            (5, 3, 25, 68_329),
            (5, 3, 50, 277_054),
            (5, 3, 80, 713_149),
            (5, 5, 50, 768_004),
            (9, 3, 50, 894_958),
            (5, 7, 50, 1_503_954),
            (5, 9, 50, 2_484_904),
        )
    ),
]


@pytest.mark.parametrize(("name", "sizes", "count"), PRINTED)
def test_the_printed_numbers_of_parameters_are_met(name, sizes, count):
    model = build_network(name, in_channels=3, out_channels=4, activation="softmax", **sizes)
    assert count_parameters(model) == count
    keras.utils.clear_session()
