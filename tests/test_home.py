"""A home's folders, and writing that survives a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import SettingsError
from gateway.home import Home, fsync_dir, write_durably


def test_making_a_home_again_changes_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "h")
    home.make()
    (home.inbox / "x").write_text("kept")
    home.make()
    assert (home.inbox / "x").read_text() == "kept"
    assert all(folder.is_dir() for folder in home.folders())
    assert home.var.stat().st_mode & 0o777 == 0o700
    assert home.keys.stat().st_mode & 0o777 == 0o700


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    home = Home(tmp_path / "h")
    home.make()
    home.outbox.rmdir()
    home.outbox.write_text("?")
    with pytest.raises(SettingsError, match=r"/outbox: found a file, expected a folder; move it away$"):
        home.make()
    assert home.outbox.read_text() == "?"


def test_a_link_whose_folder_is_not_there_is_called_one(tmp_path: Path) -> None:
    """As where a mount is missing: it was called a file to be moved away."""
    home = Home(tmp_path / "h")
    home.make()
    home.outbox.rmdir()
    home.outbox.symlink_to("/mnt/away")
    words = "/outbox: found a link to /mnt/away, which is no folder, expected a folder; mount what it leads to, or move it away$"
    with pytest.raises(SettingsError, match=words):
        home.make()
    assert home.outbox.is_symlink()


def test_every_path_lies_in_the_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    named = [getattr(home, name) for name, value in vars(Home).items() if isinstance(value, property)]
    paths = [value for value in named if isinstance(value, Path)]
    assert len(paths) > 15
    assert all(path.is_relative_to(tmp_path) for path in paths)


def test_readers_see_all_or_nothing(tmp_path: Path) -> None:
    target = tmp_path / "f"
    write_durably(target, b"one")
    write_durably(target, b"two", mode=0o600)
    assert target.read_bytes() == b"two"
    assert target.stat().st_mode & 0o777 == 0o600
    (tmp_path / "d").mkdir()
    with pytest.raises(IsADirectoryError):
        write_durably(tmp_path / "d", b"three")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d", "f"]
    fsync_dir(tmp_path)
