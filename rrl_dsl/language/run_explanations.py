"""The explanations of the codes that are not about the text of a recipe: 4xx and 5xx."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

RUN_EXPLANATIONS: Final[Mapping[str, str]] = {
    # 4xx datasets, losses and evaluation
    "RRL401": (
        "The recipe reads a label or another field that the rows or the dataset do "
        "not have. `rrl-dsl explain RECIPE` lists the fields that it reads."
    ),
    "RRL402": (
        "The columns of `Nodes` have different lengths or invalid values. Ids and "
        "views must be integers of at least 0, labels integers of at least -1 "
        "(unknown), and fields finite or NaN (missing). All views of a sample must "
        "have the same labels and fields."
    ),
    "RRL403": (
        "The recipe depends on the whole dataset (`supervised(per_class=…)`, "
        "`geodesic`, `similarity(kernel=sne)`, `knn` on a field), but is not bound "
        "to one. Call `program.bind(dataset)` once. The trainer does this for you."
    ),
    "RRL404": (
        "The recipe does not give the loss the edges that it needs, or needs "
        "something that the trainer does not have."
    ),
    "RRL405": ("A batch has fewer rows than the loss needs, for example for whitening."),
    "RRL406": (
        "The shapes of the embeddings and of the relation, or of the matrix in its "
        "place, do not match."
    ),
    "RRL407": ("No loss has this name. `rrl-dsl losses` lists the losses."),
    "RRL408": ("An option of a loss is unknown, has the wrong type, or is out of range."),
    "RRL409": (
        "The embeddings have collapsed: they span too few dimensions for the loss. "
        "A common cause is a large share of false edges, which the message states."
    ),
    "RRL410": ("The dataset is not in the expected directory. It is only downloaded on request."),
    "RRL411": ("No dataset has this name."),
    "RRL412": ("The dataset has invalid content. The message names the file and the place."),
    "RRL413": (
        "No evaluation strategy, or no way for processes to gather embeddings, has this name."
    ),
    "RRL414": (
        "A file of pairs does not exist, or is not CSV, TSV, Parquet or a matrix in "
        "`.npz` or `.npy`. Its path is relative to the folder of the recipe."
    ),
    "RRL415": (
        "A file of pairs has other columns than `a`, `b` and the optional "
        "`weight`, has an invalid row, or lists no pair with a weight above 0. The "
        "first ten errors are shown, and the number of the others."
    ),
    "RRL416": (
        "A file of pairs names a sample that the dataset does not have. An id is "
        "a value of the column `sample` of the dataset; without one, it is the "
        "index of a sample, or the path of an image below its image folder."
    ),
    "RRL417": (
        "The recipe reads a field as another kind than it has: a label, a number "
        "or a vector. Text is only a label. Integers are both a label and a "
        "number. Write a vector as `[0.1, 0.2]` in one cell, as numbers in the "
        "columns `caption_0`, `caption_1`, …, or as an array (n, d). Write numbers "
        "as `1.5`, durations as `0:01:30`, and dates as `2021-12-31T12:30:00`."
    ),
    "RRL418": (
        "The recipe compares embeddings of the rows (`knn` in the space "
        "`projection`, `backbone` or `teacher`), and none were passed. Pass them "
        "as `spaces={…}`."
    ),
    "RRL419": (
        "The recipe has additional columns (a bank), so its matrix is not square. "
        "Use `program.relate(rows, cols, spaces=…)`."
    ),
    "RRL420": ("The dataset has too few samples for the recipe, for example for a perplexity."),
    "RRL421": (
        "A row belongs to a sample that is not in the dataset to which the recipe "
        "is bound. Bind the recipe to the dataset of the rows."
    ),
    "RRL422": (
        "An installed package declares a loss in the entry-point group "
        "`rrl_dsl.losses` that cannot be imported, is not a loss, or has the name "
        "of another loss. All other losses still work."
    ),
    "RRL423": (
        "`--loss` takes the name of a loss or a weighted sum in Python syntax, "
        "such as `dino + 1.0*ibot + 0.1*koleo`. Options follow a name in "
        "parentheses: `simclr(temperature=0.1) + 0.5*vicreg`."
    ),
    "RRL424": (
        "The loss needs an output that this model does not have, such as the "
        "embeddings of patches, or a kind of relation that the recipe does not "
        "define."
    ),
    "RRL425": (
        "`ssl(views=2)` relates two views of a sample, but the rows of a sample, "
        "or all related rows, have the same view number. Two rows with the same "
        "sample and view are the same row, and the pair of a row with itself is "
        "ignored, so a loss would train on nothing. Number the views: "
        "`Nodes(ids.repeat(2), view=torch.arange(2).repeat_interleave(len(ids)))`."
    ),
    "RRL426": (
        "A note about how a dataset was read: files were ignored, images have no "
        "label, or one split is used in place of another. The message names and "
        "counts them."
    ),
    "RRL428": (
        "A small file can unpack to more data than fits into memory. The limits "
        "for unpacked data are 256 MiB for a file of pairs, 1 GiB for a table of "
        "columns, 4 GiB for an archive of arrays, and 4 MiB for a YAML file. For "
        "files that you trust, set another limit with the environment variable "
        "`RRL_DSL_MAX_BYTES`."
    ),
    "RRL429": (
        "With `gather=ring`, a process has the embeddings of its own rows and of one "
        "other process at a time. Losses that whiten, standardize or search the "
        "embeddings need all of them: use `gather=all`. `rrl-dsl explain LOSS` says "
        "which losses can be computed in a ring. A loss of your own says so with "
        "`row_wise = True`."
    ),
    "RRL430": (
        "A matrix of weights between samples must be square, with finite weights of "
        "at least 0 and one above 0, each pair once, and the same weight in both "
        "directions; `symmetric=` decides where these differ. Row r belongs to the sample with "
        "the id r, and each sample has a row. For other rows, `ids=` in Python or an "
        "array `ids` in the `.npz` file gives the sample of each row."
    ),
    "RRL431": (
        "`a @ b` goes through all paths of an edge in a and an edge in b, and there "
        "are more of them than the limit. Compose graphs with fewer edges per "
        "sample, such as labels with more classes."
    ),
    "RRL432": (
        "The function of a source or transform that an installed package declares "
        "raises an error, or returns something other than a weight. It runs once for "
        "each call in a recipe, and its operations on the weight are recorded. A weight "
        "is therefore not a number: it cannot be compared with `==`, decide an `if`, or "
        "be passed to NumPy. `help(rrl.Weight)` and `help(rrl.Pair)` list the operations."
    ),
    # 5xx configuration and runs
    "RRL501": ("The configuration has an unknown key."),
    "RRL502": ("The configuration has an invalid value."),
    "RRL503": ("The configuration file is not valid YAML."),
    "RRL504": (
        "The run directory is not empty, cannot be created, or is in use by another process. "
        "The operating system releases its lock when that process ends."
    ),
    "RRL505": (
        "The run cannot be resumed, or its encoder cannot be loaded. The directory "
        "may not be a run, its checkpoint may be missing or damaged, or the run "
        "may have trained more epochs than requested. Otherwise, the recipe, a "
        "file that it reads, a setting, the data, a library or the table of "
        "metrics differs from the checkpoint. The message lists every difference "
        "with both values. `--force-resume` continues with the new values and "
        "notes them in the summary."
    ),
    "RRL506": (
        "This machine does not have the requested device, or does not support the "
        "requested precision."
    ),
    "RRL507": ("An output file or the cache folder cannot be written."),
    "RRL508": ("Training has diverged: the loss or an output of the network is NaN or infinite."),
    "RRL509": ("A warning about the graph or the accuracies of a run. The run continues."),
    "RRL510": (
        "A configuration file, a run directory or the header of a recipe names a "
        "class or function as `package.module:attribute`. Importing a module runs "
        "its code, so this needs permission: `--allow-code package.module`, or in "
        'Python `allow_code=["package.module"]` of `load_encoder`. Built-in '
        "names, networks of timm and torchvision, names that installed packages "
        "declare, and names on the command line need no permission."
    ),
    "RRL511": (
        "Another process of this run failed or was killed, so this process ends "
        "too. See the output of the other process for the cause. The operating "
        "system kills a process that uses too much memory."
    ),
    "RRL512": (
        "The weights that the backbone should start from cannot be read or do not "
        "match it. `pretrained=true` loads the weights that timm or torchvision "
        "publishes, from the cache of the library or from the network. `init` loads "
        "a file of weights (a state dict, as `torch.save` or safetensors writes it), "
        "or the backbone of a run. Weights match by name and shape. If only some "
        "match, a warning lists the others."
    ),
    "RRL515": (
        "There is too little memory or GPU memory. The message says what needs it, "
        "and the fix says what to lower. The memory of a training step grows with "
        "`micro_batch` (the images that pass through the network at a time) and "
        "with the square of `batch_size`."
    ),
    "RRL516": (
        "The operating system reports an error for a file or folder: it is not "
        "readable, the disk is full, or too many files are open."
    ),
}
