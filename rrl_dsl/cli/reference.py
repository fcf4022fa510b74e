"""`builtins` and `losses`: what there is, from the registries."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from rrl_dsl.cli.output import output, print_diagnostic, print_json
from rrl_dsl.cli.recipes import Json
from rrl_dsl.graph.registry import Signature, lookup, signatures
from rrl_dsl.graph.types import Refusal
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error

if TYPE_CHECKING:
    from rrl_dsl.losses import Loss
    from rrl_dsl.losses.description import Option

Name = Annotated[
    str | None, typer.Argument(help="The name to explain.", metavar="NAME", show_default=False)
]


def builtins(name: Name = None, json: Json = False) -> None:
    """List the sources, transforms and schedules of the language, or explain one.

    Examples:
    - `rrl-dsl builtins`
    - `rrl-dsl builtins corrupt`
    - `rrl-dsl builtins --json`
    """
    try:
        chosen = [lookup(name)] if name else list(signatures().values())
    except Refusal as refusal:
        raise error(refusal.code, refusal.message, hint=refusal.hint) from None
    if json:
        print_json([_signature_record(signature) for signature in chosen])
    elif name:
        _explain_signature(chosen[0])
    else:
        for kind in ("source", "transform", "schedule"):
            rows = [
                (str(signature), signature.doc.partition("\n")[0])
                for signature in chosen
                if signature.kind == kind
            ]
            print_table(f"{kind}s", ("call", "description"), rows)


def losses(name: Name = None, json: Json = False) -> None:
    """List the losses, or explain one.

    Examples:
    - `rrl-dsl losses`
    - `rrl-dsl losses wmse`
    - `rrl-dsl losses --json`
    """
    from rrl_dsl.losses import find, names
    from rrl_dsl.losses.description import doc_of, needs_in_words
    from rrl_dsl.training.named_code import from_working_directory

    losses: dict[str, type[Loss]] = {}
    faults: dict[str, Diagnostic] = {}
    for loss_name in [name] if name else names():
        try:
            with from_working_directory() if name and ":" in name else nullcontext():
                losses[loss_name] = find(loss_name)
        except RRLError as problem:  # of one package's loss; the others are still listed
            if name:
                raise
            faults[loss_name] = problem.diagnostics[0].as_warning()
    if json:
        broken = [
            {"name": loss_name, "fault": fault.to_dict()} for loss_name, fault in faults.items()
        ]
        print_json(
            [*(_loss_record(loss_name, loss) for loss_name, loss in losses.items()), *broken]
        )
    elif name:
        _explain_loss(name, losses[name])
    else:
        rows = [
            (loss_name, doc_of(loss).partition("\n")[0], ", ".join(needs_in_words(loss)))
            for loss_name, loss in losses.items()
        ]
        print_table("losses", ("name", "description", "needs"), rows)
        for fault in faults.values():
            print_diagnostic(fault)


def print_table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Rows of cells under a title and the names of their columns, on standard output."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    output().print(table)
    output().print()


def _print_doc(text: str) -> None:
    """Paragraphs, each wrapped to the terminal's width."""
    for paragraph in text.split("\n\n"):
        output().print(" ".join(paragraph.split()), markup=False)
        output().print()


def _explain_signature(signature: Signature) -> None:
    output().print(f"[bold]{signature}[/bold]  ({signature.kind})\n")
    _print_doc(signature.doc)
    rows = [
        (
            str(parameter),
            parameter.type.name + (", schedulable" if parameter.schedulable else ""),
            parameter.doc,
        )
        for parameter in signature.parameters
    ]
    if rows:
        print_table("parameters", ("parameter", "type", "description"), rows)


def _signature_record(signature: Signature) -> dict[str, Any]:
    return {
        "name": signature.name,
        "kind": signature.kind,
        "signature": str(signature),
        "doc": signature.doc,
        "parameters": [
            {
                "name": parameter.name,
                "type": parameter.type.name,
                "default": None if parameter.required else parameter.default,
                "required": parameter.required,
                "positional": parameter.positional,
                "schedulable": parameter.schedulable,
                "doc": parameter.doc,
            }
            for parameter in signature.parameters
        ],
    }


def _explain_loss(name: str, loss: type[Loss]) -> None:
    from rrl_dsl.losses.description import doc_of, inputs_of, needs_in_words, options_of
    from rrl_dsl.losses.outputs import OUTPUTS

    output().print(f"[bold]{name}[/bold]\n")
    _print_doc(doc_of(loss))
    taken = [(argument, OUTPUTS[output].doc) for argument, output in inputs_of(loss).items()]
    print_table("arguments", ("argument", "description"), taken)
    if needs := needs_in_words(loss):
        output().print(f"needs {', '.join(needs)}\n", markup=False)
    rows = [(option.name, _default(option), option.doc) for option in options_of(loss)]
    print_table("options", ("option", "default", "description"), rows)


def _loss_record(name: str, loss: type[Loss]) -> dict[str, Any]:
    from rrl_dsl.losses.description import doc_of, inputs_of, needs_in_words, options_of

    return {
        "name": name,
        "doc": doc_of(loss),
        "inputs": dict(inputs_of(loss)),
        "needs": needs_in_words(loss),
        "options": [option._asdict() for option in options_of(loss)],
    }


def _default(option: Option) -> str:
    return "required" if option.required else str(option.default)
