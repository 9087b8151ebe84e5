"""Take the README's picture of what the menu items give in Dragonfly; drawn here, not taken of its window."""

from collections.abc import Generator
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from temflux.dragonfly_plugin.menu import ITEMS
from temflux.dragonfly_plugin.results import LabelledMovie, SpectraMovie, Table
from temflux.dragonfly_plugin.selection import Particle, Selection
from temflux.dragonfly_plugin.tables import draw_table
from temflux.engine.base.stack import Stack
from temflux.engine.generate.phantom import phantom_frames
from temflux.engine.images.clean import finite_frame
from temflux.engine.workflows.tracking.segmentation import choose_segmentation

ITEM = {item.key: item for item in ITEMS}
SHOWN = (0, 12, 24, 36)
MOST_Q_PER_NM = 9.0


def finish(work: Generator) -> LabelledMovie | SpectraMovie | Table:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def like(stack: Stack, frames: np.ndarray) -> Stack:
    # Dragonfly tells no frame time: its frames are counted.
    return Stack.from_array(frames, pixel_nm=stack.pixel_nm, name="particles")


def draw_labels(axes: list[Axes], image: Stack, labels: np.ndarray) -> None:
    for axis, frame in zip(axes, SHOWN, strict=True):
        pixels = image.read(frame, frame + 1)[0]
        axis.imshow(pixels, cmap="gray", vmin=np.percentile(pixels, 1), vmax=np.percentile(pixels, 99))
        painted = np.ma.masked_equal((labels[frame] - 1) % 10 + 1, 0)
        painted.mask = labels[frame] == 0
        axis.imshow(painted, cmap="tab10", vmin=0.5, vmax=10.5, alpha=0.55, interpolation="nearest")
        axis.set_title(f"frame {frame}", fontsize=9)
        axis.set_axis_off()


def draw_spectra(axes: list[Axes], made: SpectraMovie) -> None:
    half = made.spectra.shape[1] // 2 * made.reciprocal_pixel_per_nm
    for axis, frame in zip(axes, SHOWN, strict=True):
        axis.imshow(
            np.nan_to_num(made.spectra[frame]), cmap="gray", vmin=0, vmax=1, extent=(-half, half, half, -half)
        )
        axis.set(xlim=(-MOST_Q_PER_NM, MOST_Q_PER_NM), ylim=(MOST_Q_PER_NM, -MOST_Q_PER_NM))
        axis.set_xlabel("1/nm", fontsize=8)
        axis.tick_params(labelsize=8)


def main(path: Path) -> None:
    image = phantom_frames(seed=0).stack("movie")
    segmentation = choose_segmentation(image, "threshold")
    frames = [finite_frame(image.read(t, t + 1)[0])[0] for t in range(image.n_frames)]
    masks = np.stack([segmentation.mask(t, frame) for t, frame in enumerate(frames)])
    made = finish(ITEM["label"].work(Selection((Particle(like(image, masks)),)), 1.0))
    labels = np.stack([made.paint(t) for t in range(image.n_frames)])
    marked = like(image, labels.astype(np.uint16))
    largest = int(np.bincount(labels[labels > 0]).argmax())
    spectra = finish(ITEM["spectrum"].work(Selection((Particle(marked, largest),), image), 0.0))
    table = finish(ITEM["properties"].work(Selection((Particle(marked, name="particle"),), image), 0.0))
    figure = plt.figure(figsize=(11, 8.6), layout="constrained")
    rows: tuple[Figure, ...] = tuple(figure.subfigures(3, 1, height_ratios=(1.05, 1.1, 0.9)))
    titles = (
        "Label by 2+1D Connectivity: a multi-ROI whose labels stay with the particles",
        f"Get FFT along time axis: a channel of the spectra of particle {largest}, axes in 1/nm",
        "Get ROI properties: area over time, beside a table with every property",
    )
    for row, title in zip(rows, titles, strict=True):
        row.suptitle(title, fontsize=10, x=0.01, ha="left")
    draw_labels(list(rows[0].subplots(1, len(SHOWN))), image, labels)
    draw_spectra(list(rows[1].subplots(1, len(SHOWN))), spectra)
    draw_area(rows[2], table)
    figure.savefig(path, dpi=80)


def draw_area(figure: Figure, table: Table) -> None:
    title = figure.get_suptitle()
    draw_table(table, figure)
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")


if __name__ == "__main__":
    main(Path(__file__).with_suffix(".png"))
