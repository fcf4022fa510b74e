"""Generates `docs/reference/losses.md`: the losses, their inputs, needs and options."""

from __future__ import annotations

from collections.abc import Iterator

from rrl_dsl.generate.pages import NOTE
from rrl_dsl.language.markdown import cell
from rrl_dsl.losses.base import Loss
from rrl_dsl.losses.description import doc_of, inputs_of, needs_in_words, options_of
from rrl_dsl.losses.outputs import OUTPUTS
from rrl_dsl.losses.registry import registered

_HEAD = f"""{NOTE}
# Losses

A loss compares the relation of a batch with embeddings: `loss(relation, z)`. Pass `keys=` if the
columns have other embeddings than the rows. The tables below list further arguments.
`loss.over(relation, outputs)` takes all arguments from the named outputs of a model.
`rrl-dsl losses NAME` prints the same text as this page.

`--loss` and `rrl_dsl.losses.create` also take a weighted sum, with options in parentheses:
`dino(temperature=0.2) + 1.0*ibot + 0.1*koleo`.

The column "needs" lists the requirements of a loss. If the recipe, the batch or the model does not
meet them, an error is reported before the first step. The trainer builds the parts of the model
that are named here, and no others. `gather=all` means that several processes cannot pass the
embeddings around a ring ([training](../training.md#multiple-devices)).

| loss | description | needs |
|---|---|---|
"""


def losses() -> str:
    """Returns the text of the page."""
    own = {  # without losses of other packages
        name: loss for name, loss in registered().items() if loss.__module__.startswith("rrl_dsl.")
    }
    rows = [
        f"| [`{name}`](#{name}) | "
        f"{cell(doc_of(loss).partition(chr(10))[0])} | {', '.join(needs_in_words(loss))} |\n"
        for name, loss in own.items()
    ]
    sections = ["\n".join(_section(name, loss)) for name, loss in own.items()]
    return _HEAD + "".join(rows) + "\n" + "\n".join(sections)


def _section(name: str, loss: type[Loss]) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield doc_of(loss)
    yield ""
    yield "| argument | description |"
    yield "|---|---|"
    for argument, output in inputs_of(loss).items():
        yield f"| `{argument}` | {OUTPUTS[output].doc} |"
    yield ""
    yield "| option | default | description |"
    yield "|---|---|---|"
    for option in options_of(loss):
        default = "required" if option.required else f"`{option.default}`"
        yield f"| `{option.name}` | {default} | {cell(option.doc)} |"
    yield ""
