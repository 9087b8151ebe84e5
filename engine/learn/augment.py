"""Variations of a training image: mirrored, turned, brighter, of other contrast and gamma (thesis, 3.3).

Of few frames more must be made: any angle and scale, and noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..base.errors import SettingsError
from .warp import add_noise, warp_window

_Range = tuple[float, float]


@dataclass(frozen=True)
class Augmentation:
    """How much training images are varied; a range whose ends are equal changes the image by that much.

    Parameters
    ----------
    flips : bool
        Mirror in y and in x, each in half of the cases.
    turns : bool
        Turn by 0, 90, 180 or 270 degrees; images that are not square by 0 or 180.
    brightness : (float, float) or None
        Range of what is added [standard deviations of the standardised image].
    contrast : (float, float) or None
        Range of the factor on deviations from the mean.
    gamma : (float, float) or None
        Range of the exponent on the image scaled to [0, 1].
    angles : bool
        Cut windows at any angle; like `scale`, for labels of yes and no alone.
    scale : (float, float) or None
        Range of the magnification of windows.
    noise : (float, float) or None
        Range of the deviation of white noise that is added, in standard deviations of the image.

    Raises
    ------
    SettingsError
        If a range is not finite and rising, a factor or exponent not above 0, or noise below it.

    Examples
    --------
    >>> Augmentation(gamma=None).contrast
    (0.9, 1.1)
    """

    flips: bool = True
    turns: bool = True
    brightness: _Range | None = (-0.1, 0.1)
    contrast: _Range | None = (0.9, 1.1)
    gamma: _Range | None = (0.9, 1.1)
    angles: bool = False
    scale: _Range | None = None
    noise: _Range | None = None

    def __post_init__(self) -> None:
        """Refuse ranges that cannot be drawn from."""
        for name in ("brightness", "contrast", "gamma", "scale"):
            asked = getattr(self, name)
            if asked is not None:
                _check_range(name, asked, above=None if name == "brightness" else 0.0)
        if self.noise is not None:
            _check_range("noise", self.noise)
            if self.noise[0] < 0:
                raise SettingsError(f"noise: expected 0 or more, got {self.noise}")

    @property
    def warps(self) -> bool:
        """Whether windows are turned or magnified as they are cut."""
        return self.angles or self.scale is not None


def cut_window(
    rng: np.random.Generator,
    image: np.ndarray,
    label: np.ndarray,
    shape: tuple[int, int],
    *,
    how: Augmentation | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a window at random, of any angle and scale where that is asked for.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where place, angle and scale come from.
    image, label : arrays (Y, X, F) and (Y, X, C)
        Image and label.
    shape : (int, int)
        Rows and columns of the window, no more than the image's [px].
    how : Augmentation or None
        What is varied; None for the place alone.

    Returns
    -------
    image, label : arrays (*shape, F) and (*shape, C)
        The same window of both.

    Examples
    --------
    >>> image = np.arange(6).reshape(2, 3, 1)
    >>> cut_window(np.random.default_rng(0), image, image, (2, 2))[0].shape
    (2, 2, 1)
    """
    top, left = (int(rng.integers(image.shape[axis] - side + 1)) for axis, side in enumerate(shape))
    if how is None or not how.warps:
        window = slice(top, top + shape[0]), slice(left, left + shape[1])
        return image[window], label[window]
    angle_rad = float(rng.uniform(0, 2 * math.pi)) if how.angles else 0.0
    low, high = how.scale or (1.0, 1.0)
    scale = math.exp(rng.uniform(math.log(low), math.log(high)))
    centre = top + (shape[0] - 1) / 2, left + (shape[1] - 1) / 2
    return warp_window(image, label, shape, centre=centre, angle_rad=angle_rad, scale=scale)


def augment(
    rng: np.random.Generator, image: np.ndarray, label: np.ndarray, *, how: Augmentation
) -> tuple[np.ndarray, np.ndarray]:
    """Vary an image and let its label follow.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the variation comes from; a change that is switched off leaves what follows it as it was.
    image : array (Y, X, F), float32
        Standardised image or focal series.
    label : array (Y, X, C)
        Its label; it follows mirrors and turns, and is left alone by changes of intensity.
    how : Augmentation
        What is varied, and how much.

    Returns
    -------
    image : array (Y, X, F) or, turned, (X, Y, F), float32
        The varied image.
    label : array (Y, X, C) or (X, Y, C)
        Its label.

    Examples
    --------
    >>> image = np.arange(4, dtype=np.float32).reshape(2, 2, 1)
    >>> varied, label = augment(np.random.default_rng(0), image, image > 2, how=Augmentation())
    >>> bool(label.reshape(-1)[varied.argmax()])
    True
    """
    # One child for each change, so that the draws of one do not depend on the others; the sixth is free.
    for_flips, for_turns, for_brightness, for_contrast, for_gamma, _, for_noise = rng.spawn(7)
    if how.flips:
        image, label = flip(for_flips, image, label)
    if how.turns:
        image, label = turn(for_turns, image, label)
    if how.brightness is not None:
        image = change_brightness(for_brightness, image, how.brightness)
    if how.contrast is not None:
        image = change_contrast(for_contrast, image, how.contrast)
    if how.gamma is not None:
        image = change_gamma(for_gamma, image, how.gamma)
    if how.noise is not None:
        image = add_noise(for_noise, image, float(for_noise.uniform(*how.noise)))
    return np.ascontiguousarray(image), np.ascontiguousarray(label)


def flip(rng: np.random.Generator, image: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mirror an image and its label in y and in x, each in half of the cases.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where chance comes from.
    image, label : arrays (Y, X, F) and (Y, X, C)
        Image and label.

    Returns
    -------
    image, label : arrays of the same shapes
        Both mirrored alike.

    Examples
    --------
    >>> image = np.arange(6).reshape(2, 3, 1)
    >>> mirrored, label = flip(np.random.default_rng(2), image, image)
    >>> bool((mirrored == label).all())
    True
    """
    for axis, mirrored in enumerate(rng.random(2) < 0.5):
        if mirrored:
            image, label = np.flip(image, axis), np.flip(label, axis)
    return image, label


def turn(rng: np.random.Generator, image: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn an image and its label by a multiple of 90 degrees; by 0 or 180 where it is not square.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where chance comes from.
    image, label : arrays (Y, X, F) and (Y, X, C)
        Image and label.

    Returns
    -------
    image, label : arrays of the same shapes
        Both turned alike.

    Examples
    --------
    >>> image = np.arange(6).reshape(2, 3, 1)
    >>> turn(np.random.default_rng(0), image, image)[0].shape
    (2, 3, 1)
    """
    quarters = int(rng.integers(4))
    if image.shape[0] != image.shape[1]:
        quarters = 2 * (quarters % 2)
    return np.rot90(image, quarters), np.rot90(label, quarters)


def change_brightness(rng: np.random.Generator, image: np.ndarray, limits: _Range) -> np.ndarray:
    """Add one random number to all pixels (thesis, Eq. 3.2).

    Parameters
    ----------
    rng : numpy.random.Generator
        Where chance comes from.
    image : array (Y, X, F), float32
        Image.
    limits : (float, float)
        Range of what is added, in units of the image.

    Returns
    -------
    array (Y, X, F), float32
        The brighter or darker image.

    Raises
    ------
    SettingsError
        If the range is not finite and rising.

    Examples
    --------
    >>> change_brightness(np.random.default_rng(0), np.zeros((1, 1, 1), np.float32), (2, 2)).item()
    2.0
    """
    _check_range("brightness", limits)
    return image + np.float32(rng.uniform(*limits))


def change_contrast(rng: np.random.Generator, image: np.ndarray, limits: _Range) -> np.ndarray:
    """Multiply deviations from each channel's mean by one random number (thesis, Eq. 3.3).

    Parameters
    ----------
    rng : numpy.random.Generator
        Where chance comes from.
    image : array (Y, X, F), float32
        Image.
    limits : (float, float)
        Range of the factor, above 0.

    Returns
    -------
    array (Y, X, F), float32
        The image with more or less contrast, of the same mean.

    Raises
    ------
    SettingsError
        If the range is not finite, rising and above 0.

    Examples
    --------
    >>> image = np.array([[[1.0], [3.0]]], np.float32)
    >>> change_contrast(np.random.default_rng(0), image, (2, 2)).ravel().tolist()
    [0.0, 4.0]
    """
    _check_range("contrast", limits, above=0.0)
    mean = image.mean(axis=(0, 1), keepdims=True, dtype=np.float64).astype(np.float32)
    return (image - mean) * np.float32(rng.uniform(*limits)) + mean


def change_gamma(rng: np.random.Generator, image: np.ndarray, limits: _Range) -> np.ndarray:
    """Raise the image, scaled to [0, 1], to a random power, and scale it back.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where chance comes from.
    image : array (Y, X, F), float32
        Image; the images of a series share one scale.
    limits : (float, float)
        Range of the exponent, above 0.

    Returns
    -------
    array (Y, X, F), float32
        The image with the same least and greatest value; a constant image as it was.

    Raises
    ------
    SettingsError
        If the range is not finite, rising and above 0.

    Notes
    -----
    Thesis, Eq. 3.4, is a factor on the image less its least value, which is contrast and brightness again;
    gamma is an exponent.

    Examples
    --------
    >>> image = np.array([[[0.0], [1.0], [2.0]]], np.float32)
    >>> change_gamma(np.random.default_rng(0), image, (2, 2)).ravel().tolist()
    [0.0, 0.5, 2.0]
    """
    _check_range("gamma", limits, above=0.0)
    lowest, highest = image.min(), image.max()
    width = highest - lowest
    exponent = np.float32(rng.uniform(*limits))
    if not width > 0:
        return image
    return ((image - lowest) / width) ** exponent * width + lowest


def _check_range(name: str, limits: _Range, *, above: float | None = None) -> None:
    low, high = limits
    fits = math.isfinite(low) and math.isfinite(high) and low <= high and (above is None or low > above)
    if not fits:
        bound = "" if above is None else f" above {above:g}"
        raise SettingsError(f"{name}: expected a lower and an upper bound{bound}, got {limits}")
