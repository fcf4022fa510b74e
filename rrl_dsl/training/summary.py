"""The summary of a run for its user: table, page and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Final

from rich.table import Table

from rrl_dsl.backends.program import Program
from rrl_dsl.language.diagnostics import Diagnostic, printable
from rrl_dsl.language.markdown import cell, code, fenced
from rrl_dsl.training.config import Config
from rrl_dsl.training.evaluation import DRAWS, PER_CLASS, Accuracies
from rrl_dsl.training.facts import Facts
from rrl_dsl.training.fit import Outcome
from rrl_dsl.training.run import RunDirectory

_ROWS: Final = {
    "pixels": "raw pixels",
    "features": "raw features",
    "untrained": "untrained encoder",
    "backbone": "backbone",
    "projector": "projector",
    "teacher": "teacher's backbone",
}
_FALSE_SHARE: Final = 0.2
_BEYOND_VIEWS: Final = 0.05
_RANK_SHARE: Final = 0.05
_SPREAD: Final = 0.25  # a mean cosine of 0.94
_EARLY: Final = 2
"""The multiple of the warm-up, and the least number of epochs, before collapse is reported: the
embeddings of a new network are similar and have a low rank."""


def table(outcome: Outcome) -> Table:
    """Returns a table of test accuracies by kind of features, in percent, or why there are none."""
    if outcome.unmeasured:
        return Table(outcome.unmeasured, box=None, pad_edge=False)
    shown = Table(
        box=None,
        pad_edge=False,
        title="test accuracy (%) of probes on frozen features",
        title_justify="left",
    )
    shown.add_column("features")
    for heading in _headings():
        shown.add_column(heading, justify="right")
    for name, cells in _cells(outcome.accuracies):
        style = "bold" if name == _ROWS["backbone"] else ""
        shown.add_row(name, *cells, style=style)
    return shown


def warnings_of(outcome: Outcome, program: Program, config: Config) -> list[Diagnostic]:
    """Returns warnings about the results: no raw inputs, false edges, few edges, collapse."""
    figures = outcome.figures
    messages = [outcome.unmeasured_inputs] if outcome.unmeasured_inputs else []
    rank, apart = figures["rank/projector"], figures["spread/projector"]
    largest = outcome.largest_rank
    ranks = f"the effective rank of the embeddings is {rank:.1f} of {largest}"
    false = fmean(row.get("edges/false", 0.0) for row in outcome.history)
    if false > _FALSE_SHARE:
        messages.append(
            f"{false:.0%} of the edges are false edges, added by the noise of the recipe; {ranks}"
        )
    elif largest and rank < _floor(outcome, config):
        messages.append(f"{ranks}: they are close to collapse")
    elif largest and apart < _SPREAD and _is_trained(outcome, config):
        cosine = f"the mean cosine of the embeddings is {1 - apart**2:.2f}"
        messages.append(f"{cosine}: they are close to collapse")
    beyond = figures["edges/beyond_views"]
    if program.requires.labels and beyond < _BEYOND_VIEWS:
        meet = "; `--set sampler.name=relation` draws related samples together"
        messages.append(
            f"only {beyond:.1%} of the rows of a batch are related to another sample, because "
            "labeled samples rarely meet in batches of this size"
            f"{meet if config.sampler.name == 'random' else ''}"
        )
    return [Diagnostic("RRL509", message, severity="warning") for message in messages]


def _floor(outcome: Outcome, config: Config) -> float:
    """Returns the effective rank below which embeddings are close to collapse."""
    least = min(2.0, outcome.largest_rank / 2)
    return max(least, _RANK_SHARE * outcome.largest_rank) if _is_trained(outcome, config) else least


def _is_trained(outcome: Outcome, config: Config) -> bool:
    """Returns whether the run is long enough for the embeddings to have spread."""
    warmup = min(config.optimizer.warmup, config.epochs / 2)
    return len(outcome.history) > _EARLY * max(1.0, warmup)


def page(run: RunDirectory, facts: Facts, outcome: Outcome, warnings: list[Diagnostic]) -> str:
    """Returns the summary page of a run in Markdown."""
    lines = [
        f"# {printable(run.path.name)}",
        "",
        fenced(run.recipe.read_text(encoding="utf-8").strip()),
        "",
        f"The recipe with its parameters is {code(facts.recipe)}. Training took "
        f"{outcome.seconds:.0f} s.",
        "",
        f"Identity `{facts.identity}`.",
        "",
        *_accuracies(outcome),
        *(f"\n{line[0].upper()}{line[1:]}." for line in _tower_lines(outcome)),
        *(f"\n**Warning.** {printable(warning.message)}." for warning in warnings),
        *(f"\n**Note.** The run continued {printable(note)}." for note in outcome.notes),
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {name} | {cell(value)} |" for name, value in facts.lines()),
        "",
        "![the graph of a batch](graph.png)",
        "",
        "![curves](curves.png)",
        "",
    ]
    return "\n".join(lines)


def _accuracies(outcome: Outcome) -> list[str]:
    if outcome.unmeasured:
        return [f"{outcome.unmeasured[0].upper()}{outcome.unmeasured[1:]}."]
    return accuracy_lines(outcome.accuracies)


def accuracy_lines(accuracies: Mapping[str, Accuracies]) -> list[str]:
    """Returns a table of test accuracies in Markdown.

    Args:
        accuracies: The accuracies by kind of features.
    """
    return [
        "Test accuracy (%) of probes on frozen features:",
        "",
        f"| features | {' | '.join(_headings())} |",
        f"|---|{'--:|' * len(_headings())}",
        *(f"| {name} | {' | '.join(cells)} |" for name, cells in _cells(accuracies)),
        "",
        f"The accuracy with {PER_CLASS} labels per class is the mean of {DRAWS} draws.",
    ]


def _tower_lines(outcome: Outcome) -> list[str]:
    return outcome.towers.lines() if outcome.towers else []


def _headings() -> list[str]:
    return ["linear probe", f"{PER_CLASS} labels per class", "nearest neighbors"]


def _cells(accuracies: Mapping[str, Accuracies]) -> list[tuple[str, list[str]]]:
    return [
        (
            label,
            [f"{100 * value:.1f}" for value in (measured.linear, measured.few, measured.neighbors)],
        )
        for name, label in _ROWS.items()
        if (measured := accuracies.get(name))
    ]
