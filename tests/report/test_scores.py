import numpy as np
import pytest

from temflux.engine.report.canvas import new_figure
from temflux.engine.report.dose_limit import draw_dose_examples, draw_dose_limit
from temflux.engine.report.learning import draw_learning_curves
from temflux.engine.report.log_axis import plain_log_ticks, plain_number
from temflux.engine.report.scores import draw_disagreement, draw_examples, draw_scores


def images(n=40):
    rng = np.random.default_rng(0)
    return [
        {
            "method": method,
            "dose_e_per_A2": 10 ** rng.uniform(1, 4),
            "defocus_A": rng.uniform(-200, 200),
            "f1": rng.random(),
        }
        for method in ("mine", "tuned classical", "vacuum")
        for _ in range(n)
    ]


def test_the_same_scores_are_the_same_bytes(tmp_path):
    bins = [{"lower": b / 4, "probability": b / 4, "frequency": b / 5, "count": 10.0**b} for b in range(4)]
    ranges = {"dose_e_per_A2": (20.0, 1e3), "defocus_A": (-100.0, 100.0)}
    for name in ("a", "b"):
        drawn = draw_scores(images(), bins, tmp_path / name, headline="f1", ranges=ranges)
    assert drawn == ["dose", "defocus", "distribution", "reliability"]
    for name in drawn:
        assert (tmp_path / "a" / f"{name}.png").read_bytes() == (tmp_path / "b" / f"{name}.png").read_bytes()
    assert "$" not in (tmp_path / "a" / "dose.svg").read_text()
    assert "trained on" in (tmp_path / "a" / "dose.svg").read_text()


def test_sets_without_dose_have_no_such_figure(tmp_path):
    rows = [{"method": "mine", "rmse": 0.1 * n} for n in range(3)]
    assert draw_scores(rows, [], tmp_path, headline="rmse", ranges={}) == ["distribution"]


@pytest.mark.parametrize("columns", [False, True])
def test_examples_show_image_truth_and_what_was_found(tmp_path, columns):
    label = np.zeros((32, 32, 1))
    label[8:20, 8:20] = 1
    xy = np.array([[1.0, 1.0], [2.0, 2.0]])
    marks = {"true": (xy, [0, 1], [True, False]), "found": (xy, [0, 0], [True, False])} if columns else {}
    example = {
        "name": "best",
        "score": 0.9,
        "image": label[..., 0],
        "truth": label,
        "maps": 0.9 * label,
        "sampling_A": 0.1,
        "drawn": {"dose_e_per_A2": 13_124.0, "defocus_A": 20.0},
        "background": False,
        "classes": ("Mo", "2S") if columns else (),
        **marks,
    }
    assert draw_examples([example] * 3, tmp_path, headline="f1").exists()
    text = (tmp_path / "examples.svg").read_text()
    assert "13,100" in text
    assert ("2S" in text) == columns
    assert ("1 wrong (○), 1 missed (×)" in text) == columns


def test_disagreement_stands_beside_the_error(tmp_path):
    label = np.zeros((32, 48, 1))
    label[8:20, 8:20] = 1
    y, x = np.mgrid[:32, :48]
    example = {
        "name": "best",
        "score": 0.9,
        "image": label[..., 0] + 0.1 * np.sin(x + y),
        "truth": label,
        "maps": np.clip(label + 0.3 * np.sin(x / 5)[..., np.newaxis], 0, 1),
        "sampling_A": 1.0,
        "disagreement": 0.1 * np.abs(np.sin(y / 4)),
    }
    assert draw_disagreement([example] * 2, tmp_path, headline="f1").exists()
    text = (tmp_path / "disagreement.svg").read_text()
    for said in ("best: pixel F1 0.900", "error of the model", "disagreement", "standard deviation"):
        assert said in text


def test_a_study_of_dose_is_drawn_with_its_limits(tmp_path):
    names = ("area", "f1")
    by_dose = [
        {
            "dose_e_per_A2": dose,
            "false_area": 0.01,
            **{f"{name}{part}": dose / 1e4 for name in names for part in ("", "_q10", "_q90")},
        }
        for dose in (10.0, 100.0, 1e3, 1e4)
    ]
    limits = {"half": {"dose_e_per_A2": 31.4}, "full": {"dose_e_per_A2": None}, "by_dose": by_dose}
    assert draw_dose_limit({"mine": limits, "mean": limits}, tmp_path, nulls=("mean",)).exists()
    text = (tmp_path / "doselimit.svg").read_text()
    assert text.count("half 31.4") == 1
    assert "mean (null)" in text
    assert "full" not in text.replace("full_", "").split("shaded")[1]
    mask = np.eye(16) > 0
    example = {
        "dose_e_per_A2": 1000.0,
        "image": np.zeros((16, 16)),
        "truth": mask,
        "masks": {"mine": mask},
        "f1": {"mine": 1.0},
        "sampling_A": 0.1,
    }
    assert draw_dose_examples([example] * 6, tmp_path).exists()
    assert "1,000" in (tmp_path / "examples.svg").read_text()


@pytest.mark.parametrize(("limits", "first"), [((0.01, 20), "0.01"), ((0.3, 0.9), "0.5"), ((1, 1e6), "1")])
def test_logarithmic_axes_have_plain_numbers(limits, first):
    figure, [[axes]] = new_figure(3.0, 4.0)
    axes.set_ylim(*limits)
    plain_log_ticks(axes.yaxis)
    figure.canvas.draw()
    shown = [tick.label1.get_text() for tick in axes.yaxis.get_major_ticks()]
    assert first in shown
    assert not any("$" in text or "e" in text for text in shown)


def test_learning_curves_have_plain_numbers(tmp_path):
    curves = [{"epoch": n, "loss": 10.0**-n} for n in range(5)]
    draw_learning_curves(curves, tmp_path)
    text = (tmp_path / "curves.svg").read_text()
    assert "0.01" in text
    assert "mathdefault" not in text


def test_numbers_have_three_digits_and_no_exponent():
    assert [plain_number(x) for x in (1e4, 0.0312, 31.45, 0)] == ["10,000", "0.0312", "31.4", "0"]
