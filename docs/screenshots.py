"""`make screenshots`: the README's pictures, taken of the demo's page in headless Chromium."""

import shutil
import subprocess
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

from PIL import Image

from temflux.batch.cli import main

HERE = Path(__file__).parent
# Name, width, height in CSS pixels, and how much finer the picture is.
SHOTS = [("page", 1100, 1560, 1), ("phone", 390, 844, 1)]
CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
]
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


def screenshot(page: Path, name: str, width: int, height: int, scale: int) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("expected Chromium on the path to take screenshots, found none; install it first")
    target = HERE / f"{name}.png"
    with tempfile.TemporaryDirectory() as profile:
        size = [f"--window-size={width},{height}", f"--force-device-scale-factor={scale}"]
        command = [browser, *CHROMIUM, *QUIET, f"--user-data-dir={profile}", *size]
        subprocess.run([*command, f"--screenshot={target}", page.as_uri()], check=True, capture_output=True)
    # A palette is enough for line art and grey frames, and keeps the repository small.
    Image.open(target).convert("RGB").quantize(256, kmeans=3, dither=Image.Dither.NONE).save(
        target, optimize=True
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        if main(["demo", "--out", "demo"]) != 0:
            sys.exit(1)
        found = next(Path(folder).glob("demo/*/page.html"))
        for shot in SHOTS:
            screenshot(found, *shot)
