"""`pairs` of a matrix: every format gives the same graph, and every error has a place."""

import os
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import rrl_dsl as rrl
from rrl_dsl.backends.reference import Rows, evaluate
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.tables import matrix, matrix_files

MODEST = settings(max_examples=25, deadline=None, derandomize=True, database=None)
FORMATS = ("csr", "csc", "coo", "bsr", "dia")


@st.composite
def matrices(draw: st.DrawFn, *, binary: bool | None = None) -> np.ndarray:
    """A symmetric (n, n) matrix with many zeros, and an entry above 0."""
    size = draw(st.integers(1, 7))
    weights = st.sampled_from([0.0, 1.0] if binary else [0.0, 0.0, 0.25, 1.0, 3.5])
    cells = draw(st.lists(weights, min_size=size * size, max_size=size * size))
    assume(any(cells[row * size + column] for row in range(size) for column in range(row, size)))
    upper = np.triu(np.array(cells).reshape(size, size))
    return upper + np.triu(upper, 1).T


def expected(weights: np.ndarray) -> np.ndarray:
    """By definition: the entries, and 1 on the diagonal."""
    result = weights.astype(np.float32)
    np.fill_diagonal(result, 1)
    return result


def shuffled(weights: np.ndarray) -> sp.coo_array:
    """The same matrix, with entries in another order and zeros that are stored."""
    rows, columns = np.indices(weights.shape)
    order = np.random.default_rng(0).permutation(weights.size)
    entries = weights.ravel()[order], (rows.ravel()[order], columns.ravel()[order])
    return sp.coo_array(entries, shape=weights.shape)


def graph_of(file: str, folder: Path, arguments: str = "") -> rrl.Graph:
    return rrl.parse(f'pairs("{file}"{arguments})', directory=folder)


def error_of(file: str, folder: Path) -> str:
    with pytest.raises(RRLError) as caught:
        graph_of(file, folder)
    (only,) = caught.value.diagnostics
    assert only.span is not None
    return f"{only.code}: {only.message}"


def python_error(value: object, **arguments: object) -> str:
    with pytest.raises(RRLError) as caught:
        rrl.pairs(value, **arguments)
    return f"{caught.value.diagnostics[0].code}: {caught.value.diagnostics[0].message}"


@MODEST
@given(matrices())
def test_every_format_gives_the_same_graph(weights: np.ndarray):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for kind in FORMATS:
            sp.save_npz(f"{folder}/{kind}.npz", sp.csr_array(weights).asformat(kind))
        sp.save_npz(f"{folder}/float32.npz", sp.csc_matrix(weights.astype(np.float32)))
        sp.save_npz(f"{folder}/shuffled.npz", shuffled(weights), compressed=False)
        np.save(f"{folder}/rows.npy", weights)
        np.save(f"{folder}/columns.npy", np.asfortranarray(weights.astype(">f4")))
        graphs = [graph_of(file, Path(folder)) for file in sorted(os.listdir(folder))]
    graphs += map(rrl.pairs, (weights, sp.csr_array(weights), shuffled(weights).todok()))
    graphs += map(rrl.pairs, (torch.tensor(weights), torch.tensor(weights).to_sparse()))
    graphs += map(rrl.pairs, (nx.from_numpy_array(weights), nx.from_numpy_array(weights)))
    assert len({graph.identity for graph in graphs}) == 1
    assert {graph.binary for graph in graphs} == {bool(np.isin(weights, (0, 1)).all())}


@MODEST
@given(matrices(), st.booleans())
def test_every_evaluation_gives_the_entries(weights: np.ndarray, binary: bool):
    weights = (weights > 0) if binary else weights
    size = len(weights)
    graph, nodes = rrl.pairs(weights), rrl.Nodes(range(size))
    program = rrl.compile(graph)
    wanted = expected(weights)
    assert np.array_equal(program(nodes).float().numpy(), wanted)
    assert np.array_equal(program.to_scipy(nodes).toarray(), wanted)
    rows = Rows(np.arange(size), np.zeros(size, np.int64))
    assert np.array_equal(evaluate(graph, rows), wanted)
    blocked = program.relate(nodes, strategy="blocked")
    dense = program.relate(nodes, strategy="dense")
    assert torch.equal(blocked.degree(), dense.degree())


@MODEST
@given(matrices(), st.data())
def test_ids_say_which_sample_a_row_is(weights: np.ndarray, data: st.DataObject):
    size = len(weights)
    ids = data.draw(st.permutations(range(3, 3 + 2 * size)))[:size]
    graph = rrl.pairs(sp.coo_array(weights), ids=ids)
    program, nodes = rrl.compile(graph), rrl.Nodes(ids)
    assert np.array_equal(program(nodes).float().numpy(), expected(weights))
    named = nx.relabel_nodes(nx.from_numpy_array(weights), dict(enumerate(ids)))
    assert rrl.pairs(named) == graph


def test_ids_in_an_archive(tmp_path: Path):
    weights = sp.csr_array(np.array([[0, 0.5], [0.5, 0]]))
    sp.save_npz(tmp_path / "plain.npz", weights)
    arrays = dict(np.load(tmp_path / "plain.npz"))
    np.savez(tmp_path / "m.npz", **arrays, ids=np.array(["train/a.png", "train/b.png"]))
    graph = graph_of("m.npz", tmp_path)
    assert graph == rrl.pairs(weights, ids=["train/a.png", "train/b.png"])
    assert graph != rrl.pairs(weights)


def test_a_binary_matrix_has_binary_edges_and_may_be_given_a_weight(tmp_path: Path):
    np.save(tmp_path / "m.npy", np.array([[0, 1], [1, 0]], np.uint8))
    assert graph_of("m.npy", tmp_path).binary
    weights = rrl.compile(graph_of("m.npy", tmp_path, ", weight=0.5"))(rrl.Nodes(range(2)))
    assert weights.tolist() == [[1, 0.5], [0.5, 1]]


def test_an_asymmetric_matrix_is_made_symmetric_as_asked(tmp_path: Path):
    weights = np.array([[0, 0.5, 0], [0.25, 0, 0], [0, 1, 0]])
    np.save(tmp_path / "m.npy", weights)
    assert error_of("m.npy", tmp_path) == (
        "RRL430: `m.npy` is not symmetric: row 0, column 1 is 0.5, and row 1, column 0 is 0.25"
    )
    nodes = rrl.Nodes(range(3))
    larger = rrl.compile(graph_of("m.npy", tmp_path, ", symmetric=max"))(nodes)
    assert larger.tolist() == [[1, 0.5, 0], [0.5, 1, 1], [0, 1, 1]]
    mean = rrl.compile(graph_of("m.npy", tmp_path, ', symmetric="mean"'))(nodes)
    assert mean.tolist() == [[1, 0.375, 0], [0.375, 1, 0.5], [0, 0.5, 1]]
    assert not rrl.pairs(weights > 0.3, symmetric="mean").binary
    assert rrl.pairs(weights > 0.3, symmetric="max").binary


def test_symmetric_says_nothing_of_a_symmetric_matrix():
    assert rrl.pairs(np.eye(2), symmetric="max") == rrl.pairs(np.eye(2))


def test_the_fix_of_an_asymmetric_matrix_is_an_edit(tmp_path: Path):
    np.save(tmp_path / "m.npy", np.array([[0, 1], [0, 0]]))
    with pytest.raises(RRLError) as caught:
        graph_of("m.npy", tmp_path)
    (edit,) = caught.value.diagnostics[0].edits
    text = 'pairs("m.npy")'
    fixed = text[: edit.span.start] + edit.text + text[edit.span.end :]
    assert rrl.parse(fixed, directory=tmp_path).binary


WRONG = {
    "nan": (np.array([[0, np.nan], [0, 0]]), "has the weight nan in row 0, column 1"),
    "negative": (np.array([[0, 0], [-2, 0]]), "has the weight -2 in row 1, column 0"),
    "infinite": (np.array([[0, 0], [0, np.inf]]), "has the weight inf in row 1, column 1"),
    "infinite in 16 bits": (
        np.array([[0, np.inf], [np.inf, 0]], np.float16),
        "has the weight inf in row 0, column 1",
    ),
    "not square": (np.ones((2, 3)), "has shape (2, 3)"),
    "one axis": (np.ones(3), "has shape (3,)"),
    "complex": (np.eye(2, dtype=complex), "contains complex128"),
    "text": (np.array([["a"]]), "contains <U1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_matrix_that_is_wrong(case: str, tmp_path: Path):
    value, what = WRONG[case]
    np.save(tmp_path / "m.npy", value)
    assert error_of("m.npy", tmp_path) == f"RRL430: `m.npy` {what}"
    assert python_error(value) == f"RRL430: the matrix {what}"
    if value.dtype.kind in "if" and value.dtype != np.float16 and value.ndim == 2:
        sp.save_npz(tmp_path / "m.npz", sp.coo_array(value))
        assert error_of("m.npz", tmp_path) == f"RRL430: `m.npz` {what}"
        assert python_error(torch.tensor(value)) == f"RRL430: the matrix {what}"


@pytest.mark.parametrize("size", [0, 3])
def test_a_matrix_without_entries_above_0_is_an_error(size: int, tmp_path: Path):
    nothing = np.zeros((size, size))
    np.save(tmp_path / "m.npy", nothing)
    sp.save_npz(tmp_path / "m.npz", shuffled(nothing))
    for file in ("m.npy", "m.npz"):
        assert error_of(file, tmp_path) == f"RRL430: `{file}` has no entries above 0"
    for value in (nothing, sp.csr_array(nothing), torch.tensor(nothing)):
        assert python_error(value) == "RRL430: the matrix has no entries above 0"


@pytest.mark.parametrize("kind", ["coo", "csr", "csc"])
def test_an_entry_that_occurs_twice(kind: str, tmp_path: Path):
    if kind == "coo":
        twice = sp.coo_array(([1.0, 2, 3], ([2, 1, 1], [2, 0, 0])), shape=(3, 3))
    else:
        make = getattr(sp, f"{kind}_array")
        ends = [0, 0], [0, 0, 2, 2]  # two entries of row or column 1 at 0
        twice = make((np.ones(2), *ends), shape=(3, 3))
    sp.save_npz(tmp_path / "m.npz", twice)
    place = "row 0, column 1" if kind == "csc" else "row 1, column 0"
    assert error_of("m.npz", tmp_path) == f"RRL430: `m.npz` has {place} more than once"


def test_a_file_outside_the_folder(tmp_path: Path):
    np.save(tmp_path / "m.npy", np.eye(2))
    (tmp_path / "inner").mkdir()
    with pytest.raises(RRLError, match="RRL022"):
        graph_of("../m.npy", tmp_path / "inner")


def test_arguments_that_a_file_of_pairs_does_not_have(tmp_path: Path):
    (tmp_path / "links.csv").write_text("1,2\n")
    with pytest.raises(RRLError, match=r"RRL303.*is only for a matrix, and `links.csv` lists"):
        graph_of("links.csv", tmp_path, ", symmetric=max")
    assert python_error(tmp_path / "links.csv", ids=[1]).startswith("RRL303: `ids` is only")


@pytest.mark.parametrize(
    ("ids", "what"),
    [
        ([1], "has 2 rows, but there are 1 ids"),
        (np.array(1), "has 2 rows, but there are 1 ids"),
        ([3, 3], "has the id `3` for rows 0 and 1"),
        ([3, -1], "has the id `-1` for row 1"),
        ([3, 0.5], "has the id `0.5` for row 1"),
    ],
)
def test_ids_that_do_not_fit(ids: list | np.ndarray, what: str):
    assert python_error(np.eye(2), ids=ids) == f"RRL430: the matrix {what}"


def test_the_size_of_a_dataset():
    program = rrl.compile(rrl.pairs(np.eye(5)))
    program.bind(rrl.Nodes(range(5)))
    program.bind(rrl.Nodes(range(3)), others=torch.tensor([3, 4]))
    for samples, what in ((range(4), "the dataset has no sample 4"), (range(6), "sample 5")):
        with pytest.raises(RRLError, match=f"RRL430.* has 5 rows, .*{what}"):
            program.bind(rrl.Nodes(samples))
    with pytest.raises(RRLError, match="no row for the sample 5"):
        rrl.compile(rrl.pairs(np.eye(5)))(rrl.Nodes(range(6)))
    named = rrl.compile(rrl.pairs(np.eye(2), ids=[1, 7]))
    named.bind(rrl.Nodes(range(9)))  # other samples have no edge
    with pytest.raises(RRLError, match=r"RRL416.*has no sample 7"):
        named.bind(rrl.Nodes(range(5)))


def test_values_that_are_no_matrix():
    for value in (3, [1, 2], None, {"a": 1}):
        assert python_error(value).startswith("RRL202: `file` must be a file name in quotes")
    assert python_error(np.eye(2), ids={1, 2}).startswith(
        "RRL202: `ids` must be the sample of each"
    )
    assert python_error(np.ma.masked_equal(np.eye(2), 0)) == "RRL430: the matrix has masked entries"
    assert "meta" in python_error(torch.empty(2, 2, device="meta"))
    assert python_error(nx.MultiGraph([(0, 1)])).startswith("RRL430")
    assert python_error(nx.Graph([(0.5, 1)])).startswith("RRL430")
    assert python_error(nx.DiGraph([(0, 1)])).startswith("RRL430: the matrix is not symmetric")


def test_names_of_the_rows_of_a_table_are_not_ignored():
    pandas = pytest.importorskip("pandas")
    named = pandas.DataFrame(np.eye(2), index=["a", "b"])
    assert python_error(named).startswith("RRL430: the matrix is a DataFrame, whose names of rows")


def test_the_text_of_a_matrix_says_that_it_is_from_python():
    graph = rrl.ssl() | rrl.pairs(np.eye(3))
    assert str(graph).startswith("ssl() | pairs(file=<a matrix of 3 rows from Python, ")
    with pytest.raises(RRLError):
        rrl.parse(str(graph))


def test_a_large_matrix_is_kept_on_disk_and_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(matrix, "_WORTH_KEEPING", 10)
    monkeypatch.setattr(matrix_files, "_WORTH_KEEPING", 10)
    weights = sp.random_array((40, 40), density=0.2, rng=np.random.default_rng(1))
    sp.save_npz(tmp_path / "m.npz", weights)
    first = graph_of("m.npz", tmp_path, ", symmetric=mean")
    wanted = rrl.compile(first)(rrl.Nodes(range(40)))
    rounded = weights.toarray().astype(np.float32).astype(float)
    made = expected((rounded + rounded.T) / 2)
    assert np.array_equal(wanted.numpy(), made)
    monkeypatch.setattr(matrix_files, "_sparse", None)  # the copy is read, not the file
    monkeypatch.setattr(matrix, "_normal", None)
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "m.npz").write_bytes((tmp_path / "m.npz").read_bytes())
    again = graph_of("m.npz", tmp_path / "again", ", symmetric=mean")
    assert again == first
    assert torch.equal(rrl.compile(again)(rrl.Nodes(range(40))), wanted)


def test_matrices_from_python_become_files_for_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from rrl_dsl.graph.recipe import graph_of as graph_of_source
    from rrl_dsl.graph.recipe import read_recipe

    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for matrix_ in (rrl.pairs(np.eye(3) / 2, ids=[5, 3, 4]), rrl.pairs(np.eye(3))):
        graph = rrl.ssl(views=2) | matrix_
        source = read_recipe(graph)
        assert graph_of_source(source) == graph
        assert source.text.count(".npz") == 1
