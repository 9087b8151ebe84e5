"""Whether the light half works in Dragonfly's Python: a script for a Python that has nothing else.

python -m tests.hosts.light_half store FOLDER    where temflux is installed: items and numbers into FOLDER
python -m tests.hosts.light_half check FOLDER    in the other Python: the same items, the same numbers
"""

import csv
import sys
import webbrowser
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

HEAVY = ("numba", "pandas", "pydantic", "tensorflow", "zarr", "rsciio", "hyperspy", "cyclopts", "rich")
PIXEL_M = 1e-10
N_FRAMES = 4


def make_movie():
    """Two drifting discs of turning fringes, one of which vanishes: frames (T, Y, X) and masks."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:96, :160]
    frames, masks = [], []
    for t in range(N_FRAMES):
        large = np.hypot(y - 48, x - 48 - t) < 30
        small = (np.hypot(y - 40, x - 125) < 16) & (t < N_FRAMES - 1)
        angle = np.deg2rad(2 * t)
        phase = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / 8
        frames.append(rng.poisson(100 + 40 * np.cos(phase) * (large | small)))
        masks.append(large | small)
    return np.array(frames, np.uint16), np.array(masks)


def run_items(folder, frames, masks):
    """Run the items through the double; give their numbers by name."""
    from tests.hosts.dragonfly_double import pretended_host
    from tests.hosts.dragonfly_items import load_item

    with pretended_host() as host, TemporaryDirectory() as made:
        tables = Path(made)
        image = host.channel(frames, pixel_m=PIXEL_M)
        marked = host.roi(masks, image)
        host.answers.append("0.8")
        assert host.choose(load_item(folder, "label"), marked)
        (labels,) = host.published(host.MultiROI)
        one = host.ROI()
        one.copyShapeFromStructuredGrid(labels)
        labels.addToVolumeROI(one, 1)
        one.setTitle("one")
        one.publish()
        assert host.choose(load_item(folder, "spectrum"), one, image)
        spectra = host.published(host.Channel)[-1]
        assert spectra is not image, host.messages
        found = {
            "labels": labels.getAsArray(0, None).getAsNDArray().reshape(masks.shape),
            "spectra": spectra.getNDArray(0).copy(),
            "reciprocal_pixel": np.array(spectra.getXSpacing()),
        }
        chosen = {"properties": (labels, image), "peaks": (one, image), "events": (labels,)}
        for key, objects in chosen.items():
            host.answers.append(str(tables / key))
            assert host.choose(load_item(folder, key), *objects)
            found |= _numbers(key, tables / key, host.messages)
        assert all(icon == "Information" for icon, _ in host.messages), host.messages
        return {**found, "threshold": _threshold(frames)}


def _threshold(frames):
    """Masks without a network, from the room of images, which no item uses."""
    from temflux.engine.images.threshold import choose_threshold, segment_by_threshold

    settings = choose_threshold(frames.astype(np.float32))
    return np.stack([segment_by_threshold(frame, **settings) for frame in frames])


def _numbers(key, folder, messages):
    """Columns of numbers of the one table in a folder."""
    assert folder.is_dir(), messages
    (path,) = folder.glob("*.csv")
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows, f"{key}: no rows"
    return {f"{key}/{name}": _values([row[name] for row in rows]) for name in rows[0]}


def _values(cells):
    """Numbers where all are, else words."""
    try:
        return np.array([float(cell or "nan") for cell in cells])
    except ValueError:
        return np.array(cells)


def store(folder):
    """Install the items, run them here, and keep the movie and the numbers."""
    from temflux.dragonfly_plugin.installing import install_dragonfly

    install_dragonfly(folder)
    frames, masks = make_movie()
    found = run_items(folder, frames, masks)
    np.savez(folder / "expected.npz", frames=frames, masks=masks, **found)


def _load_all(root):
    """Load every module of the private copy but the compiled kernels, which the light half does without."""
    paths = [path for path in sorted(root.rglob("*.py")) if not path.name.startswith("kernels")]
    for path in paths:
        import_module(".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"))
    return len(paths)


def check(folder):
    """Run the installed items with this Python alone, and compare."""
    for name in HEAVY:
        try:
            __import__(name)
        except ImportError:
            continue
        raise SystemExit(f"expected a Python without {name}, so that it proves something")
    with np.load(folder / "expected.npz") as stored:
        expected = dict(stored)
    sys.path.insert(0, str(folder / "temflux" / "python"))
    found = run_items(folder, expected.pop("frames"), expected.pop("masks"))
    from temflux.engine.measure import connectivity

    assert Path(connectivity.__file__).is_relative_to(folder), connectivity.__file__
    assert set(found) == set(expected), set(found) ^ set(expected)
    n_modules = _load_all(folder / "temflux" / "python")
    for name, values in expected.items():
        if name == "labels" or values.dtype.kind in "Ub":
            np.testing.assert_array_equal(found[name], values, err_msg=name)
        else:
            np.testing.assert_allclose(found[name], values, rtol=2e-5, atol=1e-6, err_msg=name)
    import scipy
    import skimage

    sys.stdout.write(
        f"the light half loads ({n_modules} modules) and gives the same {len(found)} results with Python "
        f"{sys.version.split()[0]}, NumPy {np.__version__}, SciPy {scipy.__version__}, scikit-image "
        f"{skimage.__version__}\n"
    )


if __name__ == "__main__":
    # The pictures of tables are not for whoever runs this.
    webbrowser.open = str
    {"store": store, "check": check}[sys.argv[1]](Path(sys.argv[2]).resolve())
