"""The rows of a batch: what is taken, and what is refused with RRL402 before it does harm."""

import numpy as np
import pytest
import torch

import rrl_dsl as rrl


def refusal(*args: object, **kwargs: object) -> tuple[str, str, str | None]:
    with pytest.raises(rrl.RRLError) as caught:
        rrl.Nodes(*args, **kwargs)
    (only,) = caught.value.diagnostics
    return only.code, only.message, only.hint


@pytest.mark.parametrize(
    "ids",
    [
        [0, 2, 2**62],
        (0, 2, 2**62),
        np.array([0, 2, 2**62]),
        np.array([0, 2, 2**62], dtype=np.uint64),
        torch.tensor([0, 2, 2**62]),
    ],
    ids=["list", "tuple", "int64 array", "uint64 array", "tensor"],
)
def test_ids_of_any_integer_kind_are_taken(ids: object):
    nodes = rrl.Nodes(ids)
    assert nodes.sample.dtype == torch.int64
    assert nodes.sample.tolist() == [0, 2, 2**62]
    assert nodes.view.tolist() == [0, 0, 0]
    assert len(nodes) == 3


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32])
def test_narrow_integers_are_widened(dtype: torch.dtype):
    nodes = rrl.Nodes(
        torch.tensor([1, 2], dtype=dtype), labels={"fine": torch.tensor([0, 1], dtype=dtype)}
    )
    assert nodes.sample.dtype == nodes.label("fine").dtype == torch.int64


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sample": [0.0, 1.0]}, "`sample` must be integers, not float32"),
        ({"sample": [True, False]}, "`sample` must be integers, not bool"),
        ({"sample": [1j]}, "`sample` must be integers, not complex64"),
        ({"sample": [[0], [1]]}, "`sample` must have shape (n,), not (2, 1)"),
        ({"sample": 3}, "`sample` must have shape (n,), not ()"),
        ({"sample": [0, -1]}, "`sample` is -1 in row 1"),
        ({"sample": [0, 1], "view": [0, -2]}, "`view` is -2 in row 1"),
        ({"sample": [0, 1], "view": [0.0, 1.0]}, "`view` must be integers, not float32"),
        ({"sample": [0, 1], "view": [0]}, "`view` has shape (1,), `sample` (2,)"),
        ({"sample": [0, 1], "labels": {"fine": [0]}}, "`fine` has shape (1,), `sample` (2,)"),
        ({"sample": [0, 1], "labels": {"fine": [0, -2]}}, "`fine` is -2 in row 1"),
        ({"sample": [0, 1], "labels": {"fine": [0.0, 1]}}, "`fine` must be integers, not float32"),
        (
            {"sample": [0, 1], "fields": {"time": [1.0]}},
            "the field `time` has shape (1,) for 2 rows",
        ),
        (
            {"sample": [0, 1], "fields": {"time": [1.0, float("inf")]}},
            "the field `time` has an infinite value",
        ),
        ({"sample": ["a", "b"]}, "`sample` must be an array of numbers: too many dimensions 'str'"),
        (
            {"sample": [0], "fields": {"caption": np.zeros((1, 0))}},
            "the vectors of the field `caption` are empty",
        ),
        (
            {"sample": [0, 1], "fields": {"time": [0, 2**62 + 1]}},
            "the field `time` has an integer beyond 2^62",
        ),
        (
            {"sample": [0], "fields": {"time": [-(2**63)]}},
            "the field `time` has an integer beyond 2^62",
        ),
        (
            {"sample": [0], "fields": {"time": np.array([2**64 - 1], dtype=np.uint64)}},
            "the field `time` has an integer beyond 2^62",
        ),
    ],
)
def test_malformed_rows_are_refused(columns: dict[str, object], message: str):
    code, said, _ = refusal(**columns)
    assert (code, said) == ("RRL402", message)


@pytest.mark.parametrize(
    "columns",
    [
        {"sample": [2**70]},
        {"sample": [[0], [1, 2]]},
        {"sample": np.array([2**63 + 1], dtype=np.uint64)},
        {"sample": None},
        {"sample": [0], "fields": {"time": ["noon"]}},
        {"sample": [0], "fields": {"caption": np.zeros((1, 2, 3))}},
    ],
    ids=["huge", "ragged", "beyond int64", "none", "text", "three dimensions"],
)
def test_hopeless_columns_are_refused_without_a_traceback(columns: dict[str, object]):
    assert refusal(**columns)[0] == "RRL402"


def test_hints_say_what_would_fit():
    assert refusal([0], labels={"fine": [-3]})[2] == "use -1 for unknown labels"
    assert refusal([-3])[2] == "ids and views start at 0"
    assert refusal([0, 1], labels={"fine": [3]})[2] == "pass one value per row"


def test_integers_up_to_2_to_the_62_are_compared_exactly():
    for kind in (np.int64, np.uint64):
        near = np.array([2**62, 2**62 - 5, 0], dtype=kind)
        rows = rrl.Nodes([0, 1, 2], fields={"time": near})
        weights = rrl.compile("near(time, 5)")(rows)
        assert weights.tolist() == [[True, True, False], [True, True, False], [False, False, True]]


def test_no_rows_at_all_are_a_batch():
    assert len(rrl.Nodes([], [], {"fine": []}, {"time": []})) == 0


def test_unknown_labels_and_missing_field_values_are_taken():
    nodes = rrl.Nodes([0, 1], labels={"fine": [-1, 3]}, fields={"time": [1.0, float("nan")]})
    assert nodes.label("fine").tolist() == [-1, 3]
    assert nodes.fields["time"].isnan().tolist() == [False, True]


def test_vectors_are_fields():
    assert rrl.Nodes([0, 1], fields={"caption": torch.zeros(2, 5)}).fields["caption"].shape == (
        2,
        5,
    )


@pytest.mark.parametrize(
    "array",
    [
        np.arange(4, dtype=">i8"),
        np.arange(4)[::-1][::-1],
        np.arange(8)[::2] // 2,
        np.arange(4, dtype=np.uint8),
        np.arange(4, dtype=np.uint32),
        range(4),
        list(np.arange(4)),
    ],
    ids=["big-endian", "reversed", "strided", "uint8", "uint32", "range", "list of scalars"],
)
def test_arrays_of_any_layout_are_taken(array: object):
    nodes = rrl.Nodes(array, labels={"fine": array}, fields={"time": array})
    assert nodes.sample.tolist() == nodes.label("fine").tolist() == [0, 1, 2, 3]
    assert nodes.number("time").tolist() == [0, 1, 2, 3]


def test_array_that_changes_afterwards_changes_no_rows():
    labels = np.array([0, 1])
    nodes = rrl.Nodes([0, 1], labels={"fine": labels})
    labels[0] = 7
    assert nodes.label("fine").tolist() == [0, 1]


@pytest.mark.parametrize("columns", [torch.tensor([0, 1]), [0, 1], {0: [0, 1]}])
@pytest.mark.parametrize("what", ["labels", "fields"])
def test_columns_without_a_name_are_refused(what: str, columns: object):
    code, message, hint = refusal([0, 1], **{what: columns})
    assert code == "RRL402"
    assert message.startswith(f"`{what}` must be a dict of columns, not a ")
    assert hint == f"write `{what}={{'NAME': ...}}`"


def test_field_in_the_place_of_a_label_says_where_labels_are_given():
    program = rrl.compile("supervised(labels=fine)")
    with pytest.raises(rrl.RRLError, match=r"pass it as `labels=\{'fine': ...\}`"):
        program(rrl.Nodes([0, 1], fields={"fine": [0, 1]}))


def test_looking_at_the_values_can_be_left_out():
    assert rrl.Nodes([-5], check=False).sample.tolist() == [-5]


def test_rows_on_other_devices_are_not_looked_at_unless_asked():
    # `meta` tensors have no values: looking at them would be an error
    ids = torch.zeros(3, dtype=torch.int64, device="meta")
    assert rrl.Nodes(ids).device.type == "meta"


def test_columns_on_two_devices_are_refused():
    far = torch.zeros(2, dtype=torch.int64, device="meta")
    assert refusal([0, 1], far)[:2] == ("RRL402", "`view` is on meta, `sample` on cpu")
    assert refusal([0, 1], fields={"time": far})[:2] == (
        "RRL402",
        "`time` is on meta, `sample` on cpu",
    )


def test_some_rows_in_another_order():
    nodes = rrl.Nodes([5, 6, 7], [0, 1, 2], {"fine": [1, 2, 3]}, {"time": [0.1, 0.2, 0.3]})
    part = nodes[torch.tensor([2, 0])]
    assert part.sample.tolist() == [7, 5]
    assert part.view.tolist() == [2, 0]
    assert part.label("fine").tolist() == [3, 1]
    assert part.fields["time"].tolist() == pytest.approx([0.3, 0.1])
    assert nodes[1:].sample.tolist() == [6, 7]


def test_rows_move_together():
    nodes = rrl.Nodes([5], [0], {"fine": [1]}, {"time": [0.1]}).to("meta")
    assert {nodes.device, nodes.view.device, nodes.label("fine").device} == {torch.device("meta")}
    assert nodes.fields["time"].device.type == "meta"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("fin", "did you mean `fine`?"), ("species", "they have fine, coarse")],
)
def test_missing_label_field_is_rrl401_with_what_there_is(name: str, hint: str):
    nodes = rrl.Nodes([0], labels={"fine": [0], "coarse": [0]})
    with pytest.raises(rrl.RRLError) as caught:
        nodes.label(name)
    (only,) = caught.value.diagnostics
    assert only.code == "RRL401"
    assert only.message == f"the rows have no label field `{name}`"
    assert only.hint == hint


def test_rows_say_what_they_are():
    assert repr(rrl.Nodes([0, 1], labels={"fine": [0, 1]})) == "Nodes(2 rows on cpu; fine)"
    assert repr(rrl.Nodes([0])) == "Nodes(1 rows on cpu; no labels or fields)"
