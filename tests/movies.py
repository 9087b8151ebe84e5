"""Small movies of plain discs for tests: what is in each frame is known by construction."""

import numpy as np

from temflux.engine.base.stack import Stack

PIXEL_NM = 0.1
FRAME_S = 0.5


def disc_masks(centres, radii, shape):
    """Masks (n, Y, X) of discs, one centre (y, x) and radius [px] each."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.array(
        [(y - cy) ** 2 + (x - cx) ** 2 <= r**2 for (cy, cx), r in zip(centres, radii, strict=True)]
    )


def disc_movie(n_frames=6, shape=(160, 200), *, seed=0, blank=()):
    """Three drifting dark discs of 20, 16 and 14 px radius on noise, one of which shrinks.

    Returns the frames (T, Y, X) uint16 and the masks (T, Y, X) bool.
    """
    rng = np.random.default_rng(seed)
    frames, masks = [], []
    for t in range(n_frames):
        centres = [(50 + t, 50), (110, 60 + 2 * t), (60, 150 - t)]
        radii = [20, 16, 14 - min(0.3 * t, 2.5)]
        mask = disc_masks(centres, radii, shape).any(axis=0)
        counts = rng.poisson(np.where(mask, 60.0, 100.0))
        frames.append(np.full(shape, 7) if t in blank else counts)
        masks.append(mask & (t not in blank))
    return np.array(frames, np.uint16), np.array(masks)


def disc_stack(n_frames=6, **options):
    """The same as a calibrated Stack."""
    frames, _ = disc_movie(n_frames, **options)
    return Stack.from_array(frames, pixel_nm=PIXEL_NM, frame_s=FRAME_S, name="discs")


def save_movie(path, **options):
    """The same as a calibrated .npz file."""
    frames, _ = disc_movie(**options)
    np.savez(path, frames=frames, pixel_nm=PIXEL_NM, frame_s=FRAME_S)
    return path
