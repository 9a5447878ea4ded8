"""Files of a training that appear whole or not at all."""

import pytest

from sunpy_superres.training.whole import whole_file


def test_a_file_appears_when_it_is_written(tmp_path):
    path = tmp_path / "folder" / "file.bin"
    with whole_file(path) as partial:
        partial.write_bytes(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
def test_a_file_stays_as_it_was_if_the_writing_fails(tmp_path, error):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def write():
        with whole_file(path) as partial:
            partial.write_bytes(b"hal")
            raise error

    with pytest.raises(type(error)):
        write()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
