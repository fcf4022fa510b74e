"""Formats a recipe in the one style of the language.

The style:

- Lines have at most 88 characters if possible. Comments are not wrapped and do not count. Line ends
  are LF. No line ends in a space. At most one blank line separates statements and the comments
  around them. A statement contains no blank line.
- Binary operators and the `=` of a statement have a space on both sides, and commas have one after
  them. There is no space inside brackets, around the `=` of an argument, after `~`, or after the
  sign of a number.
- `true`, not `True`; `0.5`, `5.0` and `1e3`, not `.5`, `5.` and `1E3`. Strings have double quotes
  unless that needs more escapes. Brackets are neither added nor removed.
- A statement that fits on a line is on one line. Otherwise it breaks at its operators of the lowest
  precedence: a line has one operand, after its operator. These lines are not indented in the graph
  of the recipe, by 4 in a `let` or `contrast`, and by 4 more for the operators of an operand. If
  the first operand of a `let` does not fit, its value starts on the next line.
- Without an operator, the content of the last brackets is on separate lines, indented by 4. A call
  has one argument per line, followed by a comma. A product whose last factor has brackets breaks
  in the same way: `0.5 * (`.
- A comment at the end of a line stays there, after two spaces. A comment on a separate line stays
  before the same token. Both break the line. A comment after an operator at the end of a line stays
  on the line, while the operator moves to the next. A comment where a line must not break moves up
  to a separate line: after `views=`, before the argument.
- `#` is followed by a space, except in `##`, `#!` and a lone `#`. Further spaces are kept.

The formatter writes the tokens and comments of a statement in order, and each exactly once. It
cannot lose any.
"""

from __future__ import annotations

from collections.abc import Iterator

from lark import Token

from rrl_dsl.language.diagnostics import RRLError, in_order
from rrl_dsl.language.format_lines import break_lines
from rrl_dsl.language.format_words import comment_text, words_of
from rrl_dsl.language.layout import lines_of
from rrl_dsl.language.lexer import tokens_of
from rrl_dsl.language.parser import parse
from rrl_dsl.language.span import Source


def format_text(source: Source) -> str:
    """Returns the formatted text; names are not resolved.

    Raises:
        RRLError: All syntax errors; RRL011 or RRL012 if the formatted text exceeds the limits of
            the language.
    """
    _, faults = parse(source)
    if faults:
        raise RRLError(in_order(faults))
    lines: list[str] = []
    for line in _lines(source):
        if line or (lines and lines[-1]):  # no blank line first, and no two in a row
            lines.append(line)
    text = "\n".join(lines).rstrip("\n") + "\n" if lines else ""
    tokens_of(Source(text, f"{source.name} (formatted)"))
    return text


def _lines(source: Source) -> Iterator[str]:
    """The formatted lines, with all blank lines between statements."""
    tokens = tokens_of(source)
    index_of = {token.start_pos: index for index, token in enumerate(tokens)}
    done = 0
    for statement in lines_of(tokens, source):
        first, last = (index_of[statement.tokens[end].start_pos] for end in (0, -1))
        yield from _between(tokens, done, first)
        lines = break_lines(words_of(tokens[first : last + 1]))
        done = last + 1
        if done < len(tokens) and tokens[done].type == "COMMENT":
            lines[-1] += f"  {comment_text(tokens[done])}"
            done += 1
        yield from lines
    yield from _between(tokens, done, len(tokens))


def _between(tokens: list[Token], start: int, end: int) -> Iterator[str]:
    """The comments and blank lines between two statements."""
    for index in range(start, end):
        if tokens[index].type == "COMMENT":
            yield comment_text(tokens[index])
        elif index and tokens[index - 1].type == "NEWLINE":
            yield ""
