"""Take the README's pictures of models at work: particles at falling dose, columns of a focal series."""

import io
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from temflux.engine.generate.dataset import ImageSet
from temflux.engine.learn.model_files import load_model
from temflux.engine.learn.predict import Predictor
from temflux.engine.learn.reading import choose_reading, predict_maps
from temflux.engine.report.predictions import PredictedFrame, draw_predictions
from temflux.engine.workflows.images import make_images
from temflux.engine.workflows.simulating.recipes import FlakeRecipe, SupportedRecipe
from temflux.engine.workflows.structures import make_structures
from temflux.engine.workflows.zoo import read_zoo_recipe

SEED, WIDTH_PX = 77, 1000


def main(folder: Path) -> None:
    particles = SupportedRecipe(count=1, seed=SEED)
    doses = (1.3, 2.0, 3.5)
    changes = [{"log_dose": [dose, dose], "defocus": [80, 80], "ctf_c30": [2e4, 2e4]} for dose in doses]
    draw("au-ceo2-mask", particles, changes, folder / "particles.png")
    draw("mos2-columns", FlakeRecipe(count=1, seed=SEED), [{"log_dose": [3.0, 3.0]}], folder / "columns.png")


def draw(name: str, systems, changes: list[dict], path: Path) -> None:
    recipe, trained = read_zoo_recipe(name), load_model(name)
    predictor, reading = Predictor(trained), choose_reading(trained)
    frames, samplings_A = [], []
    with tempfile.TemporaryDirectory() as data:
        make_structures(data, systems)
        for number, change in enumerate(changes):
            parameters = recipe.parameters("test").model_copy(update={"image_epochs": 1})
            parameters = type(parameters).model_validate({**parameters.model_dump(), **change, "seed": SEED})
            made = ImageSet(make_images(data, parameters, name=f"images-{number}").folder)
            drawn, series = made.drawn()[0], np.asarray(made.images[0])
            maps = predict_maps(predictor, series, reading, sampling_A=drawn["sampling_A"])
            samplings_A.append(drawn["sampling_A"])
            title = f"{drawn['dose_e_per_A2']:,.0f} e⁻/Å²"
            if reading.has_masks:
                mask = reading.label_pixels(maps)
                frames.append(PredictedFrame(title, series[0], maps, mask=mask))
            else:
                xy, kinds, _ = reading.find_columns(maps, sampling_A=drawn["sampling_A"])
                columns = xy / drawn["sampling_A"]
                frames.append(PredictedFrame(title, series[0], maps, columns_px=columns, kinds=kinds))
    picture = draw_predictions(frames, classes=reading.classes, pixel_nm=samplings_A[0] / 10)
    page = Image.open(io.BytesIO(picture)).convert("RGB")
    page.thumbnail((WIDTH_PX, 10 * WIDTH_PX))
    page.quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
