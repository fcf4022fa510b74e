"""The explanation of each code, for `rrl-dsl explain CODE` and the page of errors.

A code of the language has an example of the mistake and of its fix. Tests check that the
first gives the code and the second parses.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True)
class Explanation:
    """One code at length.

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
        # 4xx what the data set, loss or backend cannot serve
        "RRL401": _E(
            "The recipe reads a label or another field that the rows or the dataset do "
            "not have. `rrl-dsl explain RECIPE` lists the fields that it reads."
        ),
        "RRL402": _E(
            "The columns of `Nodes` have different lengths or invalid values. Ids and "
            "views must be integers of at least 0, labels integers of at least -1 "
            "(unknown), and fields finite or NaN (missing). All views of a sample must "
            "have the same labels and fields."
        ),
        "RRL403": _E(
            "The recipe depends on the whole dataset (`supervised(per_class=…)`, "
            "`geodesic`, `similarity(kernel=sne)`, `knn` on a field), but is not bound "
            "to one. Call `program.bind(dataset)` once. The trainer does this for you."
        ),
        "RRL404": _E(
            "The recipe does not give the loss the edges that it needs, or needs "
            "something that the trainer does not have."
        ),
        "RRL405": _E("A batch has fewer rows than the loss needs, for example for whitening."),
        "RRL406": _E(
            "The shapes of the embeddings and of the relation, or of the matrix in its "
            "place, do not match."
        ),
        "RRL407": _E("No loss has this name. `rrl-dsl losses` lists the losses."),
        "RRL408": _E("An option of a loss is unknown, has the wrong type, or is out of range."),
        "RRL409": _E(
            "The embeddings have collapsed: they span too few dimensions for the loss. "
            "A common cause is a large share of false edges, which the message states."
        ),
        "RRL410": _E(
            "The dataset is not in the expected directory. It is only downloaded on request."
        ),
        "RRL411": _E("No dataset has this name."),
        "RRL412": _E("The dataset has invalid content. The message names the file and the place."),
        "RRL413": _E("No evaluation strategy has this name."),
        "RRL414": _E(
            "A file of pairs does not exist, or is not CSV, TSV or Parquet. Its path "
            "is relative to the folder of the recipe."
        ),
        "RRL415": _E(
            "A file of pairs has other columns than `a`, `b` and the optional "
            "`weight`, or has an invalid row. The first ten errors are shown, and the "
            "number of the others."
        ),
        "RRL416": _E(
            "A file of pairs names a sample that the dataset does not have. An id is "
            "the index of a sample in the dataset, or the path of an image below its "
            "image folder."
        ),
        "RRL417": _E(
            "The recipe reads a field as another kind than it has: a label, a number "
            "or a vector. Text is only a label. Integers are both a label and a "
            "number. Write a vector as `[0.1, 0.2]` in one cell, as numbers in the "
            "columns `caption_0`, `caption_1`, …, or as an array (n, d). Write numbers "
            "as `1.5`, durations as `0:01:30`, and dates as `2021-12-31T12:30:00`."
        ),
        "RRL418": _E(
            "The recipe compares embeddings of the rows (`knn` in the space "
            "`projection`, `backbone` or `teacher`), and none were passed. Pass them "
            "as `spaces={…}`."
        ),
        "RRL419": _E(
            "The recipe has additional columns (a bank), so its matrix is not square. "
            "Use `program.relate(rows, cols, spaces=…)`."
        ),
        "RRL420": _E(
            "The dataset has too few samples for the recipe, for example for a perplexity."
        ),
        "RRL421": _E(
            "A row belongs to a sample that is not in the dataset to which the recipe "
            "is bound. Bind the recipe to the dataset of the rows."
        ),
        "RRL422": _E(
            "An installed package declares a loss in the entry-point group "
            "`rrl_dsl.losses` that cannot be imported, is not a loss, or has the name "
            "of another loss. All other losses still work."
        ),
        "RRL423": _E(
            "`--loss` takes the name of a loss or a weighted sum in Python syntax, "
            "such as `dino + 1.0*ibot + 0.1*koleo`. Options follow a name in "
            "parentheses: `simclr(temperature=0.1) + 0.5*vicreg`."
        ),
        "RRL424": _E(
            "The loss needs an output that this model does not have, such as the "
            "embeddings of patches, or a kind of relation that the recipe does not "
            "define."
        ),
        "RRL425": _E(
            "`ssl(views=2)` relates two views of a sample, but the rows of a sample, "
            "or all related rows, have the same view number. Two rows with the same "
            "sample and view are the same row, and the pair of a row with itself is "
            "ignored, so a loss would train on nothing. Number the views: "
            "`Nodes(ids.repeat(2), view=torch.arange(2).repeat_interleave(len(ids)))`."
        ),
        "RRL426": _E(
            "A note about how a dataset was read: files were ignored, images have no "
            "label, or one split is used in place of another. The message names and "
            "counts them."
        ),
        "RRL428": _E(
            "A small file can unpack to more data than fits into memory. The limits "
            "for unpacked data are 256 MiB for a file of pairs, 1 GiB for a table of "
            "columns, 4 GiB for an archive of arrays, and 4 MiB for a YAML file. For "
            "files that you trust, set another limit with the environment variable "
            "`RRL_DSL_MAX_BYTES`."
        ),
        # 5xx configuration and runs
        "RRL501": _E("The configuration has an unknown key."),
        "RRL502": _E("The configuration has an invalid value."),
        "RRL503": _E("The configuration file is not valid YAML."),
        "RRL504": _E(
            "The run directory is not empty, cannot be created, or is in use by another process. "
            "The operating system releases its lock when that process ends."
        ),
        "RRL505": _E(
            "The run cannot be resumed, or its encoder cannot be loaded. The directory "
            "may not be a run, its checkpoint may be missing or damaged, or the run "
            "may have trained more epochs than requested. Otherwise, the recipe, a "
            "file that it reads, a setting, the data, a library or the table of "
            "metrics differs from the checkpoint. The message lists every difference "
            "with both values. `--force-resume` continues with the new values and "
            "notes them in the summary."
        ),
        "RRL506": _E(
            "This machine does not have the requested device, or does not support the "
            "requested precision."
        ),
        "RRL507": _E("An output file or the cache folder cannot be written."),
        "RRL508": _E(
            "Training has diverged: the loss or an output of the network is NaN or infinite."
        ),
        "RRL509": _E("A warning about the graph or the accuracies of a run. The run continues."),
        "RRL510": _E(
            "A configuration file, a run directory or the header of a recipe names a "
            "class or function as `package.module:attribute`. Importing a module runs "
            "its code, so this needs permission: `--allow-code package.module`, or in "
            'Python `allow_code=["package.module"]` of `load_encoder`. Built-in '
            "names, networks of timm and torchvision, names that installed packages "
            "declare, and names on the command line need no permission."
        ),
        "RRL511": _E(
            "Another process of this run failed or was killed, so this process ends "
            "too. See the output of the other process for the cause. The operating "
            "system kills a process that uses too much memory."
        ),
        "RRL515": _E(
            "There is too little memory or GPU memory. The message says what needs it, "
            "and the fix says what to lower. The memory of a training step grows with "
            "`micro_batch` (the images that pass through the network at a time) and "
            "with the square of `batch_size`."
        ),
        "RRL516": _E(
            "The operating system reports an error for a file or folder: it is not "
            "readable, the disk is full, or too many files are open."
        ),
    }
)
"""Code -> what it is about."""
