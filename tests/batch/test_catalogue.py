"""The list of models: with and without a zoo, as a table and as JSON, and quick."""

import json
import subprocess
import sys

import pytest

from temflux.batch.cli import main
from temflux.batch.exit_codes import GOOD, SOME_FAILED
from temflux.engine.learn import model_files
from tests.predictors import save_dark_model

CARD = {
    "task": "Dark particles [in bright field]",
    "figures": {"F1": 0.98765, "falls at": "10 e⁻/Å²"},
    "limits": ("Fails on thick supports.",),
    "licence": "BSD-3-Clause",
    "energies_eV": (300e3,),
    "recipe": {"seed": 7},
}


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    monkeypatch.setattr(model_files, "zoo_folder", lambda: tmp_path / "zoo")
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path / "zoo"


def test_an_empty_zoo_says_what_to_do(zoo, capsys):
    assert not zoo.exists()
    assert main(["models"]) == GOOD
    assert "make one: temflux train, or make zoo NAME" in capsys.readouterr().out
    assert main(["models", "--json"]) == GOOD
    assert json.loads(capsys.readouterr().out) == []


def test_models_are_listed_with_figures_ranges_and_limits(zoo, capsys):
    save_dark_model(zoo / "dark", **CARD)
    assert main(["models"]) == GOOD
    said = capsys.readouterr().out
    for part in ("dark", "[in bright field]", "F1: 0.9877", "0.5 to 2 Å/px", "energy 300 keV", "thick"):
        assert part in said


def test_one_card_is_shown_whole(zoo, capsys):
    save_dark_model(zoo / "dark", **CARD)
    for name in ("dark", str(zoo / "dark")):
        assert main(["models", name]) == GOOD
        said = capsys.readouterr().out
        for part in ("version 1", "falls at: 10 e⁻/Å²", "BSD-3-Clause", '"seed": 7', "weights.npz"):
            assert part in said
    assert main(["models", "dark", "--json"]) == GOOD
    assert json.loads(capsys.readouterr().out)["figures"] == CARD["figures"]
    assert main(["models", "light"]) == SOME_FAILED
    assert "give a model's folder, or a name of the zoo: dark" in capsys.readouterr().err


def test_listing_loads_no_network(tmp_path):
    heavy = ["keras", "tensorflow", "matplotlib", "numba", "pandas"]
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({heavy}))\n"
        "from temflux.batch.cli import main; sys.exit(main(['models']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
