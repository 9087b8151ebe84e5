"""Which movies a path means, and what they are called."""

import numpy as np
import pytest

from temflux.batch.plan import plan_movies
from temflux.engine.base.errors import ReadError


def make(path, n_frames=3):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.zeros((n_frames, 8, 8), np.uint8))


def test_a_file_is_one_movie_named_by_its_stem(tmp_path):
    make(tmp_path / "heating run é.npy")
    planned = plan_movies([tmp_path / "heating run é.npy"])
    assert [(movie.name, movie.source) for movie in planned] == [
        ("heating run é", str(tmp_path / "heating run é.npy"))
    ]


def test_a_folder_of_stacks_is_a_movie_each(tmp_path):
    make(tmp_path / "b.npy")
    make(tmp_path / "a.npy")
    assert [movie.name for movie in plan_movies([tmp_path])] == ["a", "b"]


def test_equal_stems_get_names_that_differ_and_do_not_depend_on_order(tmp_path):
    make(tmp_path / "monday" / "movie.npy")
    make(tmp_path / "tuesday" / "movie.npy")
    names = {movie.source: movie.name for movie in plan_movies([tmp_path])}
    assert names == {
        str(tmp_path / "monday" / "movie.npy"): "monday_movie",
        str(tmp_path / "tuesday" / "movie.npy"): "tuesday_movie",
    }


def test_arrays_of_one_file_are_movies_of_their_own(tmp_path):
    np.savez(tmp_path / "two.npz", first=np.zeros((2, 8, 8)), second=np.zeros((2, 8, 8)))
    planned = plan_movies([f"{tmp_path / 'two.npz'}#first", f"{tmp_path / 'two.npz'}#second"])
    assert [movie.name for movie in planned] == ["two_first", "two_second"]


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(ReadError, match="no such file or folder"):
        plan_movies([tmp_path / "absent.dm4"])
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ReadError, match="no file of a known kind"):
        plan_movies([tmp_path])
