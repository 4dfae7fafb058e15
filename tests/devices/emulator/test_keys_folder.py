"""Documents that outlive the emulator, readable by their owner alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.emulator.keys_folder import KeysFolder


def test_a_document_is_there_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    KeysFolder(folder).write("fcm-accounts", {"a": 1})
    assert KeysFolder(folder).read("fcm-accounts") == {"a": 1}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [(file.name, file.stat().st_mode & 0o777) for file in folder.iterdir()] == [("fcm-accounts.json", 0o600)]


def test_an_open_folder_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    KeysFolder(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_without_a_folder_it_is_kept_in_memory_only() -> None:
    folder = KeysFolder()
    folder.write("one", {"a": 1})
    assert folder.read("one") == {"a": 1}
    assert KeysFolder().read("one") == {}


@pytest.mark.parametrize("name", ["", "../one", "a/b", "A", "a.b"])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        KeysFolder(tmp_path).write(name, {})


def test_what_was_broken_by_hand_is_said(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text("[]")
    with pytest.raises(ValueError, match="no JSON object"):
        KeysFolder(tmp_path).read("one")
