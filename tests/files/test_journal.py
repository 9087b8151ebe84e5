import pytest

from temflux.engine.base.errors import ReadError, WriteError
from temflux.engine.files.journal import Journal, read_journal


def test_lines_come_back_in_order(tmp_path):
    path = tmp_path / "new" / "a.jsonl"
    with Journal(path) as journal:
        for number in range(3):
            journal.add({"system": number, "name": "Å"})
    with Journal(path) as journal:
        journal.add({"system": 3})
    assert [record["system"] for record in read_journal(path)] == [0, 1, 2, 3]
    assert read_journal(path)[0]["name"] == "Å"


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_a_line_cut_short_is_no_line_and_is_written_over(tmp_path, cut):
    path = tmp_path / "a.jsonl"
    with Journal(path) as journal:
        journal.add({"system": 0})
        journal.add({"system": 1})
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert read_journal(path) == [{"system": 0}]
    with Journal(path) as journal:
        journal.add({"system": 1})
    assert path.read_bytes() == whole


@pytest.mark.parametrize("text", ["{\n", "[1]\n", '{"a": 1}\nno\n'])
def test_refuses_what_is_no_journal(tmp_path, text):
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(ReadError, match=r"a\.jsonl: expected one JSON object a line"):
        read_journal(path)


def test_a_folder_in_its_place_is_one_clear_line(tmp_path):
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(WriteError, match=r"a\.jsonl"):
        Journal(tmp_path / "a.jsonl")
