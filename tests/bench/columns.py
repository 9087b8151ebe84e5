"""Atomic columns: errors over the Cramér-Rao bound, hops, likelihood and speed, beside atomap and trackpy."""

import importlib
import time
import warnings

import numpy as np
import pandas as pd

from temflux.engine.measure.columns.blobs import find_blobs
from temflux.engine.measure.columns.fit import fit_columns
from temflux.engine.measure.columns.hops import find_hops
from temflux.engine.measure.columns.likelihood import held_out_likelihood, thin_counts
from temflux.engine.measure.columns.noise import Noise
from temflux.engine.measure.columns.tracks import link_columns
from tests.planted_columns import lattice, position_bound_px, rate

PIXEL_A, WIDTH_PX, CONTRAST, SPACING_PX = 0.1, 4.5, -0.5, 20.0
SHAPE = (204, 204)
DOSES = (100, 300, 1_000, 3_000, 10_000)
# Each of its rounds moves a column only so far.
ATOMAP_ROUNDS = 4
FRAMES = {"isolated": 24, "2 Å lattice": 5}


def planted(kind, dose):
    spacing, margin = (SPACING_PX, 12.0) if kind == "2 Å lattice" else (64.0, 36.0)
    y, x = lattice(SHAPE, spacing, margin_px=margin)
    inner = np.hypot(y - y.mean(), x - x.mean()) < 70
    how = {"background": dose * PIXEL_A**2, "contrast": CONTRAST, "width_px": WIDTH_PX}
    return y, x, inner, rate(SHAPE, y, x, **how), position_bound_px(SHAPE, y, x, inner=inner, **how)


def by_atomap(frame, y, x):
    """The same starts refined by atomap's Gaussians on the inverted frame, until they settle."""
    sublattice = importlib.import_module("atomap.api").Sublattice
    # Inverted: atomap's columns are bright.
    bright = float(frame.max()) - frame.astype(float)
    atoms = sublattice(np.stack([x, y], axis=1), image=bright)
    atoms.find_nearest_neighbors()
    for _ in range(ATOMAP_ROUNDS):
        atoms.refine_atom_positions_using_2d_gaussian(show_progressbar=False)
    return np.array(atoms.y_position), np.array(atoms.x_position)


def by_trackpy(frame, y, x):
    """The same starts refined by trackpy's centres of mass on its band-passed, inverted frame."""
    trackpy = importlib.import_module("trackpy")
    bright = trackpy.bandpass(float(frame.max()) - frame.astype(float), 1.5, 15)
    table = trackpy.refine_com(bright, bright, 7, pd.DataFrame({"y": y, "x": x}))
    return table["y"].to_numpy(), table["x"].to_numpy()


def peer_of(call, frames, starts, y, inner):
    """Error of a peer [px]; None where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = [call(frame, *start)[0] for frame, start in zip(frames, starts, strict=True)]
    except ModuleNotFoundError:
        return None
    return float(np.sqrt(np.mean([(one - y)[inner] ** 2 for one in found])))


def position_rows():
    for kind, count in FRAMES.items():
        for dose in DOSES:
            y, x, inner, mean, bound = planted(kind, dose)
            rng = np.random.default_rng(dose)
            frames = [rng.poisson(mean) for _ in range(count)]
            starts = [
                (y + rng.normal(0, 0.35 * WIDTH_PX, len(y)), x + rng.normal(0, 0.35 * WIDTH_PX, len(y)))
                for _ in frames
            ]
            fits = [
                fit_columns(frame, *start, width_px=1.1 * WIDTH_PX, noise=Noise())
                for frame, start in zip(frames, starts, strict=True)
            ]
            error = [np.stack([fit["y_px"] - y, fit["x_px"] - x])[:, inner] for fit in fits]
            own = float(np.sqrt(np.mean(np.square(error))))
            what = f"{kind}, {dose:,} e⁻/Å²: position error over the exact bound"
            few = slice(0, 1 if kind == "2 Å lattice" else 6)
            peers = {
                name: peer_of(call, frames[few], starts[few], y, inner)
                for name, call in (("atomap", by_atomap), ("trackpy", by_trackpy))
            }
            for name, peer in peers.items():
                yield {
                    "what": f"{what} (peer: {name})",
                    "asked": 1.3,
                    "measured": own / bound,
                    "peer": None if peer is None else peer / bound,
                    "unit": "",
                }
            formula = 0.80 / (abs(CONTRAST) * np.sqrt(dose)) / PIXEL_A
            yield {
                "what": f"{kind}, {dose:,} e⁻/Å²: position error over 0.80/(|c|·√D) (peer: the exact bound)",
                "asked": 1.3,
                "measured": float(own / formula),
                "peer": float(bound / formula),
                "unit": "",
            }


def hop_rows(dose, asked):
    """Three adatoms beside a lattice of 45 columns, hops drawn at 0.1 a frame."""
    shape, n_frames = (150, 220), 100
    y, x = lattice((100, 220), SPACING_PX, margin_px=20)
    site_x = np.unique(x)
    rng = np.random.default_rng(11)
    at, planted_hops, table = np.array([1, 4, 7]), [], []
    for index in range(n_frames):
        for one in range(3):
            to = at[one] + rng.choice([-1, 1])
            apart = np.abs(np.delete(at, one) - to).min()
            if index and rng.random() < 0.2 and 0 <= to < len(site_x) and apart >= 2:
                planted_hops.append((index, at[one], to))
                at[one] = to
        all_y, all_x = np.append(y, np.full(3, 122.0)), np.append(x, site_x[at])
        frame = rng.poisson(
            rate(shape, all_y, all_x, background=dose / 100, contrast=CONTRAST, width_px=WIDTH_PX)
        )
        blobs = find_blobs(frame, scale_px=5.5, noise=Noise(), sign=-1)
        fit = fit_columns(frame, blobs["y_px"], blobs["x_px"], width_px=4.2, noise=Noise())
        table.append(np.stack([np.full(len(fit["y_px"]), index), fit["y_px"], fit["x_px"]]))
    frame, found_y, found_x = np.concatenate(table, axis=1)
    frame = frame.astype(np.int64)
    visit, drift_y, drift_x = link_columns(frame, found_y, found_x, max_step=0.45 * SPACING_PX)
    events = find_hops(frame, found_y - drift_y, found_x - drift_x, visit, spacing=SPACING_PX).events
    hop = events["kind"] == "hop"
    told = list(zip(events["frame"][hop], events["from_x"][hop], events["to_x"][hop], strict=True))
    hits = match(planted_hops, told, site_x)
    peer = None
    try:
        told_peer = trackpy_hops(frame, found_y, found_x)
        peer_hits = match(planted_hops, told_peer, site_x)
        peer = (peer_hits / max(len(told_peer), 1), peer_hits / len(planted_hops))
    except ModuleNotFoundError:
        pass
    for place, (name, value) in enumerate(
        (("precision", hits / max(len(told), 1)), ("recall", hits / len(planted_hops)))
    ):
        yield {
            "what": f"{name} of {len(planted_hops)} planted hops, {dose:,} e⁻/Å² (peer: trackpy links)",
            "asked": asked,
            "measured": value,
            "peer": None if peer is None else peer[place],
            "unit": "",
        }


def trackpy_hops(frame, y, x):
    """Steps of more than half a spacing in trackpy's links, its search reaching a spacing and a quarter."""
    trackpy = importlib.import_module("trackpy")
    trackpy.quiet()
    linked = trackpy.link(
        pd.DataFrame({"frame": frame, "y": y, "x": x}), search_range=1.25 * SPACING_PX, memory=2
    )
    hops = []
    for _, own in linked.sort_values("frame").groupby("particle"):
        step = np.hypot(own["y"].diff(), own["x"].diff()) > 0.5 * SPACING_PX
        before = own["x"].shift()
        hops += list(zip(own["frame"][step], before[step], own["x"][step], strict=True))
    return hops


def match(planted_hops, told, site_x):
    left, hits = list(told), 0
    for frame, start, stop in planted_hops:
        near = [
            one
            for one in left
            if abs(one[0] - frame) <= 1
            and abs(one[1] - site_x[start]) < SPACING_PX / 2
            and abs(one[2] - site_x[stop]) < SPACING_PX / 2
        ]
        if near:
            left.remove(near[0])
            hits += 1
    return hits


def null_rows():
    rng = np.random.default_rng(0)
    frames = 200
    shown = sum(
        find_blobs(rng.poisson(2.0, (128, 128)), scale_px=3.0, noise=Noise(), alpha=0.05)["y_px"].size > 0
        for _ in range(frames)
    )
    yield {
        "what": "share of frames of noise alone that show a column, alpha 0.05",
        "asked": 0.05,
        "measured": shown / frames,
        "peer": None,
        "unit": "",
    }
    y, x = lattice((120, 120), 24.0)
    naive, held = [], []
    for _ in range(20):
        half, other = thin_counts(rng.poisson(8.0, (120, 120)), rng)
        fit = fit_columns(half, y, x, width_px=4.0, noise=Noise())
        naive.append(held_out_likelihood(half, fit, noise=Noise())["log_likelihood_ratio"])
        held.append(held_out_likelihood(other, fit, noise=Noise())["log_likelihood_ratio"])
    yield {
        "what": "mean likelihood ratio exp(llr) where no column is, at most 1 (peer: on the counts fitted)",
        "asked": 1.0,
        "measured": float(np.exp(np.concatenate(held)).mean()),
        "peer": float(np.exp(np.concatenate(naive)).mean()),
        "unit": "",
    }


def speed_rows():
    shape = (512, 512)
    y, x = lattice(shape, SPACING_PX, margin_px=20)
    mean = rate(shape, y, x, background=10.0, contrast=CONTRAST, width_px=WIDTH_PX)
    frame = np.random.default_rng(0).poisson(mean)
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        blobs = find_blobs(frame, scale_px=5.5, noise=Noise(), sign=-1)
        fit_columns(frame, blobs["y_px"], blobs["x_px"], width_px=4.2, noise=Noise())
        taken.append(time.perf_counter() - began)
    peer = None
    try:
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            by_atomap(frame[:204, :204], *lattice((204, 204), SPACING_PX, margin_px=20))
        peer = len(lattice((204, 204), SPACING_PX, margin_px=20)[0]) / (time.perf_counter() - began)
    except ModuleNotFoundError:
        pass
    yield {
        "what": "columns found and fitted a second, one core (peer: atomap, its four rounds of fits alone)",
        "asked": None,
        "measured": len(y) / float(np.median(taken)),
        "peer": peer,
        "unit": "1/s",
    }


def bench() -> list[dict]:
    return [*position_rows(), *hop_rows(1_000, 0.95), *hop_rows(300, None), *null_rows(), *speed_rows()]
