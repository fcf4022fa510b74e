"""The cache reads only complete entries that the same user wrote."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from rrl_dsl.language import cache as module
from rrl_dsl.language.cache import Cache
from rrl_dsl.language.diagnostics import RRLError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path / "cache"))
    cache = Cache("things")
    cache.check_writable()
    cache.write("key", b"content")
    return cache


def entry(cache: Cache) -> Path:
    (path,) = cache.folder.iterdir()
    return path


def test_a_written_entry_is_read(cache: Cache) -> None:
    assert cache.read("key") == b"content"
    assert cache.read("another") is None
    cache.write("key", b"")
    assert cache.read("key") == b""


def test_every_byte_counts(cache: Cache) -> None:
    whole = entry(cache).read_bytes()
    for at in range(len(whole)):
        entry(cache).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.warns(UserWarning, match="is damaged and is computed again"):
            assert cache.read("key") is None
        entry(cache).write_bytes(whole[:at])
        with pytest.warns(UserWarning, match="is damaged"):
            assert cache.read("key") is None
    entry(cache).write_bytes(whole + b"\0")
    with pytest.warns(UserWarning, match="is damaged"):
        assert cache.read("key") is None


def test_an_entry_of_another_key(cache: Cache) -> None:
    other = entry(cache)
    cache.write("other", b"other")
    path = next(file for file in cache.folder.iterdir() if file != other)
    path.replace(other)
    with pytest.warns(UserWarning, match="is damaged"):
        assert cache.read("key") is None


def test_nothing_of_an_entry_is_run(cache: Cache) -> None:
    entry(cache).write_bytes(pickle.dumps(Path("x")))
    with pytest.warns(UserWarning, match="is damaged"):
        assert cache.read("key") is None


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), os.mkdir])
def test_entries_that_are_not_files(cache: Cache, make: Callable[[Path], None]) -> None:
    path = entry(cache)
    path.unlink()
    make(path)
    assert cache.read("key") is None


def test_a_folder_that_cannot_be_written_is_read(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, "TemporaryFile", refused)  # root may write everywhere
    assert Cache("things").read("key") == b"content"
    with pytest.raises(RRLError, match=r"RRL507.*cannot be written: Permission denied"):
        cache.check_writable()


def test_a_failed_write_is_a_warning(cache: Cache) -> None:
    path = entry(cache)
    path.unlink()
    path.mkdir()
    with pytest.warns(UserWarning, match="the results for this dataset are not cached"):
        cache.write("key", b"content")


def test_files_of_another_user(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = os.stat(entry(cache)).st_uid
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    if mine:  # what is root's is trusted
        assert cache.read("key") is None
        with pytest.raises(RRLError, match="belongs to another user"):
            cache.check_writable()
    monkeypatch.undo()
    if os.geteuid() == 0:
        os.chown(entry(cache), 4711, 4711)
        with pytest.warns(UserWarning, match="belongs to another user and is ignored"):
            assert cache.read("key") is None
        cache.write("key", b"mine")
        assert cache.read("key") == b"mine"
        os.chown(cache.folder, 4711, 4711)
        assert cache.read("key") is None


def test_a_folder_that_others_may_write(cache: Cache) -> None:
    entry(cache).chmod(0o666)
    with pytest.warns(UserWarning, match="belongs to another user and is ignored"):
        assert cache.read("key") is None
    cache.write("key", b"content")
    assert cache.read("key") == b"content"
    cache.folder.chmod(0o777)
    assert cache.read("key") is None
    with pytest.raises(RRLError, match="RRL507"):
        cache.check_writable()
    cache.folder.chmod(0o1777)  # as /tmp is: each may replace only what is its own
    assert cache.read("key") == b"content"


def test_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("RRL_DSL_CACHE", "")
    assert Cache("things").folder == tmp_path / ".cache" / "rrl-dsl" / "things"
    monkeypatch.delenv("RRL_DSL_CACHE")
    assert Cache("things").folder == tmp_path / ".cache" / "rrl-dsl" / "things"
