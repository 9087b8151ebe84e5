"""`peaks` from end to end on tracked movies whose lattices are planted."""

import pickle

import numpy as np
import pandas as pd
import pytest
import tifffile

from temflux.engine.base.errors import CalibrationError, ReadError, SettingsError
from temflux.engine.workflows.following.crystal import open_crystal
from temflux.engine.workflows.following.pairs import crystal_notes, pair_table, with_planes
from temflux.engine.workflows.following.settings import PeaksSettings
from temflux.engine.workflows.following.tables import REFLECTION_COLUMNS, Calibration
from temflux.engine.workflows.peaks import follow_peaks
from temflux.engine.workflows.track import track
from temflux.engine.workflows.tracking.settings import TrackSettings

PIXEL_NM, FRAME_S, N_FRAMES = 0.05, 0.5, 8
TURN_DEG_PER_S = 3.0
SHAPE = (200, 240)
TWO, ONE, NONE = (60, 60), (60, 175), (145, 110)
FILES = ("reflections.csv", "pairs.csv", "zone_axis.csv", "rotation.csv", "readable_frames.csv")


def planted(*, dose=120.0, n_frames=N_FRAMES, frame_s=FRAME_S, faded=()):
    """Discs of 30 px: gold's {111} and {200} that turn; {111} alone; no lattice. Frames and masks.

    In the faded frames the first disc's {200} has a contrast that noise drowns.
    """
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    labels = np.zeros(SHAPE, np.int32)
    for number, centre in enumerate((TWO, ONE, NONE), start=1):
        labels[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < 30**2] = number
    frames = []
    for t in range(n_frames):
        turn = TURN_DEG_PER_S * frame_s * t
        waves = np.zeros(SHAPE)
        waves += (labels == 1) * cosine(PIXEL_NM / 0.2355, 20 + turn, y, x)
        fading = 0.08 if t in faded else 1.0
        waves += fading * (labels == 1) * cosine(PIXEL_NM / 0.2039, 74.7356 + turn, y, x)
        waves += (labels == 2) * cosine(PIXEL_NM / 0.2355, -40, y, x)
        frames.append(rng.poisson(dose * (1 - 0.2 * (labels > 0) + 0.12 * waves)))
    return np.array(frames, np.uint16), np.repeat(labels[np.newaxis], n_frames, axis=0)


def cosine(q, angle_deg, y, x):
    angle = np.radians(angle_deg)
    return np.cos(2 * np.pi * q * (np.cos(angle) * x - np.sin(angle) * y))


def tracked(folder, frames, labels, *, pixel_nm=PIXEL_NM, times_s=None):
    """Track a movie with given masks, and say where the results lie."""
    folder.mkdir(exist_ok=True)
    times = {"times_s": times_s} if times_s is not None else {"frame_s": FRAME_S}
    known = {} if pixel_nm is None else {"pixel_nm": pixel_nm}
    np.savez(folder / "movie.npz", frames=frames, **times, **known)
    np.savez(folder / "masks.npz", masks=labels)
    settings = TrackSettings(segment=f"masks:{folder / 'masks.npz'}", spectra="none")
    return track(folder / "movie.npz", settings, out=folder / "out" / "movie").folder


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    return tracked(tmp_path_factory.mktemp("peaks") / "gold", *planted())


@pytest.fixture
def undrawn(monkeypatch):
    """Leave out the pictures, which take most of the time."""
    monkeypatch.setattr("temflux.engine.workflows.peaks.put_peaks_section", lambda *_, **__: None)
    monkeypatch.setattr("temflux.engine.workflows.tracking.report.write_report", lambda *_, **__: None)


@pytest.fixture(scope="module")
def result(movie):
    return follow_peaks(movie, PeaksSettings(crystal="Au"))


def test_every_planted_reflection_is_found_and_nothing_else(result):
    pairs = result.pairs
    assert pairs.groupby("particle")["pair"].count().to_dict() == {1: 2, 2: 1}
    assert (pairs["frames"] == N_FRAMES).all()
    np.testing.assert_allclose(np.sort(pairs["d_nm"]), [0.2039, 0.2355, 0.2355], rtol=0.003)
    planted_d = pairs["plane"].map({"{111}": 0.2355, "{200}": 0.2039})
    off = (pairs["q_per_nm"] - 1 / planted_d) / pairs["q_error_per_nm"]
    assert (off.abs() < 4).all()
    assert pairs["lattice"].tolist() == ["1", "1", ""]


def test_each_row_has_its_error_and_both_members(result):
    table = result.reflections
    assert tuple(table.columns[: len(REFLECTION_COLUMNS)]) == REFLECTION_COLUMNS
    assert len(table) == 2 * 3 * N_FRAMES
    assert (table["pair"] == (table["peak"] + 1) // 2).all()
    odd, even = table[table["peak"] % 2 == 1], table[table["peak"] % 2 == 0]
    np.testing.assert_allclose(np.abs(odd["angle_deg"].to_numpy() - even["angle_deg"].to_numpy()), 180)
    assert (table[["q_error_per_nm", "angle_error_deg", "intensity_error"]] > 0).all(axis=None)
    assert table["intensity"].mean() == pytest.approx((0.12 / 0.8) ** 2, rel=0.05)
    np.testing.assert_allclose(table["time_s"], table["frame"] * FRAME_S)


def test_the_rate_of_rotation_is_the_planted_one(result):
    rotation = result.rotation.set_index("particle")
    rate, error = rotation["rotation_deg_per_s"], rotation["rotation_error_deg_per_s"]
    assert abs(rate[1] - TURN_DEG_PER_S) < 4 * error[1] < 0.4
    assert abs(rate[2]) < 4 * error[2]
    assert np.isnan(rate[3])
    assert rotation["lattices"].tolist() == [1, 0, 0]
    turns = result.zone_axis[result.zone_axis["particle"] == 1]["turn_deg"]
    np.testing.assert_allclose(np.diff(turns), TURN_DEG_PER_S * FRAME_S, atol=0.5)


def test_particles_are_readable_or_it_is_said_why_not(result):
    scores = result.zone_axis
    assert len(scores) == 3 * N_FRAMES
    by_particle = scores.groupby("particle")["reason"].agg(lambda reasons: set(reasons))
    assert by_particle.to_dict() == {
        1: {""},
        2: {"one direction of fringes only"},
        3: {"no reflection above noise"},
    }
    assert (scores["readable"] == (scores["particle"] == 1)).all()
    assert (scores[scores["particle"] == 1]["independent_reflections"] == 2).all()
    frames = result.readable_frames
    assert frames["readable"].all()
    assert (frames["readable_particles"] == 1).all()


@pytest.mark.usefixtures("undrawn")
def test_the_classifier_of_the_zoo_sees_what_was_planted(tmp_path):
    folder = tracked(tmp_path / "gold", *planted(n_frames=2))
    found = follow_peaks(folder, PeaksSettings(classifier="zone-axis"))
    classes = found.zone_axis.groupby("particle")["class"].unique()
    assert [one.tolist() for one in classes] == [["zone axis"], ["fringes"], ["neither"]]
    assert any("sampling" in note and "trained" in note for note in found.notes)
    columns = ["p_neither", "p_fringes", "p_zone_axis"]
    np.testing.assert_allclose(found.zone_axis[columns].sum(axis=1), 1, atol=1e-3)
    with pytest.raises(SettingsError, match="not of spectra"):
        follow_peaks(folder, PeaksSettings(classifier="au-ceo2-mask"))


def test_the_files_are_the_tables(result):
    for name in FILES:
        assert len(pd.read_csv(result.folder / name)) > 0
    read = pd.read_parquet(result.folder / "reflections.parquet")
    pd.testing.assert_frame_equal(read, result.reflections, check_dtype=False)
    noise = pd.read_csv(result.folder / "noise_spectrum.csv")
    np.testing.assert_allclose(noise["power"], 120, rtol=0.1)
    assert not (result.folder / ".peaks.work").exists()


@pytest.mark.usefixtures("result")
def test_blocks_of_any_size_give_the_same_bytes(movie, request):
    before = {name: (movie / name).read_bytes() for name in (*FILES, "reflections.parquet", "page.html")}
    follow_peaks(movie, PeaksSettings(crystal="Au"), frames_per_block=3)
    assert {name: (movie / name).read_bytes() for name in before} == before
    request.getfixturevalue("undrawn")
    follow_peaks(movie, PeaksSettings(crystal="Au"), frames_per_block=1)
    assert {name: (movie / name).read_bytes() for name in before} == before


def test_the_page_has_one_section_of_it(result):
    page = (result.folder / "page.html").read_text()
    assert page.count("Reflections and zone axes") >= 1
    assert page.count("<!-- section peaks -->") == 1
    assert "{111}" in page
    assert (result.folder / "figures" / "lattices.png").exists()


def test_the_zone_axis_map_opens_with_its_scale(result):
    with tifffile.TiffFile(result.folder / "zone_axis_map.ome.tif") as file:
        maps = file.asarray()
        assert 'PhysicalSizeX="0.05"' in file.ome_metadata
    assert maps.shape == (3, *SHAPE)
    first = result.zone_axis.query("particle == 1 and frame == 0")["noise_floored_ratio"].item()
    assert maps[0, TWO[0], TWO[1]] == pytest.approx(1 / first)
    assert 0 < maps[0, ONE[0], ONE[1]] < 0.05
    assert maps[0, NONE[0], NONE[1]] == 0


@pytest.mark.usefixtures("undrawn")
def test_work_that_was_stopped_goes_on(tmp_path):
    folder = tracked(tmp_path / "gold", *planted(n_frames=4))

    def stopped(per_block, blocks):
        yield per_block(blocks[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow_peaks(folder, runner=stopped, frames_per_block=2)
    assert not (folder / "reflections.csv").exists()
    done = []

    def counted(per_block, blocks):
        per_block = pickle.loads(pickle.dumps(per_block))
        for block in blocks:
            done.append(per_block.path(block).exists())
            yield per_block(block)

    result = follow_peaks(folder, runner=counted, frames_per_block=2)
    assert done == [True, False, False, False]
    assert len(result.reflections) == 2 * 3 * 4


def test_twins_are_two_lattices():
    angles = np.array([0.0, 54.7356, -54.7356, 109.4712, 164.2068])
    rng = np.random.default_rng(0)
    frames, count = 20, angles.size
    rows = {
        "frame": np.repeat(np.arange(frames), count),
        "particle": np.full(frames * count, 4),
        "pair": np.tile(np.arange(1, count + 1), frames),
        "q_per_px": np.tile(PIXEL_NM / np.array([0.2039, 0.2355, 0.2355, 0.2039, 0.2355]), frames),
        "angle_deg": np.tile(angles, frames) + np.repeat(np.arange(frames) * 1.5, count),
        "power": np.tile(np.linspace(90, 50, count), frames),
        "intensity": np.full(frames * count, 0.01),
        "q_error_per_px": np.full(frames * count, 2e-4),
        "angle_error_deg": np.full(frames * count, 0.3),
    }
    rows["peak"] = 2 * rows["pair"] - 1
    rows["angle_deg"] = (rows["angle_deg"] + rng.normal(0, 0.3, frames * count) + 90) % 180 - 90
    searches = {"particle": np.full(frames, 4), "frame": np.arange(frames)}
    pairs, lattices = pair_table(
        rows, searches, Calibration(PIXEL_NM, None), open_crystal("Au", least_d_nm=0.1)
    )
    assert pairs["plane"].tolist() == ["{200}", "{111}", "{111}", "{200}", "{111}"]
    assert pairs["lattice"][1] == "1 and 2"
    assert sorted(pairs["lattice"].drop(1)) == ["1", "1", "2", "2"]
    assert lattices[4].count == 2
    assert np.isfinite(lattices[4].mirror_deg)


@pytest.mark.usefixtures("undrawn")
def test_a_pair_that_fades_is_measured_where_it_would_lie(tmp_path):
    result = follow_peaks(tracked(tmp_path / "gold", *planted(faded=(3, 4))))
    of_first = result.reflections[result.reflections["particle"] == 1]
    short = of_first.groupby("pair")["d_nm"].mean().idxmin()
    weak = of_first[(of_first["pair"] == short) & (of_first["peak"] % 2 == 1)]
    assert weak["frame"].tolist() == list(range(N_FRAMES))
    assert weak["found"].tolist() == [t not in (3, 4) for t in range(N_FRAMES)]
    absent = weak[~weak["found"]]
    assert absent[["q_per_px", "d_nm", "angle_deg"]].isna().all(axis=None)
    off = (absent["intensity"] - (0.08 * 0.12 / 0.8) ** 2) / absent["intensity_error"]
    assert (off.abs() < 3).all()
    assert (absent["intensity"] < 0.1 * weak[weak["found"]]["intensity"].min()).all()
    rotation = result.rotation.set_index("particle")
    assert (rotation.loc[1, "pairs_vanished"], rotation.loc[1, "pairs_appeared"]) == (1, 1)
    states = result.readable_frames
    assert states["readable"].tolist() == [t not in (3, 4) for t in range(N_FRAMES)]
    assert states["reason"][3] in ("one direction of fringes only", "no reflection above noise")


@pytest.mark.usefixtures("undrawn")
def test_some_particles_only(tmp_path):
    folder = tracked(tmp_path / "gold", *planted(n_frames=2))
    result = follow_peaks(folder, PeaksSettings(particles="2"))
    assert set(result.zone_axis["particle"]) == {2}
    with pytest.raises(SettingsError, match="no particle 7"):
        follow_peaks(folder, PeaksSettings(particles="2,7"))


@pytest.mark.usefixtures("undrawn")
def test_a_crystal_that_explains_nothing_is_said(tmp_path):
    folder = tracked(tmp_path / "gold", *planted(n_frames=2))
    notes = follow_peaks(folder, PeaksSettings(crystal="Si")).notes
    assert any("Si cannot explain the reflections" in note and "0.23" in note for note in notes)
    with pytest.raises(SettingsError, match="expected an element"):
        follow_peaks(folder, PeaksSettings(crystal="Xx"))
    structure = tmp_path / "gold.cif"
    from ase.build import bulk

    bulk("Au", cubic=True).write(structure)
    assert set(follow_peaks(folder, PeaksSettings(crystal=str(structure))).pairs["plane"]) == {
        "{111}",
        "{200}",
    }


def test_a_wrong_pixel_size_is_told_from_a_wrong_crystal():
    gold = open_crystal("Au", least_d_nm=0.1)
    d_nm = np.array([0.2355, 0.2039, 0.1442, 0.2355])

    def said(scale, crystal):
        pairs = pd.DataFrame({"d_nm": scale * d_nm, "q_per_nm": 1 / (scale * d_nm), "share": 1.0})
        return crystal_notes(with_planes(pairs.assign(q_error_per_nm=0.01), crystal), crystal)

    assert said(1.0, gold) == ()
    assert "a pixel size 8.0% larger would make 100% fit" in said(1 / 1.08, gold)[0]
    assert (
        "give another --crystal, or check the pixel size" in said(1.0, open_crystal("Si", least_d_nm=0.1))[0]
    )


@pytest.mark.usefixtures("undrawn")
def test_without_pixel_size_q_is_in_pixels(tmp_path):
    folder = tracked(tmp_path / "gold", *planted(n_frames=2), pixel_nm=None)
    result = follow_peaks(folder)
    assert result.reflections["d_nm"].isna().all()
    assert result.reflections["q_per_px"].min() == pytest.approx(PIXEL_NM / 0.2355, rel=0.02)
    assert any("q is in 1/px" in note for note in result.notes)
    with pytest.raises(CalibrationError, match="pixel size"):
        follow_peaks(folder, PeaksSettings(crystal="Au"))


@pytest.mark.usefixtures("undrawn")
def test_without_vacuum_the_noise_is_the_particle_s_own(tmp_path):
    frames, _ = planted(n_frames=2)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    crowd = np.where((y % 66 < 62) & (x % 80 < 76), 1 + y // 66 * 4 + x // 80, 0)
    result = follow_peaks(tracked(tmp_path / "full", frames, np.repeat(crowd[np.newaxis], 2, axis=0)))
    assert any("no vacuum to measure noise" in note for note in result.notes)
    assert result.provenance["noise"] == "each particle's own spectrum"
    assert len(result.reflections) > 0


@pytest.mark.usefixtures("undrawn")
def test_too_few_counts_are_said_with_the_dose_that_it_takes(tmp_path):
    result = follow_peaks(tracked(tmp_path / "dim", *planted(dose=1.0, n_frames=2)))
    reasons = result.zone_axis["reason"]
    assert reasons.str.fullmatch(r"too few counts: [\d.]+ e⁻/Å², would take [\d.]+").all()
    # 1 electron in a pixel of 0.25 Å² is 4 e⁻/Å²; of the particles, a fifth less.
    assert float(reasons[0].split()[3]) == pytest.approx(3.2, rel=0.1)
    assert not result.readable_frames["readable"].any()
    assert (result.readable_frames["reason"] == "too few counts").all()
    assert any("too few counts" in note for note in result.notes)


@pytest.mark.usefixtures("undrawn")
def test_a_particle_cut_by_the_edge_is_flagged(tmp_path):
    frames, labels = planted(n_frames=2)
    result = follow_peaks(tracked(tmp_path / "cut", frames[:, 40:], labels[:, 40:]))
    cut = result.zone_axis[result.zone_axis["reason"] == "cut by the edge"]
    assert len(cut) == 4
    assert not cut["readable"].any()
    assert len(result.reflections) > 0


@pytest.mark.usefixtures("undrawn")
def test_nobody_knows_the_turn_during_a_gap(tmp_path):
    frames, labels = planted(n_frames=8, frame_s=FRAME_S)
    times = np.concatenate([np.arange(4) * FRAME_S, 60 + np.arange(4) * FRAME_S])
    rotation = follow_peaks(tracked(tmp_path / "gap", frames, labels, times_s=times)).rotation
    first = rotation.iloc[0]
    off = abs(first["rotation_deg_per_s"] - TURN_DEG_PER_S)
    assert off < 4 * first["rotation_error_deg_per_s"] < 1


def test_a_movie_without_particles_gives_empty_tables(tmp_path):
    frames, labels = planted(n_frames=2)
    result = follow_peaks(tracked(tmp_path / "none", frames, 0 * labels))
    assert result.reflections.empty
    assert result.rotation.empty
    assert (result.readable_frames["reason"] == "no particle").all()
    assert any("no particle was followed" in note for note in result.notes)


def test_a_folder_without_tracks_is_refused(tmp_path):
    with pytest.raises(ReadError, match="temflux track"):
        follow_peaks(tmp_path)
