from PIL import Image

from temflux.engine.report.learning import draw_learning_curves


def test_the_same_curves_are_the_same_bytes(tmp_path):
    curves = [
        {"epoch": n, "loss": 1 / n, "val_loss": 1.2 / n, "f1": 1 - 1 / n, "val_f1": 1 - 1.1 / n}
        for n in range(1, 9)
    ]
    one, other = (draw_learning_curves(curves, tmp_path / name) for name in ("a", "b"))
    assert one.read_bytes() == other.read_bytes()
    assert (tmp_path / "a" / "curves.svg").read_text().count("validation") >= 1
    assert Image.open(one).size[0] > 1000


def test_one_epoch_without_validation_or_metric(tmp_path):
    path = draw_learning_curves([{"epoch": 1, "loss": 0.5}], tmp_path)
    assert path.exists()
