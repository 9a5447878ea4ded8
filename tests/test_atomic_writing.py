"""Files that appear whole or not at all; test_files has the modes and names of them."""

from pathlib import Path

import pytest

from sunpy_superres.files import write_atomically


@pytest.mark.parametrize("only_writer", [False, True])
def test_a_file_appears_when_it_is_written(tmp_path, only_writer):
    path = tmp_path / "file.bin"

    def write(name):
        Path(name).write_bytes(b"new")
        assert not path.exists()
        assert (Path(name) == tmp_path / "file.bin.part") == only_writer

    write_atomically(path, write, only_writer=only_writer)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("only_writer", [False, True])
@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
def test_a_file_stays_as_it_was_if_the_writing_fails(tmp_path, error, only_writer):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def write(name):
        Path(name).write_bytes(b"hal")
        raise error

    with pytest.raises(type(error)):
        write_atomically(path, write, only_writer=only_writer)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_written_over(tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"of a process that was killed")
    write_atomically(
        tmp_path / "file.bin", lambda name: Path(name).write_bytes(b"new"), only_writer=True
    )
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin"]
