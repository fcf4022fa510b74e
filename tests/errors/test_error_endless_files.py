"""Files that never end, and small files that unpack to more than memory holds."""

import io
import os
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rrl_dsl as rrl
from rrl_dsl.data import column_files, image_files, npz, yaml_files
from rrl_dsl.language.diagnostics import Diagnostic
from rrl_dsl.training.settings import from_yaml


def fifo(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def unix_socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def folder(path: Path) -> None:
    path.mkdir()


NOT_REGULAR = [
    (fifo, "Not a regular file"),
    (endless, "Not a regular file"),
    (unix_socket, "Not a regular file"),
    (loop, "Too many levels of symbolic links"),
    (folder, "Is a directory"),
]


def fault(read: Callable[..., object], *given: object) -> Diagnostic:
    with pytest.raises(rrl.RRLError) as caught:
        read(*given)
    (only,) = caught.value.diagnostics
    return only


@pytest.mark.parametrize(("make", "reason"), NOT_REGULAR)
def test_only_regular_files_are_read(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    readers: list[tuple[str, str, Callable[[Path], object]]] = [
        ("x.rrl", "RRL021", rrl.load),
        ("x.csv", "RRL414", rrl.pairs),
        ("x.parquet", "RRL414", rrl.pairs),
        ("x.npz", "RRL410", npz.load),
        ("x.png", "RRL412", image_files.decode),
        ("x.yaml", "RRL412", yaml_files.read_yaml),
        ("c.yaml", "RRL503", from_yaml),
    ]
    for name, code, read in readers:
        make(tmp_path / name)
        diagnostic = fault(read, tmp_path / name)
        assert diagnostic.code == code
        assert reason in diagnostic.message, name


def test_a_small_table_that_unpacks_to_a_large_one(tmp_path: Path) -> None:
    path = tmp_path / "links.parquet"
    texts = pa.array(["train/" + "x" * 2**20])
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(200, np.int32)), texts)
    pq.write_table(pa.table({"a": column, "b": column}), path)
    assert path.stat().st_size < 2**21
    diagnostic = fault(rrl.pairs, path)
    size = 2 * 200 * (2**20 + 6)
    assert (diagnostic.code, diagnostic.hint) == (
        "RRL428",
        f"if you trust the file, set RRL_DSL_MAX_BYTES={size}",
    )
    assert f"unpacks to {size:,} bytes, and the limit is 268,435,456" in diagnostic.message


@pytest.mark.parametrize("kind", [pa.int64(), pa.float32(), pa.bool_(), pa.binary(16), pa.string()])
def test_equal_values_count_for_every_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: pa.DataType
) -> None:
    path = tmp_path / "links.parquet"
    value = {pa.binary(16): b"x" * 16, pa.string(): "x", pa.bool_(): True}.get(kind, 1)
    pq.write_table(pa.table({"a": pa.array([value] * 30_000, kind)}), path)
    assert path.stat().st_size < 3_000
    monkeypatch.setenv("RRL_DSL_MAX_BYTES", "20000")
    assert fault(rrl.pairs, path).code == "RRL428"


def test_the_bound_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "links.csv"
    for name in ("links.csv", "columns.csv"):
        (tmp_path / name).write_text("1,2\n" * 100)
    monkeypatch.setenv("RRL_DSL_MAX_BYTES", "399")
    assert fault(rrl.pairs, path).code == "RRL428"
    assert fault(column_files.read, tmp_path, [], ()).code == "RRL428"
    monkeypatch.setenv("RRL_DSL_MAX_BYTES", "400")
    assert rrl.pairs(path).identity
    path.write_text("1,3\n" * 100)
    monkeypatch.setenv("RRL_DSL_MAX_BYTES", "4 GB")
    assert "must be a number of bytes, not `4 GB`" in fault(rrl.pairs, path).message


def test_an_archive_of_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, images=np.zeros((1000, 32, 32), np.uint8), label=np.zeros(1000, int))
    assert path.stat().st_size < 5000
    monkeypatch.setenv("RRL_DSL_MAX_BYTES", "1000000")
    assert fault(npz.load, path).code == "RRL428"


def test_values_that_take_no_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    header = io.BytesIO()
    shape = {"descr": "|V0", "fortran_order": False, "shape": (10**10,)}
    np.lib.format.write_array_header_1_0(header, shape)
    np.savez(path, images=np.zeros((4, 8, 8), np.uint8))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("label.npy", header.getvalue())
    assert fault(npz.load, path).code == "RRL428"


def test_an_image_of_one_color(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    width, height = 9000, 8000
    rows = zlib.compress(b"\0" * ((width // 8 + 1) * height), 9)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    diagnostic = fault(image_files.decode, path)
    assert diagnostic.message == f"{path} has 9,000 x 8,000 pixels"


def test_yaml_that_nests_deeply(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    for opening in ("[", "{a: ", "- ", "? "):
        path.write_text(opening * 20_000)
        for read in (yaml_files.read_yaml, from_yaml):
            assert fault(read, path).message == "this nests more than 64 deep"


def test_a_read_that_would_wait_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of `/proc/kmsg`, which is a regular file by its mode."""
    monkeypatch.setattr("rrl_dsl.language.files._check_regular", lambda _: None)
    for name, read, code in (("x.rrl", rrl.load, "RRL021"), ("x.csv", rrl.pairs, "RRL414")):
        fifo(tmp_path / name)
        writer = os.open(tmp_path / name, os.O_RDWR)
        assert fault(read, tmp_path / name).code == code
        os.close(writer)


@pytest.mark.parametrize("row", ["," * 2**22, '"\n",' * 2**20], ids=["one line", "many lines"])
def test_a_row_of_millions_of_cells_is_not_taken_apart(tmp_path: Path, row: str) -> None:
    path = tmp_path / "links.csv"
    path.write_text(f"a,b\n{row}\n")
    diagnostic = fault(rrl.pairs, path)
    assert (diagnostic.code, diagnostic.source and diagnostic.source.first_line) == ("RRL415", 2)
    assert diagnostic.message == "this row cannot be read: it has more than 4,194,304 characters"


def test_an_archive_with_two_arrays_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, images=np.zeros((4, 8, 8), np.uint8))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("images.npy", archive.read("images.npy"))
    assert fault(npz.load, path).message == f"{path} has several arrays `images`"
