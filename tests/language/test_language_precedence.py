"""Operators have the precedence of Python: both parsers build the same tree."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rrl_dsl.language import syntax
from rrl_dsl.language.parser import parse
from rrl_dsl.language.span import Source

MODEST = settings(max_examples=150, deadline=None, derandomize=True, database=None)

SIGNS = {
    ast.BitOr: "|",
    ast.BitAnd: "&",
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.MatMult: "@",
}

names = st.sampled_from(["a", "b", "known"])
literals = st.sampled_from(["2", "0.5", "-3", "'x'", "True", "False"])
gaps = st.sampled_from(["", " ", "\n", "  # note\n"])


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    joined = st.lists(inner, min_size=2, max_size=5).flatmap(
        lambda operands: st.lists(
            st.tuples(gaps, st.sampled_from("|&+-*@"), gaps),
            min_size=len(operands) - 1,
            max_size=len(operands) - 1,
        ).map(
            lambda signs: (
                operands[0]
                + "".join(
                    f"{left}{sign}{right}{operand}"
                    for (left, sign, right), operand in zip(signs, operands[1:], strict=True)
                )
            )
        )
    )
    arguments = st.lists(inner, max_size=2).flatmap(
        lambda values: st.sampled_from(["", "", ","]).map(
            lambda comma: (
                ", ".join(
                    value if index == 0 else f"k{index}={value}"
                    for index, value in enumerate(values)
                )
                + (comma if values else "")
            )
        )
    )
    calls = st.builds(lambda name, inside: f"{name}({inside})", names, arguments)
    return joined | calls | inner.map(lambda text: f"({text})") | inner.map(lambda text: f"~{text}")


expressions = st.recursive(names | literals, larger, max_leaves=12)


def ours(node: syntax.Expression) -> object:
    match node:
        case syntax.Group():
            return ours(node.inner)
        case syntax.Number() | syntax.String() | syntax.Boolean():
            return ("literal", repr(node.value))
        case syntax.Name():
            return ("name", node.text)
        case syntax.Complement():
            return ("~", ours(node.operand))
        case syntax.Call():
            arguments = [
                (argument.name.text if argument.name else None, ours(argument.value))
                for argument in node.arguments
            ]
            return ("call", node.name.text, arguments)
        case syntax.Chain():
            tree = ours(node.operands[0])
            for sign, operand in zip(node.operators, node.operands[1:], strict=True):
                tree = (sign, tree, ours(operand))
            return tree


def pythons(node: ast.AST) -> object:
    match node:
        case ast.Constant(value=value):
            return ("literal", repr(value))
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)):
            return ("literal", repr(-value))
        case ast.Name(id=name):
            return ("name", name)
        case ast.UnaryOp(op=ast.Invert(), operand=operand):
            return ("~", pythons(operand))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
            arguments = [(None, pythons(arg)) for arg in args]
            arguments += [(keyword.arg, pythons(keyword.value)) for keyword in keywords]
            return ("call", name, arguments)
        case ast.BinOp(left=left, op=op, right=right):
            return (SIGNS[type(op)], pythons(left), pythons(right))
    raise AssertionError(ast.dump(node))


def trees_of(text: str) -> tuple[object, object]:
    # in brackets, since Python ends a statement at a line break where the language goes on
    recipe, faults = parse(Source(text))
    assert not faults, faults
    (statement,) = recipe.statements
    assert isinstance(statement, syntax.Result)
    return ours(statement.value), pythons(ast.parse(f"(\n{text}\n)", mode="eval").body)


@MODEST
@given(expressions)
def test_random_expression_has_the_tree_that_python_gives_it(text: str):
    mine, python = trees_of(text)
    assert mine == python


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("a | b & c", "a | (b & c)"),
        ("a & b + c", "a & (b + c)"),
        ("a + b * 2", "a + (b * 2)"),
        ("a - b - c", "(a - b) - c"),
        ("a - b + c", "(a - b) + c"),
        ("a + b - c", "(a + b) - c"),
        ("a | b | c", "(a | b) | c"),
        ("~a * 2", "(~a) * 2"),
        ("~a | b", "(~a) | b"),
        ("~~a & b", "(~(~a)) & b"),
        ("2 * a | b", "(2 * a) | b"),
        ("2 * -3 * a", "(2 * -3) * a"),
        ("a - -3", "a - (-3)"),
    ],
)
def test_operators_bind_as_the_reference_lists_them(text: str, grouped: str):
    assert trees_of(text)[0] == trees_of(grouped)[0] == trees_of(text)[1]
