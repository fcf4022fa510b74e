"""Builds the syntax tree while the parser reduces rules, with one method for each rule."""

from __future__ import annotations

from lark import Token, Transformer, v_args

from rrl_dsl.language.span import Span
from rrl_dsl.language.spelling import is_name, number_value, span_of, string_value
from rrl_dsl.language.syntax import (
    Argument,
    Boolean,
    Call,
    Chain,
    Complement,
    Contrast,
    Expression,
    Group,
    Import,
    Let,
    Name,
    Number,
    Param,
    Result,
    String,
    Version,
)


@v_args(inline=True)
class TreeBuilder(Transformer[Token, Expression]):
    """Creates the syntax node of a rule; a method has the name of its rule."""

    def version(self, keyword: Token, number: Token) -> Version:
        return Version(_cover(keyword, number), self.number(None, number))

    def param(self, keyword: Token, name: Token, value: Number | String | Boolean) -> Param:
        return Param(span_of(keyword).to(value.span), self.name(name), value)

    def let(self, keyword: Token, name: Token, value: Expression) -> Let:
        return Let(span_of(keyword).to(value.span), self.name(name), value)

    def imported(self, keyword: Token, file: Token, joint: Token, name: Token) -> Import:
        return Import(_cover(keyword, name), self.string(file), self.name(name))

    def contrast(self, keyword: Token, value: Expression) -> Contrast:
        return Contrast(span_of(keyword).to(value.span), value)

    def expression(self, value: Expression) -> Result:
        return Result(value.span, value)

    def chain(self, *children: Expression | Token) -> Expression:
        if len(children) == 1 and not isinstance(children[0], Token):
            return children[0]
        operands = tuple(child for child in children[::2] if not isinstance(child, Token))
        operators = tuple(str(child) for child in children[1::2])
        return Chain(operands[0].span.to(operands[-1].span), operands, operators)

    def complement(self, sign: Token, operand: Expression) -> Complement:
        return Complement(span_of(sign).to(operand.span), operand)

    def group(self, left: Token, inner: Expression, right: Token) -> Group:
        return Group(_cover(left, right), inner)

    def call(self, name: Token, left: Token, *rest: Argument | Token | None) -> Call:
        arguments = tuple(child for child in rest if isinstance(child, Argument))
        right = rest[-1]
        assert isinstance(right, Token)
        return Call(_cover(name, right), self.name(name), arguments)

    def argument(self, name: Token | None, value: Expression) -> Argument:
        if name is None:
            return Argument(value.span, None, value)
        return Argument(span_of(name).to(value.span), self.name(name), value)

    def name(self, token: Token) -> Name:
        return Name(span_of(token), str(token), is_name(token))

    def number(self, sign: Token | None, token: Token) -> Number:
        value = number_value(token)
        if sign is None or value is None:
            return Number(span_of(token) if sign is None else _cover(sign, token), value)
        return Number(_cover(sign, token), -value)

    def string(self, token: Token) -> String:
        return String(span_of(token), string_value(token))

    def boolean(self, token: Token) -> Boolean:
        return Boolean(span_of(token), token.lower() == "true")


def _cover(first: Token, last: Token) -> Span:
    return span_of(first).to(span_of(last))
