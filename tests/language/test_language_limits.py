"""Any text gives a graph or an error with a code, fast."""

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import rrl_dsl as rrl
from rrl_dsl.language.parser import parse
from rrl_dsl.language.span import Source

LIMIT_S = 4.0  # of a machine that does other things too; each takes well below one second


@contextmanager
def soon() -> Iterator[None]:
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < LIMIT_S


def codes_of(text: str) -> set[str]:
    with pytest.raises(rrl.RRLError) as caught:
        rrl.parse(text)
    assert str(caught.value)
    return {diagnostic.code for diagnostic in caught.value.diagnostics}


def lets(step: str, count: int) -> str:
    lines = [f"let a{number + 1} = {step.format(a=f'a{number}')}" for number in range(count)]
    return "\n".join(["let a0 = ssl() | random(0.1)", *lines, f"a{count}"])


@pytest.mark.parametrize("sign", ["|", "&", "+", "-"])
def test_chain_of_ten_thousand_operands_is_parsed_soon(sign: str):
    text = "let a = ssl()\n" + sign.join(["a"] * 9_990)
    with soon():
        graph = rrl.parse(text)
    assert len(graph.operands) == 9_990
    assert graph.depth == 2


def test_chain_of_two_operators_in_turn_is_refused_and_not_recursed_into():
    with soon():
        assert codes_of("let a = ssl()\n" + "-a+".join(["a"] * 4_000)) == {"RRL302"}


@pytest.mark.parametrize("step", ["{a} | {a}", "{a} + {a}", "({a} & {a})", "{a} - {a}"])
def test_sixty_definitions_that_double_take_no_longer_than_their_text(step: str):
    with soon():
        graph = rrl.parse(lets(step, 60))
        assert len(graph.identity) == 64


@pytest.mark.parametrize(
    "step", ["~({a} & {a})", "({a} | {a}) + {a}", "2 * {a}", "{a} | keep(0.9)"]
)
def test_thousand_definitions_on_top_of_each_other_are_too_deep(step: str):
    with soon():
        assert codes_of(lets(step, 1_000)) == {"RRL302"}


def test_transforms_that_double_are_refused_before_they_fill_the_memory():
    doubling = "\n".join(f"let t{number + 1} = t{number} | t{number}" for number in range(500))
    with soon():
        assert codes_of(f"let t0 = keep(0.9)\n{doubling}\nssl() | t500") == {"RRL302"}
        assert codes_of("ssl() | (" + " | ".join(["keep(0.9)"] * 2_000) + ")") == {"RRL302"}


def test_thousands_of_unknown_names_among_thousands_of_known_ones_end_soon():
    known = "\n".join(f"let known_{number} = all()" for number in range(2_000))
    unknown = "|".join(f"knwon_{number}" for number in range(2_000))
    with soon():
        assert codes_of(f"{known}\n{unknown}") == {"RRL101", "RRL019"}


def test_thousand_definitions_that_lengthen_one_chain_are_not_deep():
    with soon():
        assert rrl.parse(lets("{a} | self()", 1_000)).depth == 2


@pytest.mark.parametrize(
    ("opening", "closing"), [("(", ")"), ("~", ""), ("~(", ")"), ("ssl(views=", ")")]
)
def test_sixty_four_levels_of_brackets_and_tildes_parse_and_one_more_does_not(
    opening: str, closing: str
):
    levels = 64 // sum(sign in opening for sign in "(~")
    text = f"{opening * levels}a{closing * levels}"
    _, faults = parse(Source(text))
    assert not faults
    _, faults = parse(Source(f"({text})"))
    assert [fault.code for fault in faults] == ["RRL013"]


def test_brackets_side_by_side_are_not_deep():
    rrl.parse(" | ".join(["((~ssl()))"] * 200))


def test_sixty_four_levels_of_a_graph_are_allowed_and_one_more_is_not():
    graph: rrl.Graph = rrl.self()
    for _ in range(63):
        graph = ~graph
    assert graph.depth == 64
    with pytest.raises(rrl.RRLError, match="RRL302"):
        graph.__invert__()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(" * 19_000, "RRL006"),
        (")" * 19_000, "RRL007"),
        ("~" * 19_000, "RRL013"),
        ("| " * 10_000, "RRL008"),
        ("@ " * 19_000, "RRL008"),
        ("ssl(" * 9_000, "RRL006"),
        ("slef()\n" * 2_000, "RRL101"),
        ("let a = (\n" * 2_000, "RRL006"),
        ("rrl 1\n" * 4_000, "RRL017"),
        ("ssl()\n" * 3_000, "RRL016"),
        ("'" * 20_000, "RRL008"),
        ("'\n" * 4_000, "RRL004"),
        ("9" * 250_000, "RRL002"),
        ("ssl(views=" + "9" * 100_000 + ")", "RRL002"),
        ("let a = ssl()\na" + " * 1" * 9_000, "RRL302"),
        ("a" * 262_145, "RRL011"),
        ("\n" * 262_145, "RRL011"),
        ("a " * 20_001, "RRL012"),
        ("\\" * 200_000, "RRL001"),
    ],
    ids=lambda value: value if value.startswith("RRL") else repr(value[:12]),
)
def test_hostile_text_gives_its_code_soon(text: str, code: str):
    with soon():
        assert code in codes_of(text)


@pytest.mark.parametrize("text", ["\n" * 100_000 + "ssl()", "#\n" * 50_000 + "ssl()"])
def test_nothing_but_blank_lines_and_comments_counts_no_token(text: str):
    with soon():
        assert rrl.parse(text) == rrl.ssl()


def test_memory_stays_within_a_few_hundred_bytes_a_byte_of_text():
    text = "let a = ssl()\n" + "|".join(["a"] * 2_000)
    rrl.parse("ssl()")
    tracemalloc.start()
    try:
        rrl.parse(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000 * len(text)
