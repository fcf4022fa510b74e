"""The explanation of each code, for `rrl-dsl explain CODE` and the page of errors.

A code of the language has an example of the mistake and of its fix. Tests check that the
first gives the code and the second parses.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from rrl_dsl.language.run_explanations import RUN_EXPLANATIONS


@dataclass(frozen=True)
class Explanation:
    """The explanation of a code.

    Attributes:
        text: What the code means.
        wrong: A recipe with the mistake; None for codes that are not about the text of a recipe.
        right: The fixed recipe.
    """

    text: str
    wrong: str | None = None
    right: str | None = None


_E = Explanation

EXPLANATIONS: Final = MappingProxyType(
    {
        # 0xx syntax
        "RRL001": _E(
            "A recipe consists of names, numbers, strings and the symbols `| & + - * ~ "
            "( ) , = #`. Any other character is an error.",
            "ssl(views=2) | [supervised()]",
            "ssl(views=2) | (supervised())",
        ),
        "RRL002": _E(
            "Numbers are decimal and finite, such as `2`, `.05`, `0.05` or `1e-3`. "
            "Separators, suffixes and other bases are not allowed.",
            "supervised(frac=0.3.0)",
            "supervised(frac=0.3)",
        ),
        "RRL003": _E(
            "Names consist of lower-case ASCII letters, digits and `_`, and do not "
            "start with a digit.",
            "let Known = supervised()\nKnown",
            "let known = supervised()\nknown",
        ),
        "RRL004": _E(
            "A string must end on the line on which it starts, with the same quote.",
            "supervised(labels='coarse)",
            "supervised(labels='coarse')",
        ),
        "RRL005": _E(
            "A string can only escape quotes and the backslash.",
            'supervised(labels="co\\arse")',
            'supervised(labels="co\\\\arse")',
        ),
        "RRL006": _E(
            "An opening bracket has no closing bracket. A line that starts with a "
            "keyword ends the statement, so that the rest of the file is still checked.",
            "ssl(views=2 | supervised()",
            "ssl(views=2) | supervised()",
        ),
        "RRL007": _E(
            "A closing bracket has no opening bracket.",
            "ssl(views=2)) | supervised()",
            "ssl(views=2) | supervised()",
        ),
        "RRL008": _E(
            "A word or a symbol is not allowed at this place. The message says what is.",
            "ssl(views=2) || supervised()",
            "ssl(views=2) | supervised()",
        ),
        "RRL009": _E(
            "A statement ends too early, for example after an operator.",
            "ssl(views=2) |",
            "ssl(views=2)",
        ),
        "RRL010": _E(
            "Arguments are separated by commas.",
            "supervised(0.3 coarse)",
            "supervised(0.3, coarse)",
        ),
        "RRL011": _E("A recipe file must not exceed 256 KiB. Split it, and `import` the parts."),
        "RRL012": _E(
            "A recipe must not have more than 20,000 tokens, not counting comments. "
            "Put long lists of pairs into a file for `pairs`."
        ),
        "RRL013": _E(
            "Brackets and `~` must not be nested more than 64 levels deep.",
            "~" * 65 + "ssl(views=2)",
            "~ssl(views=2)",
        ),
        "RRL014": _E("A recipe file must be UTF-8 text. A byte order mark is ignored."),
        "RRL015": _E(
            "A recipe must end with an expression, which is its graph.",
            "let known = supervised()",
            "let known = supervised()\nknown",
        ),
        "RRL016": _E(
            "A recipe must have exactly one graph, and at most one contrast.",
            "ssl(views=2)\nsupervised()",
            "ssl(views=2)\n| supervised()",
        ),
        "RRL017": _E(
            "Statements must be in this order: one optional `rrl`, the definitions, "
            "the graph, and the optional contrast.",
            "ssl(views=2)\nlet known = supervised()",
            "let known = supervised()\nssl(views=2)",
        ),
        "RRL018": _E(
            "The recipe uses a version of the language that this release does not support.",
            "rrl 2\nssl(views=2)",
            "rrl 1\nssl(views=2)",
        ),
        "RRL019": _E("At most 100 errors are shown. Fix these first."),
        "RRL021": _E(
            "A recipe file does not exist, is not a regular file, or is not readable. "
            "The path of an imported file is relative to the file that imports it."
        ),
        "RRL022": _E(
            "`import` and `pairs` only read files below the folder of the recipe that "
            "names them. You can therefore share a recipe with its folder, and the "
            "recipe of a stranger cannot read other files. A link that leaves the "
            "folder is an error too. `--allow-outside` (in Python: "
            "`allow_outside=True`) lets a recipe that you trust read other files."
        ),
        "RRL023": _E("Recipes import each other in a circle."),
        "RRL024": _E(
            "A recipe that is not in a file names another file, so the path has no "
            "folder to be relative to. Save the recipe, or pass `directory` to "
            "`rrl.parse`.",
        ),
        "RRL025": _E(
            "A recipe and its imports must not import more than 256 recipes. Imports "
            "of the same recipe with the same parameters count once."
        ),
        # 1xx names
        "RRL101": _E(
            "The name is not a built-in, and no statement above defines it. A field, "
            "such as a label, can be a bare word only as an argument that takes a "
            "field.",
            "ssl(views=2) | supervized()",
            "ssl(views=2) | supervised()",
        ),
        "RRL102": _E(
            "The built-in has no argument with this name.",
            "ssl(view=2)",
            "ssl(views=2)",
        ),
        "RRL103": _E(
            "A name must be defined only once.",
            "let a = ssl(views=2)\nlet a = supervised()\na",
            "let a = ssl(views=2)\nlet b = supervised()\na | b",
        ),
        "RRL104": _E(
            "A definition must not use the name of a built-in, so that a recipe has "
            "the same meaning everywhere.",
            "let self = ssl(views=2)\nssl(views=2)",
            "let self_ = ssl(views=2)\nself_",
        ),
        "RRL105": _E(
            "`rrl param let import as contrast true false` are reserved words and cannot be names.",
            "let contrast = supervised()\nssl(views=2)",
            "let contrast_ = supervised()\nssl(views=2) | contrast_",
        ),
        "RRL106": _E(
            "The recipe has no parameter with this name. `param NAME = VALUE` declares "
            "a parameter. `--param NAME=VALUE`, `params=`, or a call `NAME(…)` of an "
            "import sets it."
        ),
        "RRL107": _E(
            "Only built-ins and imported recipes can be called. A name that `let` or "
            "`param` defines cannot.",
            "let known = supervised()\nknown()",
            "let known = supervised()\nknown",
        ),
        "RRL108": _E(
            "A built-in needs parentheses, even without arguments.",
            "ssl(views=2) | drop_self",
            "ssl(views=2) | drop_self()",
        ),
        # 2xx types
        "RRL201": _E(
            "The operands must be two graphs. In addition, `|` applies a transform to "
            "a graph, and `*` scales a graph by a number or a schedule.",
            "ssl(views=2) & keep(0.5)",
            "ssl(views=2) | keep(0.5)",
        ),
        "RRL202": _E(
            "The argument does not have the type that the signature requires.",
            "ssl(views=2.0)",
            "ssl(views=2)",
        ),
        "RRL203": _E(
            "A transform changes the graph on its left, and there is none.",
            "corrupt(fpr=0.05) | ssl(views=2)",
            "ssl(views=2) | corrupt(fpr=0.05)",
        ),
        "RRL204": _E(
            "A recipe must be a graph. A transform without a graph has nothing to change.",
            "keep(0.9)",
            "ssl(views=2) | keep(0.9)",
        ),
        "RRL205": _E(
            "`a - b` removes the edges of b from a, so b must be binary.",
            "all() - 2 * ssl(views=2)",
            "all() - (2 * ssl(views=2) | threshold(0))",
        ),
        "RRL206": _E(
            "There are more positional arguments than the signature allows. Arguments "
            "after `*` must be named.",
            "ssl(views=2) | corrupt(0.9)",
            "ssl(views=2) | corrupt(tpr=0.9)",
        ),
        "RRL207": _E(
            "The same argument is given twice.",
            "supervised(0.3, frac=0.5)",
            "supervised(0.3)",
        ),
        "RRL208": _E(
            "An argument without a default is missing.",
            "ssl(views=2) | keep()",
            "ssl(views=2) | keep(p=0.9)",
        ),
        "RRL209": _E(
            "Positional arguments must come before named arguments.",
            "supervised(labels=coarse, 0.3)",
            "supervised(0.3, labels=coarse)",
        ),
        "RRL210": _E("A recipe must be a graph.", "0.3", "ssl(views=2)"),
        "RRL211": _E(
            "The value of a parameter must have the type of its declared value: a "
            "number, a string, or `true` or `false`."
        ),
        "RRL212": _E(
            "A graph with a contrast cannot be part of another graph. Build the whole "
            "graph first, and call `with_contrast` last."
        ),
        "RRL213": _E(
            "`a @ b` is computed once, over the whole dataset. Its operands must therefore "
            "not depend on the batch, as `topk` does, or on the epoch, as a schedule does. "
            "They must also be symmetric, and `knn(directed=true)` is not.",
            "(supervised() | topk(3)) @ ssl()",
            "supervised() @ ssl()",
        ),
        # 3xx values
        "RRL301": _E(
            "The value is outside the range of the parameter. Both ends of a schedule "
            "must be in the range.",
            "ssl(views=2) | keep(1.5)",
            "ssl(views=2) | keep(0.5)",
        ),
        "RRL302": _E(
            "A graph must not have more than 64 levels. A chain of one operator is one "
            "level, however long it is.",
            "let a = ssl(views=2)\na" + " * 1" * 64,
            "ssl(views=2)",
        ),
        "RRL303": _E(
            "Two arguments cannot be used together.",
            "supervised(frac=0.3, per_class=4)",
            "supervised(per_class=4)",
        ),
        **{code: _E(text) for code, text in RUN_EXPLANATIONS.items()},
    }
)
"""Code -> explanation."""
