import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from medinova_rt.operations.keys import kept_key


def test_a_key_is_made_once_for_its_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "service.key"
    key = kept_key(file)
    assert len(key) == 43
    assert kept_key(file) == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(kept_key, [tmp_path / "secret.key"] * 64))
    assert len(keys) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_a_broken_file_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "secret.key"
    file.write_text("")
    with pytest.raises(OSError, match="holds no key"):
        kept_key(file)
    assert file.read_text() == ""
