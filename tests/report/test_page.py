"""Pages are whole in themselves, safe with any name, equal byte for byte, and quiet in a browser."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from temflux.engine.base.errors import WriteError
from temflux.engine.report.page import write_index, write_report
from temflux.engine.report.tables import summary_row

from .samples import SampleMovie, sample_movie


def report(folder: Path, movie: SampleMovie) -> str:
    write_report(
        folder,
        facts=movie.facts,
        tracks=movie.tracks,
        events=movie.events,
        peaks=movie.peaks,
        overlays=movie.overlays,
        spectra=movie.spectra,
        provenance={"version": "0.1.0", "settings": {"overlap": 0.5}},
    )
    return (folder / "page.html").read_text(encoding="utf-8")


class Links(HTMLParser):
    """Collects what a page refers to, and its pictures without a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.silent = 0
        self.opened: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.targets += [str(given[key]) for key in ("src", "href", "srcset") if key in given]
        self.silent += tag == "img" and not given.get("alt")
        if tag not in ("meta", "link", "img", "source", "br"):
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("run") / "gold 800 °C"
    return folder, report(folder, sample_movie())


def test_a_page_needs_nothing_but_itself_and_the_files_beside_it(page: tuple[Path, str]) -> None:
    folder, text = page
    links = Links(text)
    assert links.silent == 0
    assert links.opened == []
    outside = [target for target in links.targets if not target.startswith("data:")]
    assert not [target for target in outside if re.match(r"[a-z]+:|//", target)]
    figures = [target for target in outside if target.startswith("figures/")]
    assert figures
    assert all((folder / target).is_file() for target in figures)
    assert "http://" not in text
    assert "https://" not in text


def test_every_section_is_there(page: tuple[Path, str]) -> None:
    _, text = page
    for title in (
        "What was found",
        "Area over time",
        "Spectra",
        "Lattice peaks over time",
        "Events",
        "Particles",
    ):
        assert f"<h2>{title}</h2>" in text
    assert "6 particles followed through 24 frames" in text
    assert "Shaded: no frames were recorded" in text
    assert "140 e⁻/Å² a frame" in text


def test_equal_results_give_equal_bytes(page: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = page
    again = tmp_path / "again"
    report(again, sample_movie())
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [str(path) for path in files if (folder / path).read_bytes() != (again / path).read_bytes()] == []


def test_names_and_notes_cannot_break_the_page(tmp_path: Path) -> None:
    movie = sample_movie(n_frames=2, n_particles=1, size=64, name="<script>alert('ü')</script> & $x_1$")
    movie.facts["notes"] = ["<img src=x onerror=alert(1)>", 'a "quoted" 名前']
    text = report(tmp_path, movie)
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(&#39;ü&#39;)&lt;/script&gt; &amp; $x_1$" in text
    assert "名前" in text


def test_an_uncalibrated_movie_says_so_everywhere(tmp_path: Path) -> None:
    text = report(tmp_path, sample_movie(pixel_nm=None, timed=False, n_frames=4, size=96))
    assert "results are in pixels" in text
    assert "not calibrated" in text
    assert "[px²]" in text
    assert "[nm²]" not in text
    area = (tmp_path / "figures" / "area.svg").read_text()
    assert "area [px²]" in area
    assert ">frame<" in area
    traces = [path.read_text() for path in (tmp_path / "figures").glob("peaks_*.svg")]
    assert traces
    assert all(">4.4 px, " in text for text in traces)


@pytest.mark.parametrize("n_frames", [1, 20])
def test_a_movie_without_particles_has_a_page(tmp_path: Path, n_frames: int) -> None:
    write_report(
        tmp_path,
        facts={"movie": "empty", "frames": n_frames, "shape": (64, 64)},
        tracks=pd.DataFrame(),
        events=pd.DataFrame(),
        peaks=None,
        overlays=[(0, np.full((64, 64), np.nan), np.zeros((64, 64), np.int32))],
        spectra={},
        provenance={},
    )
    text = (tmp_path / "page.html").read_text()
    assert "No particle was found" in text
    assert "<h2>Area over time</h2>" not in text


def test_a_single_frame_has_a_page(tmp_path: Path) -> None:
    text = report(tmp_path, sample_movie(n_frames=1, size=96))
    assert "6 particles followed through 1 frame" in text
    assert "a single frame" in text


def test_many_particles_are_capped_and_counted(tmp_path: Path) -> None:
    movie = sample_movie(n_frames=3, n_particles=300, size=300)
    late = pd.DataFrame({"frame": 2, "time_s": 1.5, "event": "split", "particle": range(1, 301), "other": 1})
    movie.events = pd.concat([movie.events, late])
    text = report(tmp_path, movie)
    assert "8 of 300 particles" in text
    assert "The 200 largest and longest seen; the other 100 are in" in text
    assert "100 more events are in" in text
    assert "300 particles were there from the first frame on" in text
    assert len(text) < 6e6


def test_the_index_lists_done_and_failed(page: tuple[Path, str]) -> None:
    folder, _ = page
    movie = sample_movie()
    rows = [
        summary_row(movie.facts, movie.tracks, movie.events),
        {"movie": "bröken <1>", "status": "failed", "reason": "expected 4 frames, found 3 & a half"},
    ]
    write_index(folder.parent, rows)
    text = (folder.parent / "index.html").read_text(encoding="utf-8")
    links = Links(text)
    assert "1 done" in text
    assert "1 failed" in text
    assert "bröken &lt;1&gt;" in text
    assert "found 3 &amp; a half" in text
    assert "gold%20800%20%C2%B0C/page.html" in links.targets
    assert any(target.startswith("data:image/webp") for target in links.targets)
    assert links.silent == 0


def test_files_are_listed_where_they_are(page: tuple[Path, str], tmp_path: Path) -> None:
    movie = sample_movie(n_frames=1, n_particles=1, size=48)
    (tmp_path / "tracks.csv").write_text("")
    assert 'href="tracks.csv"' in report(tmp_path, movie)
    assert 'href="tracks.csv"' not in page[1]


def test_an_unwritable_folder_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot write"):
        write_index(tmp_path / "file", [])


def browse(file: Path, width: int, profile: Path) -> str:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no chromium here: pages are not opened in a browser")
    ran = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={profile}",
            "--enable-logging=stderr",
            "--v=0",
            f"--window-size={width},900",
            "--dump-dom",
            file.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "</html>" in ran.stdout
    return "\n".join(line for line in ran.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.parametrize("width", [360, 1200])
def test_a_browser_opens_the_page_without_a_complaint(
    page: tuple[Path, str], tmp_path: Path, width: int
) -> None:
    folder, _ = page
    assert browse(folder / "page.html", width, tmp_path / "profile") == ""


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_sticks_out_of_the_page(page: tuple[Path, str], tmp_path: Path, width: int) -> None:
    """A page in a frame of the width asked for: a headless window itself may refuse to be so narrow."""
    _, text = page
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    measure = (
        "<script>addEventListener('load', () => console.log('measured', "
        "document.documentElement.scrollWidth - document.documentElement.clientWidth, "
        "[...document.images].filter(image => !image.naturalWidth).length))</script></body>"
    )
    probe = tmp_path / "probe.html"
    probe.write_text(policy.sub("", text).replace("</body>", measure), encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(f'<iframe src="probe.html" width="{width}" height="800" style="border:0"></iframe>')
    said = browse(frame, 1400, tmp_path / "profile")
    assert re.search(r"measured 0 0\b", said), said
