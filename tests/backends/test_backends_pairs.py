"""Files of pairs over a whole dataset and over batches of it."""

from pathlib import Path

import numpy as np
import torch
from bound_graphs import error_of

import rrl_dsl as rrl


def links(tmp_path: Path, text: str) -> str:
    path = tmp_path / "links.csv"
    path.write_text(text)
    return str(path)


def test_a_repeated_pair_has_its_largest_weight(tmp_path: Path):
    file = links(tmp_path, "a,b,weight\n0,1,0.25\n1,0,0.5\n0,1,0.125\n2,0,0\n")
    weights = rrl.compile(rrl.pairs(file))(rrl.Nodes([0, 1, 2]))
    assert weights.tolist() == [[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]


def test_views_of_listed_samples_are_related_and_those_of_one_sample_are_not(tmp_path: Path):
    program = rrl.compile(rrl.pairs(links(tmp_path, "5,7\n")))
    weights = program(rrl.Nodes([5, 5, 7], [0, 1, 0]))
    assert weights.tolist() == [[True, False, True], [False, True, True], [True, True, True]]


def test_pairs_need_no_data_set_and_are_checked_against_one(tmp_path: Path):
    program = rrl.compile(rrl.pairs(links(tmp_path, "a,b\n0,1\n\n1,77\n")))
    assert not program.requires.bound
    assert program(rrl.Nodes([0, 1])).all()
    only = error_of(lambda: program.bind(rrl.Nodes([0, 1])))
    assert only.code == "RRL416"
    assert only.render().splitlines() == [
        "error[RRL416]: the dataset has no sample 77",
        f" --> {tmp_path / 'links.csv'}:4:3",
        "  |",
        "4 | 1,77",
        "  |   ^^",
        "  = help: an id is a value of the column `sample`, or else the index or path of a sample",
    ]
    program.bind(rrl.Nodes([0, 1]), others=torch.tensor([77]))


def test_first_pair_of_the_file_that_names_what_is_lacking_is_shown(tmp_path: Path):
    program = rrl.compile(rrl.pairs(links(tmp_path, "a,b\n0,1\n0,99\n98,1\n1,97\n")))
    only = error_of(lambda: program.bind(rrl.Nodes([0, 1])))
    assert only.message == "the dataset has no sample 99; 2 more pairs name unknown samples"
    assert only.to_dict()["start"] == {"line": 3, "column": 3}


def test_hundreds_of_pairs_of_one_sample(tmp_path: Path):
    program = rrl.compile(rrl.pairs(links(tmp_path, "".join(f"0,{i}\n" for i in range(1, 900, 2)))))
    first_row = program(rrl.Nodes(np.arange(1000)))[0].numpy()
    np.testing.assert_array_equal(np.flatnonzero(first_row), [0, *range(1, 900, 2)])
