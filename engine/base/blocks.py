"""Runs of frames: what happens to a block is said here, where it runs is the runner's choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .errors import SettingsError

Result = TypeVar("Result")
SomeBlock = TypeVar("SomeBlock", bound="Block")


@dataclass(frozen=True)
class Block:
    """Frames start (included) to stop (excluded), read from halo_start on.

    Parameters
    ----------
    start, stop : int
        The frames that the block answers for.
    halo_start : int
        First frame that it reads, at most `start`: earlier frames that it needs to look back at.
    """

    start: int
    stop: int
    halo_start: int


Runner = Callable[[Callable[[SomeBlock], Result], Sequence[SomeBlock]], Iterable[Result]]


def plan_blocks(n_frames: int, *, frames_per_block: int, halo: int = 0) -> list[Block]:
    """Cut a movie into runs of frames.

    Parameters
    ----------
    n_frames : int
        Frames of the movie.
    frames_per_block : int
        Frames of a block; the last may have fewer.
    halo : int
        Frames before its own that a block reads too.

    Returns
    -------
    list of Block
        In order; every frame belongs to exactly one.

    Raises
    ------
    SettingsError
        If there is less than one frame a block, or the halo is negative.

    Examples
    --------
    >>> [(b.halo_start, b.start, b.stop) for b in plan_blocks(5, frames_per_block=2, halo=1)]
    [(0, 0, 2), (1, 2, 4), (3, 4, 5)]
    """
    if frames_per_block < 1 or halo < 0:
        raise SettingsError(
            f"expected at least 1 frame a block and a halo of 0 or more, got {frames_per_block} and {halo}"
        )
    starts = range(0, n_frames, frames_per_block)
    return [Block(s, min(s + frames_per_block, n_frames), max(0, s - halo)) for s in starts]


def run_serial(per_block: Callable[[SomeBlock], Result], blocks: Sequence[SomeBlock]) -> Iterator[Result]:
    """Run a function over blocks one after the other, here.

    Parameters
    ----------
    per_block : callable
        What happens to a block.
    blocks : sequence of Block
        The blocks, in order.

    Yields
    ------
    object
        What `per_block` returned, in the order of the blocks.

    Examples
    --------
    >>> list(run_serial(lambda block: block.stop, plan_blocks(4, frames_per_block=3)))
    [3, 4]
    """
    for block in blocks:
        yield per_block(block)
