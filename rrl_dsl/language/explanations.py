"""What each code is about, at length: for `rrl-dsl explain CODE` and the page of errors.

A code of the language has an example of the mistake and the same recipe mended; tests hold that the
one gives the code and the other parses.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True)
class Explanation:
    """One code at length.

    Attributes:
        text: What is wrong and why it is refused.
        wrong: A recipe with the mistake; None for codes that are not about a recipe's text.
        right: The recipe mended.
    """

    text: str
    wrong: str | None = None
    right: str | None = None


_E = Explanation

EXPLANATIONS: Final = MappingProxyType(
    {
        # 0xx syntax
        "RRL001": _E(
            "The language is written with names, numbers, strings and the signs "
            "`| & + - * ~ ( ) , = #`. Anything else is refused where it stands.",
            "ssl(views=2) | [supervised()]",
            "ssl(views=2) | (supervised())",
        ),
        "RRL002": _E(
            "Numbers are decimal and finite, such as `2`, `.05`, `0.05` or `1e-3`; there are no "
            "separators, suffixes or other bases.",
            "supervised(frac=0.3.0)",
            "supervised(frac=0.3)",
        ),
        "RRL003": _E(
            "Names are lower-case ASCII letters, digits and `_`, and do not start with a digit.",
            "let Known = supervised()\nKnown",
            "let known = supervised()\nknown",
        ),
        "RRL004": _E(
            "A string ends on its line, with the quote it began with.",
            "supervised(labels='coarse)",
            "supervised(labels='coarse')",
        ),
        "RRL005": _E(
            "Only quotes and the backslash are escaped in a string.",
            'supervised(labels="co\\arse")',
            'supervised(labels="co\\\\arse")',
        ),
        "RRL006": _E(
            "A bracket is never closed. A line that starts with a keyword ends the statement all "
            "the same, so that the rest of the file is read.",
            "ssl(views=2 | supervised()",
            "ssl(views=2) | supervised()",
        ),
        "RRL007": _E(
            "A closing bracket closes nothing.",
            "ssl(views=2)) | supervised()",
            "ssl(views=2) | supervised()",
        ),
        "RRL008": _E(
            "A word or a sign stands where it cannot. The message says what would fit.",
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
        "RRL011": _E("A recipe file has at most 256 KiB. Split it, and `import` the parts."),
        "RRL012": _E(
            "A recipe has at most 20,000 words and signs, comments not counted. Long lists of "
            "pairs belong into a file for `pairs`."
        ),
        "RRL013": _E(
            "Brackets and `~` nest at most 64 levels deep.",
            "~" * 65 + "ssl(views=2)",
            "~ssl(views=2)",
        ),
        "RRL014": _E("Recipe files are UTF-8 text; a byte order mark is ignored."),
        "RRL015": _E(
            "A recipe ends with an expression, its graph.",
            "let known = supervised()",
            "let known = supervised()\nknown",
        ),
        "RRL016": _E(
            "A recipe has one graph, and at most one contrast.",
            "ssl(views=2)\nsupervised()",
            "ssl(views=2)\n| supervised()",
        ),
        "RRL017": _E(
            "Statements have an order: `rrl` first and once, then definitions, then the graph, and "
            "the contrast last.",
            "ssl(views=2)\nlet known = supervised()",
            "let known = supervised()\nssl(views=2)",
        ),
        "RRL018": _E(
            "The recipe is written in a version of the language that this release does not read.",
            "rrl 2\nssl(views=2)",
            "rrl 1\nssl(views=2)",
        ),
        "RRL019": _E("At most a hundred errors are shown; mend those first."),
        "RRL021": _E(
            "A recipe file is not there, is not a file, or may not be read. Imported files are "
            "looked for relative to the file that imports them."
        ),
        "RRL022": _E(
            "`import` and `pairs` read only below the folder of the recipe that names the file, so "
            "that a recipe can be handed on with its folder, and a stranger's recipe reads nothing "
            "else. Links that leave the folder count as leaving it. `--allow-outside` (in Python: "
            "`allow_outside=True`) lets a recipe that you trust read other files."
        ),
        "RRL023": _E("Recipes import each other in a circle, so none of them has a meaning."),
        "RRL024": _E(
            "A text names a file, and does not lie in a folder that the name could be relative to. "
            "Save it, or give `rrl.parse` its `directory`.",
        ),
        "RRL025": _E(
            "Recipes below one file are imported at most 256 times, counting each set of "
            "parameters once."
        ),
        # 1xx names
        "RRL101": _E(
            "A name is no built-in, and nothing above defines it. A field, such as a label, is a "
            "bare word only where an argument wants one.",
            "ssl(views=2) | supervized()",
            "ssl(views=2) | supervised()",
        ),
        "RRL102": _E(
            "A built-in has no argument of that name.",
            "ssl(view=2)",
            "ssl(views=2)",
        ),
        "RRL103": _E(
            "A name is defined once.",
            "let a = ssl(views=2)\nlet a = supervised()\na",
            "let a = ssl(views=2)\nlet b = supervised()\na | b",
        ),
        "RRL104": _E(
            "The built-ins keep their names, so that a recipe means the same wherever it is read.",
            "let self = ssl(views=2)\nssl(views=2)",
            "let self_ = ssl(views=2)\nself_",
        ),
        "RRL105": _E(
            "`rrl param let import as contrast true false` are reserved.",
            "let contrast = supervised()\nssl(views=2)",
            "let contrast_ = supervised()\nssl(views=2) | contrast_",
        ),
        "RRL106": _E(
            "A recipe has no parameter of that name. It declares them with `param NAME = VALUE`, "
            "and `--param NAME=VALUE`, `params=` or `NAME(…)` of an import set them."
        ),
        "RRL107": _E(
            "What `let` and `param` define is not called; only built-ins and imported recipes are.",
            "let known = supervised()\nknown()",
            "let known = supervised()\nknown",
        ),
        "RRL108": _E(
            "A built-in is called, with brackets even where it takes no arguments.",
            "ssl(views=2) | drop_self",
            "ssl(views=2) | drop_self()",
        ),
        # 2xx types
        "RRL201": _E(
            "An operator joins two graphs, `|` applies a transform too, and `*` scales a graph by "
            "a number or a schedule.",
            "ssl(views=2) & keep(0.5)",
            "ssl(views=2) | keep(0.5)",
        ),
        "RRL202": _E(
            "An argument is of another type than the signature says.",
            "ssl(views=2.0)",
            "ssl(views=2)",
        ),
        "RRL203": _E(
            "A transform changes the graph on its left, and nothing stands there.",
            "corrupt(fpr=0.05) | ssl(views=2)",
            "ssl(views=2) | corrupt(fpr=0.05)",
        ),
        "RRL204": _E(
            "A recipe is a graph; a transform alone has nothing to change.",
            "keep(0.9)",
            "ssl(views=2) | keep(0.9)",
        ),
        "RRL205": _E(
            "`a - b` takes away the edges of b, so b must be binary: which of several weights "
            "would count as an edge?",
            "all() - 2 * ssl(views=2)",
            "all() - (2 * ssl(views=2) | threshold(0))",
        ),
        "RRL206": _E(
            "More arguments are given by position than the signature shows before its `*`.",
            "ssl(views=2) | corrupt(0.9)",
            "ssl(views=2) | corrupt(tpr=0.9)",
        ),
        "RRL207": _E(
            "An argument is given twice.",
            "supervised(0.3, frac=0.5)",
            "supervised(0.3)",
        ),
        "RRL208": _E(
            "An argument without a default must be given.",
            "ssl(views=2) | keep()",
            "ssl(views=2) | keep(p=0.9)",
        ),
        "RRL209": _E(
            "Arguments by position come before those by name.",
            "supervised(labels=coarse, 0.3)",
            "supervised(0.3, labels=coarse)",
        ),
        "RRL210": _E("A recipe is a graph.", "0.3", "ssl(views=2)"),
        "RRL211": _E(
            "A parameter keeps the type it was declared with: number, string, or true and false."
        ),
        "RRL212": _E(
            "A graph with a contrast is a finished recipe. Build the whole graph first, and give "
            "the contrast last, with `with_contrast`."
        ),
        # 3xx values
        "RRL301": _E(
            "A value is outside its range. Of a schedule, both ends must be inside.",
            "ssl(views=2) | keep(1.5)",
            "ssl(views=2) | keep(0.5)",
        ),
        "RRL302": _E(
            "A graph has at most 64 levels. A chain of one operator is one level, however long it "
            "is; what is deep is one operation upon another.",
            "let a = ssl(views=2)\na" + " * 1" * 64,
            "ssl(views=2)",
        ),
        "RRL303": _E(
            "Two arguments exclude each other.",
            "supervised(frac=0.3, per_class=4)",
            "supervised(per_class=4)",
        ),
        # 4xx what the data set, loss or backend cannot serve
        "RRL401": _E(
            "The recipe reads a label or another field that the rows, or the data set, do not "
            "carry. `rrl-dsl explain RECIPE` lists what it reads."
        ),
        "RRL402": _E(
            "The columns of `Nodes` do not fit together, or hold what cannot be: ids and views are "
            "whole numbers from 0, labels from -1 (unknown), fields are finite or NaN (missing). "
            "The views of a sample have the same labels and fields."
        ),
        "RRL403": _E(
            "The recipe looks at the whole data set (`supervised(per_class=…)`, `geodesic`, "
            "`similarity(kernel=sne)`, `knn` on a field) and knows none. Call "
            "`program.bind(dataset)` once; the trainer does it by itself."
        ),
        "RRL404": _E(
            "The recipe relates nothing that the loss could train on, or needs what the trainer "
            "does not have."
        ),
        "RRL405": _E(
            "The loss needs more rows a batch than there are, for example to whiten them."
        ),
        "RRL406": _E(
            "The embeddings, or a matrix given in place of a relation, have other shapes."
        ),
        "RRL407": _E("There is no loss of that name; `rrl-dsl losses` lists them."),
        "RRL408": _E("An option of a loss is unknown, of another type, or out of range."),
        "RRL409": _E(
            "The embeddings have collapsed: they span too few dimensions to be whitened. False "
            "edges are the usual reason; the message says how many there are."
        ),
        "RRL410": _E("The data set is not where it was looked for. Nothing downloads unasked."),
        "RRL411": _E("There is no data set of that name."),
        "RRL412": _E("The data set does not hold what it should; the message names the place."),
        "RRL413": _E("There is no evaluation strategy of that name."),
        "RRL414": _E(
            "A file of pairs is not there, or is neither CSV, TSV nor Parquet. Its path is "
            "relative to the recipe's folder."
        ),
        "RRL415": _E(
            "A file of pairs has other columns than `a`, `b` and perhaps `weight`, or a line of it "
            "is malformed. The first ten faults are shown, then the number of the others."
        ),
        "RRL416": _E(
            "A file of pairs names a sample that the data set does not have: an id is the place of "
            "a sample in its data set, or the path of an image below its image folder."
        ),
        "RRL417": _E(
            "A field is of another kind than the recipe reads: a label, a number or a vector. Text "
            "is a label and nothing else; whole numbers are a label and a number. A vector is "
            "written as `[0.1, 0.2]` in one cell, as numbers in columns `caption_0`, `caption_1`, "
            "…, or as an array (n, d); numbers as `1.5`, durations as `0:01:30`, dates as "
            "`2021-12-31T12:30:00`."
        ),
        "RRL418": _E(
            "The recipe compares rows by embeddings (`knn` in the space `projection`, `backbone` "
            "or `teacher`), and none are given. Pass them as `spaces={…}`."
        ),
        "RRL419": _E(
            "The recipe has columns of its own, those of a bank, so it is no square graph over the "
            "rows. Use `program.relate(rows, cols, spaces=…)`."
        ),
        "RRL420": _E("The data set has too few samples for the recipe, such as for a perplexity."),
        "RRL421": _E(
            "The recipe is bound to a data set, and a row is of a sample that this lacks. Bind it "
            "to the data set that the rows come from."
        ),
        "RRL422": _E(
            "An installed package declares a loss in the entry-point group `rrl_dsl.losses` that "
            "cannot be imported, is no loss, or has the name of another one. Losses of other names "
            "are not touched by this."
        ),
        "RRL423": _E(
            "`--loss` takes the name of a loss or a weighted sum of losses, as Python writes it: "
            "`dino + 1.0*ibot + 0.1*koleo`. Options stand in brackets behind a name: "
            "`simclr(temperature=0.1) + 0.5*vicreg`."
        ),
        "RRL424": _E(
            "The loss compares what this model does not have, such as the embeddings of patches of "
            "a network without patches, or it wants a relation that the recipe does not give."
        ),
        "RRL425": _E(
            "`ssl(views=2)` relates two views of a sample, and the rows that are related, or those "
            "of one sample, have one view number alone. Two rows with the same sample and view are "
            "the same row, which is not related with itself, so a loss would train on nothing. "
            "Number the views: "
            "`Nodes(ids.repeat(2), view=torch.arange(2).repeat_interleave(len(ids)))`."
        ),
        "RRL426": _E(
            "A data set was read, and not all of it as its files stand there: files were left out, "
            "images have no label, or one split serves as another. The message says which and how "
            "many."
        ),
        "RRL428": _E(
            "A small file may unpack to more than the memory holds. Of a file of pairs at most "
            "256 MiB are read, of a table of columns 1 GiB, of an archive of arrays 4 GiB, of a "
            "YAML file 4 MiB, all unpacked. The environment variable `RRL_DSL_MAX_BYTES` takes the "
            "place of these bounds, for files that you trust."
        ),
        # 5xx configuration and runs
        "RRL501": _E("A key of the configuration is unknown."),
        "RRL502": _E("A value of the configuration does not fit."),
        "RRL503": _E("A configuration file is not readable YAML."),
        "RRL504": _E(
            "The directory for a run holds something already, cannot be made, or is in use: one "
            "process at a time trains in it. The system releases the lock when that process ends."
        ),
        "RRL505": _E(
            "A run cannot go on, or its encoder cannot be read. Its directory is not one, it has "
            "no checkpoint yet or a damaged one, or it has trained more epochs than asked for. Or "
            "the recipe, a file that this reads, a setting, the data, a library or the table of "
            "metrics is not what the checkpoint says: the message names each with both values, "
            "and `--force-resume` goes on with what is there now and notes it in the summary."
        ),
        "RRL506": _E("This machine lacks the device or the precision that was asked for."),
        "RRL507": _E(
            "An output file cannot be written, or the folder in which the neighbours of a data set "
            "are kept."
        ),
        "RRL508": _E("Training went out of bounds: the loss is no number any more."),
        "RRL509": _E("A warning about what the recipe relates; the run is not stopped."),
        "RRL510": _E(
            "A configuration file, the directory of a run or the header of a recipe names a class "
            "or function as `package.module:attribute`, and to import a module is to run it. "
            "`--allow-code package.module` allows it to name that module; in Python, "
            '`load_encoder` takes `allow_code=["package.module"]`. What is built in, networks '
            "of timm and torchvision, and what installed packages declare need no permission, and "
            "neither does what the command line names."
        ),
        "RRL511": _E(
            "Another process of a run on several devices failed or was killed, and this one ends "
            "with it. What that one printed says why; the system kills a process that takes more "
            "memory than there is."
        ),
        "RRL515": _E(
            "There is too little memory, of the machine or of its GPU. The message says what needs "
            "it, and the fix what to lower. A step of training takes memory by `micro_batch`, the "
            "images that go through the network at a time, and by the square of `batch_size`."
        ),
        "RRL516": _E(
            "The system refuses a file or a folder that is needed: it may not be read, its disk is "
            "full, or too many files are open."
        ),
    }
)
"""Code -> what it is about."""
