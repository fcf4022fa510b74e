"""Recipes that say which pairs may serve as unrelated."""

import numpy as np
import pytest
import torch

import rrl_dsl as rrl

ROWS = rrl.Nodes(
    np.repeat(np.arange(6), 2),
    np.tile([0, 1], 6),
    labels={"label": np.repeat([0, 0, 1, 1, 2, 2], 2)},
    fields={"time": np.repeat([0.0, 1, 2, 10, 11, 12], 2)},
)
TEXT = "ssl(views=2)\ncontrast all() - near(time, 2)"


def test_text_and_python_give_the_same_recipe():
    graph = rrl.ssl(views=2).with_contrast(rrl.all() - rrl.near("time", 2))
    assert graph == rrl.parse(TEXT)
    assert graph.binary
    assert graph.contrast == rrl.all() - rrl.near("time", 2)
    assert rrl.ssl().contrast is None


def test_contrast_is_a_part_of_the_identity():
    others = [
        "ssl(views=2)",
        "ssl(views=2)\ncontrast all() - near(time, 3)",
        "all() - near(time, 2)\ncontrast ssl()",
    ]
    assert len({rrl.parse(text).identity for text in [TEXT, *others]}) == 4


def test_every_pair_is_the_default():
    assert rrl.parse("ssl()\ncontrast all()") == rrl.parse("ssl()")


def test_a_contrast_does_not_change_the_graph():
    assert torch.equal(rrl.compile(TEXT)(ROWS), rrl.compile("ssl(views=2)")(ROWS))


def test_denominators_run_over_related_and_contrasted_pairs():
    z = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
    relation = rrl.compile(TEXT).relate(ROWS)
    related = rrl.compile("ssl(views=2)")(ROWS)
    contrasted = ~rrl.compile("near(time, 2)")(ROWS)
    compared = (related | contrasted) & ~torch.eye(12, dtype=torch.bool)
    expected = (z @ z.T).masked_fill(~compared, -torch.inf).logsumexp(dim=1)
    torch.testing.assert_close(relation.lse(z, z), expected)
    assert relation.unrelated_count().tolist() == (contrasted & ~related).sum(dim=1).tolist()


def test_weights_of_a_contrast_count_as_none_or_some():
    weighted = "ssl()\ncontrast 0.1 * supervised()"
    relation = rrl.compile(weighted).relate(ROWS)
    expected = rrl.compile("ssl()\ncontrast supervised()").relate(ROWS)
    assert relation.unrelated_count().tolist() == expected.unrelated_count().tolist()


def test_columns_that_are_not_the_rows():
    part = ROWS[torch.arange(4)]
    relation = rrl.compile(TEXT).relate(part, ROWS)
    whole = rrl.compile(TEXT).relate(ROWS)
    assert relation.unrelated_count().tolist() == whole.unrelated_count()[:4].tolist()


def test_draws_of_the_graph_are_numbered_before_those_of_the_contrast():
    graph = rrl.parse("ssl() | random(.5)\ncontrast random(.5) | ssl()")
    program = rrl.compile(graph, seed=1)
    second = rrl.compile("(random(.5) & none()) | random(.5)", seed=1)(ROWS)
    first = rrl.compile("ssl() | random(.5)", seed=1)(ROWS)
    assert torch.equal(program(ROWS), first)
    unrelated = (second | rrl.compile("ssl()")(ROWS)) & ~first & ~torch.eye(12, dtype=torch.bool)
    assert program.relate(ROWS).unrelated_count().tolist() == unrelated.sum(dim=1).tolist()


def test_a_let_that_both_name_draws_once():
    program = rrl.compile("let a = random(.5)\nssl() | a\ncontrast all() - a", seed=2)
    related = program(ROWS) & ~torch.eye(12, dtype=torch.bool)
    rest = ~program(ROWS) & ~torch.eye(12, dtype=torch.bool)
    assert related.any()
    assert program.relate(ROWS).unrelated_count().tolist() == rest.sum(dim=1).tolist()


@pytest.mark.parametrize(
    "use",
    [
        lambda g: g | rrl.ssl(),
        lambda g: rrl.ssl() | g,
        lambda g: g & rrl.ssl(),
        lambda g: g + g,
        lambda g: rrl.all() - g,
        lambda g: 2 * g,
        lambda g: ~g,
        lambda g: g | rrl.keep(0.5),
        lambda g: g.with_contrast(rrl.ssl()),
        lambda g: rrl.ssl().with_contrast(g),
    ],
)
def test_a_recipe_with_a_contrast_cannot_be_an_operand(use: object):
    with pytest.raises(rrl.RRLError, match="RRL212"):
        use(rrl.parse(TEXT))


def test_a_contrast_in_python_is_a_graph():
    with pytest.raises(rrl.RRLError, match="RRL201"):
        rrl.ssl().with_contrast(rrl.keep(0.5))


def test_deep_graph_may_have_a_contrast_and_each_is_limited_alone():
    graph = rrl.self()
    for _ in range(63):
        graph = ~graph
    assert graph.with_contrast(graph).depth == 64


def test_requirements_include_those_of_the_contrast():
    requires = rrl.compile("ssl()\ncontrast all() - near(time, 2) - knn(2)").requires
    assert requires.numbers == ("time",)
    assert requires.spaces == ("projection",)


def test_contrast_by_rank_of_the_batch():
    z = torch.eye(12)
    relation = rrl.compile("ssl()\ncontrast knn(3)").relate(ROWS, spaces={"projection": z})
    assert (relation.unrelated_count() >= 3 - 1).all()
