"""What a loss is given: what it wants, what it refuses, what is self, and in which precision."""

import pytest
import torch
from pydantic.dataclasses import dataclass

import rrl_dsl as rrl
from rrl_dsl.losses import Loss, create
from rrl_dsl.losses.base import OPTIONS
from rrl_dsl.losses.outputs import OUTPUTS


@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Pull(Loss):
    """Similarity of related rows to the teacher's columns, and the sum of what else there is."""

    with_mask: bool = True

    def inputs(self):
        inputs = {"z": "projection", "keys": "teacher_projection", "center": "center"}
        return inputs | ({"mask": "mask"} if self.with_mask else {})

    def value(self, relation, z, keys, *, center=None, **masks):
        value = relation.dot(z, keys).sum() + sum(mask.sum() for mask in masks.values())
        return value if center is None else value + center.sum()


@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Plain(Loss):
    """The same without a teacher."""

    def value(self, relation, z, keys):
        return relation.dot(z, keys).sum()


TEACHER, PLAIN = Pull(with_mask=False), Plain()


@pytest.fixture
def z():
    return torch.eye(4)


@pytest.fixture
def refusal():
    def of(call):
        with pytest.raises(rrl.RRLError) as problem:
            call()
        [diagnostic] = problem.value.diagnostics
        assert diagnostic.code == "RRL406"
        return diagnostic.message, diagnostic.hint

    return of


def test_of_a_square_matrix_the_diagonal_is_self_where_keys_are_the_teacher_s(z):
    assert TEACHER(torch.ones(4, 4), z, keys=torch.ones(4, 4)) == 12
    assert PLAIN(torch.ones(4, 4), z) == 0
    assert PLAIN(torch.ones(4, 4), z, keys=torch.ones(4, 4)) == 16  # columns of their own


def test_of_a_rectangular_matrix_nothing_is_self(z):
    assert TEACHER(torch.ones(4, 3), z, keys=torch.ones(3, 4)) == 12
    assert PLAIN(torch.ones(4, 3), z, keys=torch.ones(3, 4)) == 12


def test_a_relation_knows_what_is_self(z):
    nodes = rrl.Nodes(torch.arange(4))
    relation = rrl.compile("all()").relate(nodes, nodes[torch.tensor([2, 0])])
    assert TEACHER(relation, z, keys=torch.ones(2, 4)) == 6


def test_an_input_that_is_missing_is_named(refusal, z):
    graph = torch.ones(4, 4)
    message, hint = refusal(lambda: TEACHER(graph, z))
    assert message == "the loss `Pull` needs `keys`: the teacher's embeddings (n, d)"
    assert hint == "pass `keys=`"
    message, hint = refusal(lambda: Pull()(graph, z, keys=z))
    assert message.startswith("the loss `Pull` needs `mask`: which patches are hidden")
    assert hint == "pass `mask=`"


def test_an_input_with_a_default_may_be_missing(z):
    graph, keys = torch.ones(4, 4), torch.ones(4, 4)
    assert TEACHER(graph, z, keys=keys, center=torch.ones(5)) == 17
    assert TEACHER(graph, z, keys=keys) == 12


def test_an_input_that_it_does_not_take_is_named(refusal, z):
    graph = torch.ones(4, 4)
    message, hint = refusal(lambda: TEACHER(graph, z, keys=z, center=z, centr=z))
    assert (message, hint) == ("the loss `Pull` has no argument `centr`", "did you mean `center`?")
    message, hint = refusal(lambda: TEACHER(graph, z, keys=z, bank=z))
    assert (message, hint) == (
        "the loss `Pull` has no argument `bank`",
        "it takes `z`, `keys` and `center`",
    )
    message, hint = refusal(lambda: PLAIN(graph, z, mask=z))
    assert (message, hint) == ("the loss `Plain` has no argument `mask`", "it takes `z`")


@pytest.mark.parametrize("name", ["z", "keys", "center"])
def test_inputs_must_be_tensors(name, refusal, z):
    given = {"z": z, "keys": z, "center": z} | {name: [[1.0]]}
    message, _ = refusal(lambda: TEACHER(torch.ones(4, 4), given.pop("z"), **given))
    assert message == "embeddings must be tensors, not a list"


def test_views_go_with_a_matrix(refusal, z):
    relation = rrl.compile("all()").relate(rrl.Nodes(torch.arange(4)))
    message, _ = refusal(lambda: PLAIN(relation, z, view=torch.zeros(4, dtype=torch.int64)))
    assert message == "`view` is only for a matrix; a relation has views"


def test_over_takes_outputs_by_name(refusal, z):
    graph, ones = torch.ones(4, 4), torch.ones(4, 4)
    outputs = {"projection": z, "teacher_projection": ones, "center": ones, "bank": ones}
    assert TEACHER.over(graph, outputs) == 28
    assert PLAIN.over(graph, outputs) == 0
    message, hint = refusal(lambda: TEACHER.over(graph, {"projection": z}))
    assert message == "the loss `Pull` needs `keys`: the teacher's embeddings (n, d)"
    message, hint = refusal(lambda: TEACHER.over(graph, {"teacher_projection": z}))
    assert message == "the loss `Pull` needs `z`: the projector's embeddings (n, d)"
    assert hint == "pass it as the second argument"


def test_over_takes_the_columns_outputs_and_never_the_rows_for_them(refusal, z):
    graph, outputs = torch.ones(4, 4), {"projection": z, "teacher_projection": z}
    ones = torch.ones(4, 4)
    assert TEACHER.over(graph, outputs, {"teacher_projection": ones}) == 12
    assert PLAIN.over(graph, outputs, {"projection": ones}) == 16
    message, _ = refusal(lambda: TEACHER.over(graph, outputs, {"projection": ones}))
    assert message == "the loss `Pull` needs `keys`: the teacher's embeddings (n, d)"
    message, _ = refusal(lambda: PLAIN.over(graph, outputs, {"backbone": ones}))
    assert message == "the loss `Plain` needs `keys`: the projector's embeddings (n, d)"


@pytest.mark.parametrize("graph", [torch.bool, torch.int64, torch.float32, torch.float64])
@pytest.mark.parametrize("columns", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("rows", [torch.bfloat16, torch.float32, torch.float64])
def test_the_widest_dtype_that_is_given_is_computed_in(rows, columns, graph):
    z, keys = torch.full((2, 1), 0.5, dtype=rows), torch.full((3, 1), 0.5, dtype=columns)
    value = PLAIN(torch.ones(2, 3).to(graph), z, keys=keys)
    assert value == 1.5
    wide = torch.float64 in (rows, columns, graph)
    assert value.dtype == (torch.float64 if wide else torch.float32)


def test_other_inputs_are_in_full_precision_and_masks_stay_bool():
    seen = {}

    @dataclass(frozen=True, kw_only=True, config=OPTIONS)
    class Watch(Loss):
        """Notes what it is given."""

        def inputs(self):
            return {"z": "projection", "patches": "patches", "mask": "mask"}

        def value(self, relation, z, keys, *, patches, mask):
            seen.update(z=z, patches=patches, mask=mask)
            assert keys is z
            return z.sum()

    z = torch.ones(2, 3, dtype=torch.bfloat16)
    mask = torch.ones(2, 4, dtype=torch.bool)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        Watch()(torch.ones(2, 2), z, patches=torch.ones(2, 4, 3).half(), mask=mask)
    assert [output.dtype for output in seen.values()] == [torch.float32, torch.float32, torch.bool]


def test_a_loss_over_patches_takes_embeddings_of_patches(refusal):
    z, mask = torch.ones(4, 5, 6), torch.ones(4, 5, dtype=torch.bool)
    loss = create("ibot")
    assert torch.isfinite(loss(torch.ones(4, 4), z, keys=z, mask=mask))
    message, _ = refusal(lambda: loss(torch.ones(4, 4), z[:, 0], keys=z[:, 0], mask=mask))
    assert message == "embeddings must have shape (n, P, K), not (4, 6), (4, 6)"


@pytest.mark.parametrize("name", ["simclr", "wmse", "nnclr", "koleo", "simdino", "projection"])
def test_no_rows_cost_nothing(name):
    loss = create(name)
    sizes = {"n": 0, "m": 4, "P": 3, "d": 5, "K": 6, "f": 7}
    outputs = {
        output: torch.zeros([sizes[size] for size in OUTPUTS[output].shape])
        for output in loss.inputs().values()
    }
    if "mask" in outputs:
        outputs["mask"] = outputs["mask"].bool()
    assert float(loss.over(torch.ones(0, 0), outputs)) == 0
