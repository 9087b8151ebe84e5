"""Simulated truth: systems and labelled images an hour beside plain abTEM; errors; memory."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

N_SYSTEMS, EPOCHS = 80, 10
N_PEER = 4
KINDS = {
    "supported": ({"metal": "Au", "support": "CeO2", "tilt_deg": 3.0}, 300e3),
    "flake": ({"formula": "MoS2"}, 50e3),
}
PARAMETERS = {
    "supported": {"label": "Mask", "image_epochs": EPOCHS, "debug": None},
    "flake": {"label": "Disk", "image_epochs": EPOCHS, "sampling": [0.09, 0.11], "debug": None},
}
# Pixel and slice of plain abTEM [Å]: as quick as is usual, and as fine as our error asks for.
PLAIN = {"usual": (0.1, 1.0), "as exact": (0.05, 0.25)}
FEW, MANY = 100, 1000

_IMAGES = """
import json, sys
from temflux.engine.workflows.images import make_images
from temflux.engine.workflows.simulating.parameters import check_parameters
from tests.bench.tracking import peak_mb
values = {"label": "Mask", "image_epochs": int(sys.argv[2]), "debug": None}
result = make_images(sys.argv[1], check_parameters(values), name="images-" + sys.argv[2])
print(json.dumps({"peak_mb": peak_mb(), "images": result.made}))
"""


def bench() -> list[dict]:
    rows = []
    for kind in KINDS:
        rows += throughput(kind)
    return rows + memory()


def throughput(kind: str) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        ours = images_an_hour(kind, Path(folder))
    rows = [
        {
            "what": f"{kind}: systems an hour, {os.cpu_count()} cores, start-up and disk counted",
            "asked": ">= 3000",
            "measured": ours["systems"],
            "peer": "",
            "unit": "1/h",
        },
        {
            "what": f"{kind}: labelled 512² images an hour, all counted",
            "asked": ">= 30000",
            "measured": ours["images"],
            "peer": "",
            "unit": "1/h",
        },
    ]
    wave_error, image_error = errors(kind, None)
    rows.append(
        {
            "what": f"{kind}: error of the exit wave, of the image",
            "asked": "< 1e-2, < 1e-3",
            "measured": f"{wave_error:.4f}, {image_error:.5f}",
            "peer": "",
            "unit": "r.m.s., vacuum = 1",
        }
    )
    for name, plain in PLAIN.items():
        theirs = plain_images_an_hour(kind, *plain)
        wave_error, image_error = errors(kind, plain)
        rows.append(
            {
                "what": f"{kind}: images an hour against plain abTEM, {name} ({plain[0]} Å, {plain[1]} Å)",
                "asked": ">= 2 at equal results",
                "measured": ours["images"] / theirs,
                "peer": f"{theirs:.0f} 1/h, errors {wave_error:.4f}, {image_error:.5f}",
                "unit": "ratio",
            }
        )
    return rows


def images_an_hour(kind: str, out: Path) -> dict[str, float]:
    """Run the two commands as a user does."""
    temflux = str(Path(sys.executable).parent / "temflux")
    parameters = out / "parameters.json"
    parameters.write_text(json.dumps(PARAMETERS[kind]))
    began = time.perf_counter()
    options = [f"--{name.replace('_', '-')}={value}" for name, value in KINDS[kind][0].items()]
    made = [temflux, "structures", kind, str(out / "set"), f"--count={N_SYSTEMS}", *options]
    subprocess.run(made, check=True, capture_output=True)
    waves_s = time.perf_counter() - began
    subprocess.run([temflux, "images", str(out / "set"), str(parameters)], check=True, capture_output=True)
    whole_s = time.perf_counter() - began
    return {
        "systems": N_SYSTEMS / whole_s * 3600,
        "images": N_SYSTEMS * EPOCHS / whole_s * 3600,
        "waves_s": waves_s,
    }


def systems(kind: str, count: int) -> list:
    from temflux.engine.workflows.simulating.recipes import draw_system, read_recipe

    recipe = read_recipe(kind, KINDS[kind][0])
    return [draw_system(recipe, number, "train") for number in range(count)]


def smearing(kind: str, atoms) -> dict[str, float]:
    from temflux.engine.workflows.simulating.recipes import read_recipe

    return read_recipe(kind, KINDS[kind][0]).smearing_A(set(atoms.get_chemical_symbols()))


def plain_wave(kind: str, atoms, sampling_A: float, slice_A: float):
    import abtem
    from abtem.parametrizations import KirklandParametrization

    potential = abtem.Potential(
        atoms,
        sampling=sampling_A,
        slice_thickness=slice_A,
        parametrization=KirklandParametrization(sigmas=smearing(kind, atoms)),
    )
    return abtem.PlaneWave(energy=KINDS[kind][1]).multislice(potential, lazy=False)


def plain_images_an_hour(kind: str, sampling_A: float, slice_A: float) -> float:
    """Systems, waves, images, noise, labels and files by abTEM, NumPy and scikit-image, nothing else."""
    import abtem
    from scipy.spatial import ConvexHull
    from skimage.draw import disk, polygon

    drawn = systems(kind, N_PEER + 1)
    seconds = []
    # Both cores work on one transform: abTEM's own way to use them. Plans are measured for the waves' one
    # grid and estimated for the images' many, which is the quickest of the four ways.
    quick = {"diagnostics.progress_bar": False, "fftw.threads": os.cpu_count()}
    with abtem.config.set(quick), tempfile.TemporaryDirectory() as folder:
        for number, system in enumerate(drawn):
            rng = np.random.default_rng(number)
            began = time.perf_counter()
            abtem.config.set({"fftw.planning_effort": "FFTW_MEASURE"})
            wave = plain_wave(kind, system.atoms, sampling_A, slice_A)
            images, labels = [], []
            abtem.config.set({"fftw.planning_effort": "FFTW_ESTIMATE"})
            for _ in range(EPOCHS):
                at = rng.uniform(0.07, 0.08) if kind == "supported" else rng.uniform(0.09, 0.11)
                ctf = abtem.CTF(
                    energy=KINDS[kind][1],
                    defocus=rng.uniform(-200, 200),
                    Cs=rng.uniform(0, 124500),
                    focal_spread=rng.uniform(5, 20),
                )
                measured = wave.apply_ctf(ctf).intensity().interpolate(sampling=at)
                image = np.asarray(measured.array)[:512, :512]
                electrons = rng.poisson(np.maximum(image, 0) * 10 ** rng.uniform(2, 6) * at**2)
                q = np.fft.fftfreq(image.shape[0])[:, None] ** 2 + np.fft.rfftfreq(image.shape[1]) ** 2
                mtf = 1 / (1 + (2 * np.sqrt(q) / rng.uniform(0.2, 0.6)) ** rng.uniform(2, 5))
                image = np.fft.irfft2(np.fft.rfft2(electrons) * mtf, s=image.shape)
                images.append((image + rng.poisson(0.01, image.shape)).astype(np.float32))
                xy = system.sites.xy_A / at
                label = np.zeros((image.shape[0], image.shape[1], len(system.sites.class_names)), np.uint8)
                if kind == "supported":
                    corners = xy[ConvexHull(xy).vertices]
                    label[(*polygon(corners[:, 0], corners[:, 1], label.shape[:2]), 0)] = 1
                else:
                    for (x, y), index in zip(xy, system.sites.classes, strict=True):
                        label[(*disk((x, y), 0.2 / at, shape=label.shape[:2]), index)] = 1
                labels.append(label)
            np.save(Path(folder) / "images.npy", np.stack(images))
            np.savez_compressed(Path(folder) / "labels.npz", np.stack(labels))
            seconds.append(time.perf_counter() - began)
    # The first one pays for plans and compilation.
    return EPOCHS / statistics.median(seconds[1:]) * 3600


def errors(kind: str, plain: tuple[float, float] | None) -> tuple[float, float]:
    """R.m.s. errors of wave and image against a fine reference; medians over systems."""
    from temflux.engine.generate.exit_wave import exit_wave
    from temflux.engine.generate.micrograph import form_image
    from temflux.engine.generate.transfer import Microscope

    energy_eV = KINDS[kind][1]
    found = []
    for system in systems(kind, N_PEER):
        u_A = smearing(kind, system.atoms)
        side = float(system.atoms.cell.lengths()[0])
        fine = exit_wave(
            system.atoms, energy_eV=energy_eV, debye_waller_A=u_A, sampling_A=0.05, spread_A=0.02
        )
        if plain is None:
            wave = exit_wave(system.atoms, energy_eV=energy_eV, debye_waller_A=u_A)
        else:
            import abtem

            with abtem.config.set({"diagnostics.progress_bar": False}):
                wave = np.asarray(plain_wave(kind, system.atoms, *plain).array).T
        microscope = Microscope(energy_eV=energy_eV, defocus_A=80, c30_A=5e4, focal_spread_A=10)
        image, reference = (
            form_image(
                w, extent_A=(side, side), microscope=microscope, shape=(512, 512), sampling_A=0.1
            ).image
            for w in (wave, fine)
        )
        found.append((difference(wave, fine), float(np.sqrt(np.mean((image - reference) ** 2)))))
    return tuple(statistics.median(values) for values in zip(*found, strict=True))


def difference(wave: np.ndarray, fine: np.ndarray) -> float:
    """R.m.s. difference of two waves on all frequencies of the finer one."""
    n = len(fine)
    wide = np.zeros((n, n), np.complex128)
    spectrum = np.fft.fftshift(np.fft.fft2(wave)) / wave.size
    half = min(len(wave), n) // 2
    middle, there = n // 2, len(wave) // 2
    wide[middle - half : middle + half, middle - half : middle + half] = spectrum[
        there - half : there + half, there - half : there + half
    ]
    reference = np.fft.fftshift(np.fft.fft2(fine)) / fine.size
    return float(np.sqrt(np.sum(np.abs(wide - reference) ** 2)))


def memory() -> list[dict]:
    """Peak memory of one process that makes few and many images of the same systems."""
    from temflux.engine.workflows.simulating.recipes import read_recipe
    from temflux.engine.workflows.structures import make_structures

    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, count in (("few", FEW // EPOCHS), ("many", MANY // EPOCHS)):
            out = str(Path(folder) / name)
            make_structures(out, read_recipe("flake", {"count": count}))
            run = [sys.executable, "-c", _IMAGES, out, str(EPOCHS)]
            ended = subprocess.run(run, check=True, capture_output=True, text=True)
            peaks[name] = json.loads(ended.stdout.splitlines()[-1])["peak_mb"]
    return [
        {
            "what": f"peak memory of a worker, {MANY} against {FEW} images of 512²",
            "asked": "the same",
            "measured": peaks["many"] / peaks["few"],
            "peer": f"{peaks['many']:.0f} MB against {peaks['few']:.0f} MB",
            "unit": "ratio",
        }
    ]
