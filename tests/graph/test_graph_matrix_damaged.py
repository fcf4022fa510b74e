"""Files of matrices that are damaged, truncated or malicious: an error each, and no code runs."""

import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import rrl_dsl as rrl
from rrl_dsl.language.diagnostics import RRLError


def error_of(file: str, folder: Path) -> str:
    with pytest.raises(RRLError) as caught:
        rrl.parse(f'pairs("{file}")', directory=folder)
    (only,) = caught.value.diagnostics
    assert only.span is not None
    return f"{only.code}: {only.message}"


def test_objects_are_not_loaded(tmp_path: Path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/ran",)

    np.save(tmp_path / "m.npy", np.array([[Evil()]]), allow_pickle=True)
    assert error_of("m.npy", tmp_path) == "RRL430: `m.npy` contains Python objects"
    sp.save_npz(tmp_path / "plain.npz", sp.eye_array(1))
    arrays = dict(np.load(tmp_path / "plain.npz"))
    np.savez(tmp_path / "m.npz", **{**arrays, "data": np.array([Evil()])})
    assert error_of("m.npz", tmp_path) == "RRL430: `m.npz` contains Python objects"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("file", ["m.npy", "m.npz", "plain.npz"])
def test_a_part_of_a_file_is_an_error_wherever_it_ends(file: str, tmp_path: Path):
    weights = sp.random_array((9, 9), density=0.5, rng=np.random.default_rng(0))
    np.save(tmp_path / "m.npy", (weights + weights.T).toarray())
    sp.save_npz(tmp_path / "m.npz", weights + weights.T)
    sp.save_npz(tmp_path / "plain.npz", weights + weights.T, compressed=False)
    whole = (tmp_path / file).read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        (tmp_path / file).write_bytes(whole[:length])
        assert error_of(file, tmp_path).startswith(f"RRL414: `{file}` is not")


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(("csr", "csc", "coo", "bsr", "dia")), st.data())
def test_a_damaged_file_gives_a_graph_or_an_error(kind: str, data: st.DataObject):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.npz"
        sp.save_npz(path, sp.eye_array(4).asformat(kind), compressed=False)
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        codes = {"RRL414"}
        try:
            rrl.parse('pairs("m.npz")', directory=folder)
        except RRLError as problem:
            codes = {diagnostic.code for diagnostic in problem.diagnostics}
        assert codes <= {"RRL414", "RRL428", "RRL430"}


@pytest.mark.parametrize("part", ["indices", "indptr", "shape", "format", "row", "offsets", "data"])
def test_arrays_that_do_not_fit(part: str, tmp_path: Path):
    kind = {"row": "coo", "offsets": "dia"}.get(part, "csr")
    sp.save_npz(tmp_path / "good.npz", sp.eye_array(3).asformat(kind))
    arrays = dict(np.load(tmp_path / "good.npz"))
    several = [np.array([[7]]), np.array([-1] * 4), np.array([2**40] * 4), np.array("xyz")]
    several += [] if part == "data" else [np.array([0.5] * 3)]
    for strange in [*several, np.empty(0, int), None]:
        changed = {name: array for name, array in arrays.items() if name != part}
        changed |= {} if strange is None else {part: strange}
        np.savez(tmp_path / "m.npz", **changed)
        assert error_of("m.npz", tmp_path)[:6] in ("RRL414", "RRL428", "RRL430")


def test_a_matrix_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    huge = sp.coo_array(([1.0], ([0], [0])), shape=(2**40, 2**40))
    sp.save_npz(tmp_path / "m.npz", huge)
    assert error_of("m.npz", tmp_path).startswith("RRL428: `m.npz` unpacks to")
    sp.save_npz(tmp_path / "m.npz", sp.eye_array(1000).tocsr())
    monkeypatch.setenv("RRL_DSL_MAX_BYTES", "1000")
    assert error_of("m.npz", tmp_path).startswith("RRL428: `m.npz` unpacks to")


def test_a_member_that_is_longer_than_it_says(tmp_path: Path):
    sp.save_npz(tmp_path / "good.npz", sp.eye_array(2).tocsr())
    with (
        zipfile.ZipFile(tmp_path / "good.npz") as good,
        zipfile.ZipFile(tmp_path / "m.npz", "w") as bad,
    ):
        for name in good.namelist():
            bad.writestr(name, good.read(name) + b"more" * (name == "data.npy"))
    assert "longer than its header declares" in error_of("m.npz", tmp_path)


def test_an_archive_of_other_arrays(tmp_path: Path):
    np.savez(tmp_path / "m.npz", images=np.ones(3))
    assert error_of("m.npz", tmp_path) == (
        "RRL414: `m.npz` is not a sparse matrix; it contains `images`"
    )


def test_a_pipe_is_not_read(tmp_path: Path):
    os.mkfifo(tmp_path / "m.npy")
    assert error_of("m.npy", tmp_path).endswith("Not a regular file")
