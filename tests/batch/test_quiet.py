"""What TensorFlow tells of itself is not shown, and nothing else is lost."""

import os
import subprocess
import sys

import pytest

TOLD = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1700000000.123456    4711 port.cc:153] oneDNN custom operations are on.",
    "W0000 00:00:1700000000.123456    4711 cpu.cc:1] slow",
    "2026-01-01 10:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] This binary",
]
SAID = ["E0000 00:00:1700000000.123456    4711 gpu.cc:1] no driver", "something of somebody else"]
SCRIPT = """
import sys
from temflux.batch.quiet import quieten_tensorflow
quieten_tensorflow(); quieten_tensorflow()
sys.stderr.write("before\\n")
import tensorflow
import json
sys.stderr.write("after\\n")
print(tensorflow.answer)
"""


def run(folder, script):
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )


def fake(folder, end):
    lines = f"for line in {TOLD + SAID!r}:\n    os.write(2, line.encode() + b'\\n')\n"
    (folder / "tensorflow.py").write_text(f"import os\n{lines}answer = 42\n{end}\n")


def test_chatter_is_held_back_and_all_else_is_shown(tmp_path):
    fake(tmp_path, "")
    done = run(tmp_path, SCRIPT)
    assert done.stderr.splitlines() == ["before", *SAID, "after"]
    assert done.stdout == "42\n"


def test_an_import_that_fails_is_told_of(tmp_path):
    fake(tmp_path, "raise ImportError('built for another processor')")
    done = run(tmp_path, SCRIPT)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[:3] == ["before", *SAID]
    assert lines[-1] == "ImportError: built for another processor"


@pytest.mark.skipif(os.name == "nt", reason="shells differ on Windows")
def test_a_closed_screen_is_no_hindrance(tmp_path):
    fake(tmp_path, "")
    script = SCRIPT.replace("sys.stderr.write", "str").replace("import sys", "import sys, os\nos.close(2)")
    done = run(
        tmp_path, script.replace("import tensorflow\n", "os.write = lambda *_: 0\nimport tensorflow\n")
    )
    assert done.stdout == "42\n"
