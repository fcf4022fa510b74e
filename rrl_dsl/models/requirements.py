"""The requirements of recipe and loss on each other and on a model."""

from __future__ import annotations

from collections.abc import Iterator

from rrl_dsl.backends.program import Program
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.requires import Requires
from rrl_dsl.graph.traversal import calls_of
from rrl_dsl.graph.types import Need
from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.losses import Loss
from rrl_dsl.losses.outputs import Part


def parts_of(requires: Requires, loss: Loss) -> frozenset[Part]:
    """Returns the parts that a model must have.

    Args:
        requires: The requirements of the recipe.
        loss: The loss.
    """
    parts: set[Part] = set(loss.needs())
    if requires.teacher:
        parts.add("teacher")
    if requires.bank:
        parts.add("bank")
    return frozenset(parts)


def check_loss(program: Program, loss: Loss, *, patches: bool, local_views: int) -> None:
    """Checks that recipe and model meet the requirements of a loss.

    Args:
        program: The recipe.
        loss: The loss.
        patches: Whether the backbone has patch tokens.
        local_views: The number of local views of a sample.

    Raises:
        RRLError: RRL404 for a requirement on the recipe, RRL424 for a requirement on the model.
    """
    faults = [fault for _, term in loss.flat_terms() for fault in _unserved(program, term)]
    for _, term in loss.flat_terms():
        if "patches" in term.needs() and not patches:
            message = f"`{term.name()}` compares patches, but the backbone has none"
            faults.append(
                Diagnostic(
                    "RRL424", message, hint="use `--set backbone=vit-micro`", settings=("backbone",)
                )
            )
    if local_views:
        for call in calls_of(program.graph):
            if Need("space", "teacher") in call.facts.needs:
                message = f"`{call}` uses the teacher, which does not see local views"
                hint = "use `--set local_views.count=0`, or write `space=projection`"
                faults.append(
                    Diagnostic("RRL424", message, hint=hint, settings=("local_views.count",))
                )
    if faults:
        raise RRLError(faults)


def _unserved(program: Program, term: Loss) -> Iterator[Diagnostic]:
    """The requirements of a term that the recipe does not meet."""
    if term.binary and not program.binary:
        weighted = (call for call in calls_of(program.graph) if not _is_binary(call))
        call = next(weighted, None)
        given = "this recipe has" if call is None else f"`{call}` has"
        message = f"`{term.name()}` needs weights of 0 and 1, but {given} other weights"
        yield Diagnostic("RRL404", message, hint="write `… | threshold(0.5)`")
    if term.views > program.requires.views:
        message = (
            f"`{term.name()}` compares {term.views} views of a sample, but this recipe "
            f"draws {program.requires.views}"
        )
        hint = f"relate views: write `ssl(views={term.views}) | …`"
        yield Diagnostic("RRL404", message, hint=hint)
    if term.symmetric:
        for call in calls_of(program.graph):
            if call.facts.bank:
                message = f"`{term.name()}` needs the rows as columns, but `{call}` adds earlier"
                yield Diagnostic("RRL404", f"{message} rows", hint="write `bank=0`")
        if not program.graph.symmetric:
            message = (
                f"`{term.name()}` needs a symmetric graph, but the graph of this recipe is directed"
            )
            yield Diagnostic("RRL404", message, hint="remove `directed=true`")


def _is_binary(call: Call) -> bool:
    return call.signature.kind != "source" or call.facts.binary
