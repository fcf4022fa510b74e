"""Text -> the same recipe in the one style of the language.

The style:

- Lines have at most 88 characters where that is possible; comments are neither wrapped nor counted.
  Line ends are LF, and no line ends in a blank. One blank line may stand between statements and
  the comments around them, none inside a statement.
- One space around binary operators, after commas and around the `=` of a statement; none inside
  brackets, around the `=` of an argument, after `~` and after the sign of a number.
- `true`, not `True`; `0.5`, `5.0` and `1e3`, not `.5`, `5.` and `1E3`. Strings stand in double
  quotes unless that needs more escapes. Brackets stay as they are.
- A statement that fits on a line stands on one. Else it is broken at its loosest operators, one
  operand a line, the operator first: not indented in the graph of the recipe, by 4 in a `let` or
  `contrast`, and by 4 more for the operators of an operand. The value of a `let` whose first
  operand does not fit begins below its name.
- Where there is no operator, the content of the last brackets stands on lines of its own, indented
  by 4; that of a call with an argument a line and a comma after each. A product is broken so too,
  where its last factor has brackets: `0.5 * (`.
- A comment at the end of a line stays at the end of that line, two spaces after it. A comment on a
  line of its own stays before what it stood before. Either breaks the line there. A comment after
  an operator that ends a line stays on the line, though the operator moves to the next. From where
  no line may break, a comment moves up to a line of its own: after `views=`, before the argument.
- `#` is followed by a space, but for `##`, `#!` and `#` alone; more blanks than one are kept.

The tokens of a statement and its comments are written one after the other, each once, so that
nothing can be lost.
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
    """The text in the one style of the language; no names are looked up.

    Raises:
        RRLError: Every error of the syntax, or RRL011 or RRL012 where the formatted text, with its
            indents and commas, would be over the language's limits.
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
    """The lines of the result, with all blank lines that stood between statements."""
    tokens = tokens_of(source)
    place = {token.start_pos: index for index, token in enumerate(tokens)}
    done = 0
    for statement in lines_of(tokens, source):
        first, last = (place[statement.tokens[end].start_pos] for end in (0, -1))
        yield from _between(tokens, done, first)
        lines = break_lines(words_of(tokens[first : last + 1]))
        done = last + 1
        if done < len(tokens) and tokens[done].type == "COMMENT":
            lines[-1] += f"  {comment_text(tokens[done])}"
            done += 1
        yield from lines
    yield from _between(tokens, done, len(tokens))


def _between(tokens: list[Token], start: int, end: int) -> Iterator[str]:
    """The comments and blank lines that stand between two statements."""
    for index in range(start, end):
        if tokens[index].type == "COMMENT":
            yield comment_text(tokens[index])
        elif index and tokens[index - 1].type == "NEWLINE":
            yield ""
