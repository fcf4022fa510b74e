"""The properties of a recipe: its type, needs, rewriting, density and cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rrl_dsl.backends.program import Program
from rrl_dsl.backends.strategy import WIDTH
from rrl_dsl.data.columns import Columns
from rrl_dsl.graph.algebra import Contrasted
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.requires import Requires
from rrl_dsl.graph.streams import streams_of
from rrl_dsl.graph.text import text_of
from rrl_dsl.graph.traversal import calls_of
from rrl_dsl.language.diagnostics import Diagnostic
from rrl_dsl.report.cost import Cost, cost_of
from rrl_dsl.report.evaluation import Evaluation, evaluations_of
from rrl_dsl.report.figures import Figures, figures_of
from rrl_dsl.report.sample import lacking


@dataclass(frozen=True)
class Explanation:
    """The properties of a recipe that are known before training.

    Attributes:
        program: The compiled recipe.
        calls: The text and the properties of every call.
        before: The recipe as written, with parameters substituted.
        after: The recipe after rewriting.
        steps: The rewriting rules that were applied.
        figures: The density of the graph on a dataset; None if the dataset lacks a column.
        faults: The errors for what the dataset lacks.
        cost: The cost of an evaluation.
        evaluations: What `auto` chooses on each type of device.
    """

    program: Program
    calls: tuple[tuple[str, str], ...]
    before: str
    after: str
    steps: tuple[str, ...]
    figures: Figures | None
    faults: tuple[Diagnostic, ...]
    cost: Cost
    evaluations: tuple[Evaluation, ...]


def explain(
    program: Program, columns: Columns, *, samples: int, width: int = WIDTH, epoch: int = 0
) -> Explanation:
    """Explains a recipe.

    Args:
        program: The compiled recipe.
        columns: The dataset.
        samples: The number of samples per batch.
        width: The width of the embeddings.
        epoch: The epoch, for schedules.

    Raises:
        RRLError: RRL418 or RRL420 if the graph cannot be evaluated on the dataset.
    """
    graph, requires = program.graph, program.requires
    faults = lacking(graph, columns)
    figures = None
    if not faults:
        figures = figures_of(graph, columns, samples=samples, seed=program.seed, epoch=epoch)
    rows = samples * requires.views
    cost = cost_of(program.plan, rows, widths_of(columns), width)
    return Explanation(
        program=program,
        calls=tuple(_calls(program)),
        before=text_of(graph),
        after=text_of(program.rewritten),
        steps=tuple(map(str, program.steps)),
        figures=figures,
        faults=tuple(faults),
        cost=cost,
        evaluations=evaluations_of(program, rows, width, cost.operations),
    )


def facts_of(program: Program) -> dict[str, str]:
    """Returns the type, scope, needs and identity of a recipe, in words."""
    return {
        "type": kind_of(program),
        "scope": scope_in_words(program.graph.scope),
        "needs": ", ".join(needs_in_words(program.requires)),
        "identity": program.identity,
    }


def widths_of(columns: Columns) -> dict[str, int]:
    """Returns the widths of the fields of a dataset; that of a number is 1."""
    return {name: (*field.shape, 1)[1] for name, field in columns.fields.items()}


def kind_of(program: Program) -> str:
    """Returns the type of the graph of a recipe, in words."""
    requires = program.requires
    words = ["binary graph" if program.binary else "weighted graph"]
    if requires.draws:
        words.append("random")
    if requires.epochs:
        words.append("changes with the epoch or step")
    if isinstance(program.graph, Contrasted):
        words.append("with a contrast")
    return ", ".join(words)


def scope_in_words(scope: str) -> str:
    """Returns what an edge depends on, in words."""
    return {
        "pair": "an edge depends only on its two rows",
        "dataset": "an edge depends on its two rows and on the whole dataset",
        "batch": "an edge depends on the whole batch",
    }[scope]


def needs_in_words(requires: Requires) -> Iterator[str]:
    """Yields what a recipe needs from the trainer and the dataset, in words."""
    yield f"{requires.views} view{'s' if requires.views > 1 else ''} of each sample"
    for need in requires.columns:
        kind = {"label": "label field", "number": "number field", "vector": "vector field"}
        yield f"the {kind[need.kind]} `{need.name}`"
    for space in requires.spaces:
        yield f"the embeddings of the rows in the space `{space}`"
    if requires.teacher:
        yield "a teacher"
    if requires.bank:
        yield f"a bank of the last {requires.bank:,} rows"
    if requires.bound:
        yield "the whole dataset (`program.bind`)"


def _calls(program: Program) -> Iterator[tuple[str, str]]:
    """The text of every call, and its scope and stream in words."""
    streams, printed = streams_of(program.graph), streams_of(program.graph, imports=False)
    for call in dict.fromkeys(calls_of(program.graph)):
        yield str(call), ", ".join(_facts(call, streams[call], printed[call]))


def _facts(call: Call, stream: int, printed: int) -> Iterator[str]:
    yield call.signature.kind
    yield f"scope {call.facts.scope}"
    if call.facts.draws:
        seed = call.seed
        yield f"draws from stream {stream:08x}" if seed is None else f"draws only from seed {seed}"
        if printed != stream:
            yield f"in its printed text, draws from stream {printed:08x}"
    if call.schedules:
        yield "scheduled"
