"""What Dragonfly asks of another Python: masks by a network, and the page; told, and stopped by Cancel."""

import json
import os
import sys
import time
import webbrowser

import numpy as np
import pytest

from temflux.dragonfly_plugin import segmenting
from temflux.dragonfly_plugin.command import app
from temflux.dragonfly_plugin.dragonfly_host.host import Cancelled
from temflux.dragonfly_plugin.dragonfly_host.other_python import find_python, run_command, write_movie
from temflux.dragonfly_plugin.dragonfly_host.progress import drive
from temflux.engine.base.errors import DataError, SettingsError
from temflux.engine.base.stack import Stack
from temflux.engine.files.read import open_movie
from tests.hosts.dragonfly_items import load_item
from tests.movies import PIXEL_NM, disc_movie
from tests.predictors import save_dark_model

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a script stands for the other Python")
NM = 1e-9


@pytest.fixture(scope="module")
def movie():
    return disc_movie(n_frames=3)


@pytest.fixture
def image(dragonfly, movie):
    return dragonfly.channel(movie[0], pixel_m=PIXEL_NM * NM, title="Au on CeO2")


@pytest.fixture
def pretend_python(tmp_path, monkeypatch):
    """Make a script that stands for the Python with temflux; it gets what would be typed after `temflux`."""

    def make(text):
        script = tmp_path / "other-python"
        lines = [f"#!{sys.executable}", "import sys", "typed = sys.argv[3:]", text]
        script.write_text("\n".join(lines) + "\n")
        script.chmod(0o755)
        monkeypatch.setenv("TEMFLUX_PYTHON", str(script))
        return script

    return make


# What the command does, with a threshold in the network's place.
MARK = """
import numpy as np
frames = np.load(typed[3])["frames"]
for done in range(len(frames)):
    print(done + 1, len(frames), flush=True)
np.save(typed[5], frames < 80)
print("note: far from what the model knows")
"""


def test_a_segmented_image_becomes_a_roi(dragonfly, extensions, image, movie, pretend_python):
    pretend_python(MARK)
    dragonfly.answers.append("bf-particles")
    assert dragonfly.choose(load_item(extensions, "segment"), image)
    (roi,) = dragonfly.published(dragonfly.ROI)
    np.testing.assert_array_equal(roi._data[0], movie[0] < 80)
    assert roi.getTitle() == "Au on CeO2: particles by bf-particles"
    assert roi.getHasSameShape(image)
    ((icon, text),) = dragonfly.messages
    assert (icon, text.endswith("far from what the model knows")) == ("Information", True)
    stages = [caption.partition(" (")[0] for caption in dragonfly.captions]
    assert stages == ["handing over the movie", "asking the model", "marking particles"]


def test_the_other_python_hears_nothing_of_the_hosts(
    dragonfly, extensions, image, pretend_python, monkeypatch
):
    monkeypatch.setenv("PYTHONHOME", "/of/the/host")
    monkeypatch.setenv("QT_PLUGIN_PATH", "/of/the/host")
    pretend_python(
        "import os\nheard = [name for name in os.environ if name.startswith(('PYTHON', 'QT_'))]\n"
        "sys.stderr.write(f'temflux: heard {heard}')\nsys.exit(1)"
    )
    dragonfly.answers.append("bf-particles")
    assert dragonfly.choose(load_item(extensions, "segment"), image)
    assert dragonfly.messages == [("Critical", "temflux: heard []")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "sys.stderr.write('W library\\ntemflux: no model is called so\\nW end\\n'); sys.exit(1)",
            "temflux: no model is called so",
        ),
        ("sys.stderr.write('No module named temflux\\n'); sys.exit(1)", "does not have temflux"),
        ("sys.exit(3)", "temflux: it ended with code 3"),
    ],
)
def test_what_it_says_of_errors_is_told(dragonfly, extensions, image, pretend_python, text, said):
    pretend_python(text)
    dragonfly.answers.append("none")
    assert dragonfly.choose(load_item(extensions, "segment"), image)
    ((icon, line),) = dragonfly.messages
    assert icon == "Critical"
    assert said in line
    assert "W end" not in line
    assert len(dragonfly.objects) == 1


def test_a_python_that_does_not_run_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv("TEMFLUX_PYTHON", raising=False)
    with pytest.raises(SettingsError, match="is not known: install the items again"):
        find_python(tmp_path)
    (tmp_path / "settings.json").write_text(json.dumps({"python": "/no/such/python"}))
    with pytest.raises(SettingsError, match="/no/such/python, the Python that has temflux, is not there"):
        find_python(tmp_path)
    (tmp_path / "settings.json").write_text(json.dumps({"python": sys.executable}))
    assert find_python(tmp_path) == sys.executable
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    monkeypatch.setenv("TEMFLUX_PYTHON", str(broken))
    assert find_python(tmp_path) == str(broken)
    with pytest.raises(SettingsError, match="does not run"):
        list(run_command(str(broken), ["menus"], tmp_path, "marking", 1))


def test_a_python_without_temflux_is_told(tmp_path):
    script = tmp_path / "bare"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} -S -E -m nothing_of_that_name\n")
    script.chmod(0o755)
    with pytest.raises(SettingsError, match="does not have temflux"):
        list(run_command(str(script), ["menus"], tmp_path, "marking", 1))


def test_the_installed_settings_name_this_python(extensions, monkeypatch):
    monkeypatch.delenv("TEMFLUX_PYTHON", raising=False)
    assert find_python(extensions / "temflux") == sys.executable


def test_cancel_ends_the_other_python(dragonfly, extensions, image, pretend_python, tmp_path):
    pretend_python(
        f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "print('1 3', flush=True)\ntime.sleep(60)"
    )
    dragonfly.answers.append("bf-particles")
    dragonfly.cancel_after = 12
    began = time.monotonic()
    assert dragonfly.choose(load_item(extensions, "segment"), image)
    assert time.monotonic() - began < 20
    assert not dragonfly.messages
    assert len(dragonfly.objects) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_cancelled_model_does_nothing(dragonfly, extensions, image):
    dragonfly.answers.append("")
    assert dragonfly.choose(load_item(extensions, "segment"), image)
    assert len(dragonfly.objects) == 1
    assert not dragonfly.messages


def test_the_movie_is_handed_over_as_it_is(movie, tmp_path):
    frames = movie[0].astype(np.float32)
    steps = list(write_movie(Stack.from_array(frames, pixel_nm=0.1, frame_s=0.5), tmp_path / "movie.npz"))
    read = open_movie(tmp_path / "movie.npz")
    np.testing.assert_array_equal(read.read(0, 3), frames)
    assert (read.pixel_nm, read.frame_s, read.dtype) == (0.1, 0.5, np.float32)
    assert [step.done for step in steps] == [1, 2, 3]


def test_a_full_disk_is_told(movie, tmp_path):
    with pytest.raises(DataError, match="cannot write the movie for temflux"):
        list(write_movie(Stack.from_array(movie[0]), tmp_path / "nowhere" / "movie.npz"))


def test_the_page_is_the_commands(dragonfly, extensions, image, movie, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setenv("TEMFLUX_PYTHON", sys.executable)
    dragonfly.answers.append(str(tmp_path))
    chosen = [dragonfly.roi(movie[1], image), image]
    assert dragonfly.choose(load_item(extensions, "page"), *chosen)
    assert not dragonfly.messages
    folder = tmp_path / "Au-on-CeO2-temflux" / "Au-on-CeO2"
    assert opened == [(folder / "page.html").as_uri()]
    record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    assert record["segmentation"]["kind"] == "masks"
    assert record["pixel_nm"] == pytest.approx(PIXEL_NM)
    dragonfly.answers.append(str(tmp_path))
    assert dragonfly.choose(load_item(extensions, "page"), *chosen)
    assert "is there already" in dragonfly.messages[0][1]


def test_without_a_roi_the_threshold_marks(
    dragonfly, extensions, image, tmp_path, monkeypatch, pretend_python
):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    pretend_python(
        "import pathlib\nassert typed[0] == 'track' and len(typed) == 4, typed\n"
        "page = pathlib.Path(typed[3], pathlib.Path(typed[1]).stem, 'page.html')\n"
        "page.parent.mkdir(parents=True)\npage.write_text('page')"
    )
    dragonfly.answers.append(str(tmp_path))
    assert dragonfly.choose(load_item(extensions, "page"), image)
    assert opened == [(tmp_path / "Au-on-CeO2-temflux" / "Au-on-CeO2" / "page.html").as_uri()]


def test_a_cancelled_page_leaves_nothing(dragonfly, extensions, image, tmp_path, pretend_python):
    pretend_python("import pathlib, time\npathlib.Path(typed[3]).mkdir()\ntime.sleep(60)")
    results = tmp_path / "results"
    results.mkdir()
    dragonfly.answers.append(str(results))
    dragonfly.cancel_after = 12
    assert dragonfly.choose(load_item(extensions, "page"), image)
    assert not list(results.iterdir())
    assert not dragonfly.messages


def test_the_real_command_marks_as_tracking_does(dragonfly, extensions, image, pretend_python, tmp_path):
    model = save_dark_model(tmp_path / "model") or tmp_path / "model"
    pretend_python(
        "from temflux.dragonfly_plugin.command import app\n"
        "sys.exit(app(typed[1:], result_action='return_value'))"
    )
    dragonfly.answers.append(str(model))
    assert dragonfly.choose(load_item(extensions, "segment"), image)
    (roi,) = dragonfly.published(dragonfly.ROI)
    from temflux.engine.workflows.tracking.segmentation import choose_segmentation

    frames = image.getNDArray(0).copy()
    chosen = choose_segmentation(Stack.from_array(frames, pixel_nm=PIXEL_NM), f"model:{model}")
    masks = np.stack([chosen.mask(index, frame) for index, frame in enumerate(frames)])
    assert masks.any()
    np.testing.assert_array_equal(roi._data[0], masks)


def test_masks_are_written_whole_or_not_at_all(movie, tmp_path, monkeypatch, capsys):
    np.savez(tmp_path / "movie.npz", frames=movie[0], pixel_nm=PIXEL_NM)

    class Marked:
        notes = ("a note",)
        fails = True

        def mask(self, index, frame):
            if self.fails and index == 1:
                raise DataError("no")
            return frame < 80

    monkeypatch.setattr(segmenting, "choose_segmentation", lambda *_: Marked())
    typed = ["segment", "any", str(tmp_path / "movie.npz"), "--out", str(tmp_path / "masks.npy")]
    with pytest.raises(DataError):
        app(typed, result_action="return_value")
    assert [path.name for path in tmp_path.iterdir()] == ["movie.npz"]
    assert capsys.readouterr().out == "1 3\n"
    Marked.fails = False
    assert app(typed, result_action="return_value") == 0
    np.testing.assert_array_equal(np.load(tmp_path / "masks.npy"), movie[0] < 80)
    assert capsys.readouterr().out == "1 3\n2 3\n3 3\nnote: a note\n"


def test_work_is_closed_where_cancelled(dragonfly):
    closed = []

    def work():
        from temflux.dragonfly_plugin.results import Step

        try:
            while True:
                yield Step("going", 1, 2)
        finally:
            closed.append(True)

    dragonfly.cancel_after = 3
    with pytest.raises(Cancelled):
        drive(work(), "note")
    assert closed == [True]
