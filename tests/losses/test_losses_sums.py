"""Sums of losses: what a text says, what it costs, and where a text that says nothing is wrong."""

from typing import Any

import pytest
import torch
from pydantic.dataclasses import dataclass

import rrl_dsl as rrl
from rrl_dsl.losses import Loss, create, register, registry
from rrl_dsl.losses.base import OPTIONS

HINT = "write a sum like `dino + 1.0*ibot + 0.1*koleo`"


@pytest.fixture
def graph():
    return torch.rand(12, 12, generator=torch.Generator().manual_seed(0)) > 0.6


@pytest.fixture
def z():
    return torch.randn(12, 3, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def pull(monkeypatch):
    """A loss of a user's own, over backbone features and predictions."""
    monkeypatch.setattr(registry, "_LOSSES", dict(registry.registered()))

    @register("pull")
    @dataclass(frozen=True, kw_only=True, config=OPTIONS)
    class Pull(Loss):
        """Pulls."""

        binary = True
        power: float = 1.0
        note: Any = None

        def inputs(self):
            return {"z": "backbone", "keys": "prediction"}

        def value(self, relation, z, keys):
            return relation.dot(z, keys).sum() ** self.power

        def least_rows(self, width):
            return width + 5

        def skipped(self, relation):
            return {"odd": relation.degree().float().mean()}

    return Pull


def said(text):
    """The weights and losses of a text."""
    return list(create(text).terms())


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("simclr + suncet", [(1.0, "simclr"), (1.0, "suncet")]),
        ("simclr + 0.5*suncet", [(1.0, "simclr"), (0.5, "suncet")]),
        ("suncet*.5+2*simclr", [(0.5, "suncet"), (2.0, "simclr")]),
        ("  simclr\t+  1e-3 * suncet ", [(1.0, "simclr"), (0.001, "suncet")]),
        ("0.5*(simclr + 4*suncet)", [(0.5, "simclr"), (2.0, "suncet")]),
        ("(simclr +\n    2*suncet)", [(1.0, "simclr"), (2.0, "suncet")]),
        ("3*simclr", [(3.0, "simclr")]),
        ("(simclr)", [(1.0, "simclr")]),
        ("simclr()", [(1.0, "simclr")]),
        ("simclr + wmse + suncet", [(1.0, "simclr"), (1.0, "wmse"), (1.0, "suncet")]),
    ],
)
def test_a_text_says_weights_and_losses(text, terms):
    assert said(text) == [(weight, create(name)) for weight, name in terms]


def test_a_single_term_is_not_a_sum():
    assert create("(simclr)") == create("simclr()") == create("1*simclr") == create("simclr")
    assert create("2*simclr") != create("simclr")


def test_options_are_in_brackets():
    assert said("simclr(temperature=0.1, normalize='edges') + 2*suncet(temperature=1)") == [
        (1.0, create("simclr", temperature=0.1, normalize="edges")),
        (2.0, create("suncet", temperature=1)),
    ]


def test_a_bare_word_is_that_word_and_true_and_false_are_not():
    assert said("supcon(form=sum) + wmse(by_view=false) + simclr(self_in_denominator=true)") == [
        (1.0, create("supcon", form="sum")),
        (1.0, create("wmse", by_view=False)),
        (1.0, create("simclr", self_in_denominator=True)),
    ]
    assert said("wmse(by_view=False)") == said("wmse(by_view=false)")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("True", True),
        ("false", False),
        ("word", "word"),
        ("'a b'", "a b"),
        ("'a:b'", "a:b"),
        ("-1.5", -1.5),
        ("[1, 2]", [1, 2]),
        ("None", None),
    ],
)
def test_options_are_parsed_by_their_text(text, value, pull):
    assert create(f"pull(note={text})") == pull(note=value)
    assert type(create(f"pull(note={text})").note) is type(value)


def test_sums_are_equal_where_their_terms_are():
    assert create("simclr + wmse") == create("simclr  +  1.0*wmse")
    assert hash(create("simclr + wmse")) == hash(create("simclr + wmse"))
    assert create("simclr + wmse") != create("simclr + suncet")
    assert create("simclr + wmse") != create("simclr + 2*wmse")
    assert "SuNCEt(temperature=0.2, with_self=False)" in repr(create("simclr + suncet"))


def test_the_value_and_the_gradient_are_the_weighted_sum(graph, z):
    z.requires_grad_()
    simclr, suncet = create("simclr", temperature=0.1), create("suncet")
    ours = create("2*simclr(temperature=0.1) + 0.5*suncet")(graph, z)
    theirs = 2 * simclr(graph, z) + 0.5 * suncet(graph, z)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)
    (one,), (other,) = (torch.autograd.grad(value, z) for value in (ours, theirs))
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_a_call_hands_keys_and_views_to_every_term(z):
    view = torch.arange(12) % 2
    loss = create("wmse(slice=0) + simclr")
    parts = create("wmse", slice=0), create("simclr")
    graph, keys = torch.ones(12, 12), z.roll(1, dims=0)
    expected = sum(part(graph, z, view=view) for part in parts)
    torch.testing.assert_close(loss(graph, z, view=view), expected)
    expected = sum(part(graph, z, keys=keys) for part in parts)
    torch.testing.assert_close(loss(graph, z, keys=keys), expected)
    relation = rrl.compile("random(0.5)").relate(rrl.Nodes(torch.arange(12)))
    expected = sum(part(relation, z) for part in parts)
    torch.testing.assert_close(loss.value(relation, z, z), expected)


@pytest.mark.usefixtures("pull")
def test_over_passes_the_inputs_of_every_term(graph, z):
    backbone, prediction = torch.rand(12, 7), torch.rand(12, 7)
    loss = create("simclr + 0.1*pull(power=2)")
    assert loss.inputs() == {
        "projection": "projection",
        "backbone": "backbone",
        "prediction": "prediction",
    }
    outputs = {"projection": z, "backbone": backbone, "prediction": prediction}
    own = create("pull", power=2)(graph, backbone, keys=prediction)
    expected = create("simclr")(graph, z) + 0.1 * own
    torch.testing.assert_close(loss.over(graph, outputs), expected)
    with pytest.raises(rrl.RRLError, match="the loss `pull` needs `keys`") as problem:
        loss.over(graph, {"projection": z, "backbone": backbone})
    assert [diagnostic.code for diagnostic in problem.value.diagnostics] == ["RRL406"]


@pytest.mark.usefixtures("pull")
def test_over_gives_each_term_its_columns(z):
    graph, columns = torch.ones(12, 5), {"projection": z[:5] + 1, "prediction": torch.ones(5, 3)}
    ours = create("simclr + pull").over(graph, {"projection": z, "backbone": z}, columns)
    expected = create("simclr")(graph, z, keys=z[:5] + 1)
    expected = expected + create("pull")(graph, z, keys=torch.ones(5, 3))
    torch.testing.assert_close(ours, expected)


@pytest.mark.usefixtures("pull")
def test_a_sum_needs_what_its_terms_need(graph):
    loss = create("wmse + pull + dino")
    assert loss.needs() == ("predictor", "prototypes", "teacher")
    assert loss.least_rows(4) == 9
    assert loss.least_rows(100) == 200
    assert [term.binary for _, term in loss.terms()] == [False, True, False]
    relation = rrl.compile("none()").relate(rrl.Nodes(torch.arange(4)))
    assert loss.skipped(relation) == {
        "wmse/without_edge": 1,
        "pull/odd": 0,
        "dino/without_edge": 1,
    }


def test_a_sum_within_a_sum_keeps_its_options(z):
    [(_, simclr), (weight, dinov2)] = said("simclr + 0.5*dinov2(koleo=0)")
    assert weight == 0.5
    assert [term.name() for _, term in dinov2.terms()] == ["dino", "ibot"]
    assert simclr == create("simclr")


def refusals(text, **options):
    with pytest.raises(rrl.RRLError) as problem:
        create(text, **options)
    return problem.value.diagnostics


MEANT = "a sum consists of losses and of numbers times losses"
SEVERAL = "losses are added with `+`, and options follow a name in parentheses"
NAMED = "an option must have a name, and occur only once"


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("simclr +", "simclr +", "this is not a sum of losses"),
        ("simclr(temperature=0.2", "simclr(temperature=0.2", "this is not a sum of losses"),
        ("+".join(["simclr"] * 3000), None, "this is not a sum of losses"),
        ("1 + simclr", "1", MEANT),
        ("dino,ibot", "dino,ibot", SEVERAL),
        ("0.5 simclr", "0.5 simclr", SEVERAL),
        ("simclr - byol", "simclr - byol", SEVERAL),
        ("simclr temperature=0.1", "simclr temperature=0.1", SEVERAL),
        ("simclr * suncet", "simclr * suncet", MEANT),
        ("simclr + -1*suncet", "-1*suncet", MEANT),
        ("simclr + 'suncet'", "'suncet'", MEANT),
        ("(simclr, suncet)", "(simclr, suncet)", MEANT),
        (
            "simclr + my-loss",
            "simclr + my-loss",
            "losses can only be added, and a name in a sum must not contain `-`",
        ),
        ("simclr + 0*suncet", "0", "a weight must be above 0 and finite"),
        ("simclr + 1e999*suncet", "1e999", "a weight must be above 0 and finite"),
        ("1e200*(1e201*simclr)", "1e201", "a weight must be above 0 and finite"),
        ("1e-200*(1e-201*simclr)", "1e-201", "a weight must be above 0 and finite"),
        ("simclr + True*suncet", "True", "a weight must be a number"),
        ("2j*simclr", "2j", "a weight must be a number"),
        ("simclr(0.1)", "0.1", "an option must be written `NAME=VALUE`"),
        ("simclr(**options)", "**options", NAMED),
        ("simclr(temperature=1, temperature=2)", "temperature=2", NAMED),
        ("simclr(temperature=a.b)", "a.b", "an option must be a number, a word, true or false"),
        (
            "simclr(temperature={[]: 1})",
            "{[]: 1}",
            "an option must be a number, a word, true or false",
        ),
    ],
)
def test_syntax_errors_of_sums_have_positions(text, at, message):
    [diagnostic] = refusals(text)
    assert (diagnostic.code, diagnostic.message, diagnostic.hint) == ("RRL423", message, HINT)
    assert diagnostic.source.text == text
    assert text[slice(*diagnostic.span)] == (text if at is None else at)


@pytest.mark.parametrize(
    ("text", "code", "at", "message", "hint"),
    [
        (
            "suncet + 0.5*simclrr",
            "RRL407",
            "simclrr",
            "there is no loss `simclrr`",
            "did you mean `simclr`?",
        ),
        (
            "  (suncet +\n é*2 +\n   simclrr)",
            "RRL407",
            "é",
            "there is no loss `é`",
            None,  # it lists the losses
        ),
        (
            "(suncet + \n  'é'*simclr)",
            "RRL423",
            "'é'",
            "a weight must be a number",
            HINT,
        ),
        (
            "(suncet(normalize=é) +\r\n  simclr)",
            "RRL408",
            "suncet(normalize=é)",
            "the loss `suncet` has no option `normalize`",
            "its options are `temperature` and `with_self`",
        ),
        (
            "simclr + suncet(temprature=1)",
            "RRL408",
            "suncet(temprature=1)",
            "the loss `suncet` has no option `temprature`",
            "did you mean `temperature`?",
        ),
        (
            "simclr + supcon(form=both)",
            "RRL408",
            "supcon(form=both)",
            "`form` of the loss `supcon` should be 'out' or 'sum', not 'both'",
            None,
        ),
    ],
)
def test_errors_of_terms_have_positions(text, code, at, message, hint):
    [diagnostic] = refusals(text)
    assert diagnostic.code == code
    assert text[slice(*diagnostic.span)] == at
    assert diagnostic.source.text == text
    assert diagnostic.message == message
    assert hint is None or diagnostic.hint == hint


@pytest.mark.parametrize("other", ["temp", "tau", "T", "temprature"])
def test_a_misspelled_option_has_a_suggestion(other):
    assert [diagnostic.hint for diagnostic in refusals("simclr", **{other: 0.1})] == [
        "did you mean `temperature`?"
    ]


def test_all_errors_of_options_are_reported():
    text = "suncet + simclr(temperature=-1, normalize=cols)"
    diagnostics = refusals(text)
    assert [diagnostic.code for diagnostic in diagnostics] == ["RRL408", "RRL408"]
    assert {text[slice(*diagnostic.span)] for diagnostic in diagnostics} == {
        "simclr(temperature=-1, normalize=cols)"
    }
    assert {diagnostic.message.split()[0] for diagnostic in diagnostics} == {
        "`temperature`",
        "`normalize`",
    }


def test_options_beside_a_sum_are_refused():
    [diagnostic] = refusals("simclr + suncet", temperature=0.1)
    assert diagnostic.code == "RRL408"
    assert diagnostic.message == (
        "`simclr + suncet` is a sum, and `temperature` could be an option of any of its losses"
    )
    assert diagnostic.hint == "write it after a name: `NAME(temperature=…)`"
