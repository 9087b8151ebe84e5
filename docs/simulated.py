"""Take the README's picture of simulated images, each with its label."""

import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patheffects import withStroke

from temflux.engine.generate.dataset import ImageSet
from temflux.engine.workflows.images import make_images
from temflux.engine.workflows.simulating.parameters import check_parameters
from temflux.engine.workflows.simulating.recipes import FlakeRecipe, OxideRecipe, Recipe, SupportedRecipe
from temflux.engine.workflows.structures import make_structures

SHARED = {
    "image_epochs": 3,
    "image_size": [384, 384],
    "ctf_c30": [0, 8e4],
    "defocus": [30, 120],
    "debug": None,
}
SETS: list[tuple[str, Recipe, dict]] = [
    (
        "Au on CeO₂: Mask",
        SupportedRecipe(count=1, start=1),
        {"label": "Mask", "sampling": [0.14, 0.15], "log_dose": [2.3, 4.5], "mtf": "MTF 4"},
    ),
    (
        "MoS₂: Disk (1Mo, 2S, 1S)",
        FlakeRecipe(count=1, start=4),
        {"label": "Disk", "sampling": [0.12, 0.13], "spotsize": 1.2, "log_dose": [3, 4.5]},
    ),
    (
        "CeO₂ [110]: Occupancy",
        OxideRecipe(count=1, start=2, vacancies=0.6),
        {"label": "Occupancy", "sampling": [0.1, 0.11], "spotsize": 1.2, "log_dose": [3.5, 5]},
    ),
]
COLOURS = np.array([(230, 159, 0), (86, 180, 233), (0, 158, 115)]) / 255


def main(path: Path) -> None:
    figure, axes = plt.subplots(len(SETS), 4, figsize=(11, 8.6), layout="constrained")
    for row, (title, recipe, parameters) in zip(axes, SETS, strict=True):
        with tempfile.TemporaryDirectory() as folder:
            make_structures(folder, recipe)
            chosen = check_parameters({**SHARED, **parameters})
            make_images(folder, chosen)
            made = ImageSet(Path(folder) / "train" / "images")
            first = recipe.start * chosen.image_epochs
            images = np.asarray(made.images[first : first + 3, 0])
            label = np.asarray(made.labels[first + 2], np.float64)
            drawn = made.drawn()
        for axis, image, values in zip(row, images, drawn, strict=False):
            low, high = np.percentile(image, (0.5, 99.5))
            axis.imshow(image, cmap="gray", vmin=low, vmax=high)
            said = f"{values['dose_e_per_A2']:.0f} e⁻/Å², Δf {values['defocus_A'] / 10:.1f} nm"
            axis.set_title(said, fontsize=9)
        side_nm = len(images[0]) * drawn[0]["sampling_A"] / 10
        pixels = len(images[0]) / side_nm
        outlined = [withStroke(linewidth=2, foreground="black")]
        bar = {"color": "white", "path_effects": [withStroke(linewidth=6, foreground="black")]}
        row[0].plot([20, 20 + pixels], [364, 364], lw=4, **bar)
        middle = 20 + pixels / 2
        row[0].text(middle, 352, "1 nm", color="white", ha="center", fontsize=9, path_effects=outlined)
        channels = label[..., :-1] if "Disk" in title else label
        row[3].imshow(np.clip(channels @ COLOURS[: channels.shape[2]], 0, 1))
        row[3].set_title(f"{title} of the third", fontsize=9)
        for axis in row:
            axis.set_axis_off()
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main(Path(__file__).with_suffix(".png"))
