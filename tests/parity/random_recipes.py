"""Random recipes as trees, for text, for Python and for the oracle.

The tree knows nothing of `rrl_dsl`; only `graph_of` builds the library's graph. An object that
occurs twice in a tree is one graph and draws once, as in the language.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

import rrl_dsl as rrl

LABELS = ("fine", "coarse")
NUMBERS = ("time",)
VECTORS = ("caption",)
LINKS = Path(__file__).parent / "links"


@dataclass(frozen=True)
class Schedule:
    """A number that depends on the epoch."""

    kind: str
    start: float
    end: float
    epochs: int

    def __str__(self) -> str:
        last = "at" if self.kind == "step" else "epochs"
        return f"{self.kind}({self.start}, {self.end}, {last}={self.epochs})"


@dataclass(frozen=True, eq=False)
class Call:
    """A built-in with the arguments that were written out."""

    name: str
    arguments: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Source:
    call: Call


@dataclass(frozen=True, eq=False)
class Applied:
    operand: Recipe
    call: Call


@dataclass(frozen=True, eq=False)
class Joined:
    sign: str
    left: Recipe
    right: Recipe


@dataclass(frozen=True, eq=False)
class Scaled:
    factor: float | Schedule
    operand: Recipe


@dataclass(frozen=True, eq=False)
class Complement:
    operand: Recipe


Recipe = Source | Applied | Joined | Scaled | Complement


def operands(recipe: Recipe) -> tuple[Recipe, ...]:
    match recipe:
        case Source():
            return ()
        case Joined(left=left, right=right):
            return (left, right)
        case _:
            return (recipe.operand,)


def walk(recipe: Recipe) -> Iterator[Recipe]:
    """Every node once, depth first, left to right, operands before what is made of them."""
    seen: set[int] = set()

    def visit(node: Recipe) -> Iterator[Recipe]:
        if id(node) not in seen:
            seen.add(id(node))
            for operand in operands(node):
                yield from visit(operand)
            yield node

    return visit(recipe)


def is_binary(recipe: Recipe) -> bool:
    """Whether the language calls the graph binary."""
    match recipe:
        case Source(call=call):
            weighted = call.name == "pairs" and (
                "weight" in call.arguments or "weighted" in str(call.arguments["file"])
            )
            return call.name != "similarity" and not weighted
        case Complement():
            return True
        case Scaled(factor=factor):
            return factor == 0.0 or (factor == 1.0 and is_binary(recipe.operand))
        case Joined(sign="+"):
            return False
        case Joined(sign="-", left=left):
            return is_binary(left)
        case Joined(left=left, right=right):
            return is_binary(left) and is_binary(right)
        case Applied(operand=operand, call=call):
            if call.name in ("threshold", "closure") or call.arguments.get("max") == 0.0:
                return True
            shrinks = call.name == "clip" and call.arguments.get("max", 1.0) < 1
            return is_binary(operand) and not shrinks


def is_symmetric(recipe: Recipe) -> bool:
    """Whether the language knows the graph to be symmetric."""
    if isinstance(recipe, Source):
        return not recipe.call.arguments.get("directed")
    if isinstance(recipe, Applied) and recipe.call.name == "closure":
        return True
    return all(map(is_symmetric, operands(recipe)))


# to the library


def graph_of(recipe: Recipe) -> rrl.Graph:
    """The recipe as the library's graph, built with Python's operators."""
    calls: dict[int, rrl.Graph | rrl.Transform] = {}
    graphs: dict[int, rrl.Graph] = {}

    def made(call: Call) -> rrl.Graph | rrl.Transform:
        if id(call) not in calls:
            arguments = {name: given(value) for name, value in call.arguments.items()}
            calls[id(call)] = getattr(rrl, call.name)(**arguments)
        return calls[id(call)]

    def given(value: object) -> object:
        if not isinstance(value, Schedule):
            return value
        last = "at" if value.kind == "step" else "epochs"
        return getattr(rrl, value.kind)(value.start, value.end, **{last: value.epochs})

    joins: dict[str, Callable[[rrl.Graph, rrl.Graph], rrl.Graph]] = {
        "|": lambda a, b: a | b,
        "&": lambda a, b: a & b,
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
    }
    for node in walk(recipe):
        parts = [graphs[id(operand)] for operand in operands(node)]
        match node:
            case Source(call=call):
                graphs[id(node)] = made(call)
            case Applied(call=call):
                graphs[id(node)] = parts[0] | made(call)
            case Joined(sign=sign):
                graphs[id(node)] = joins[sign](*parts)
            case Scaled(factor=factor):
                graphs[id(node)] = given(factor) * parts[0]
            case Complement():
                graphs[id(node)] = ~parts[0]
    return graphs[id(recipe)]


def text_of(recipe: Recipe) -> str:
    """The recipe as text; what occurs more than once gets a `let`."""
    nodes = list(walk(recipe))
    uses = Counter(id(operand) for node in nodes for operand in operands(node))
    call_uses = Counter(id(node.call) for node in nodes if isinstance(node, Source | Applied))
    lines: list[str] = []
    texts: dict[int, str] = {}

    def named(item: object, text: str, many: bool) -> str:
        if many:
            name = f"n{len(lines)}"
            lines.append(f"let {name} = {text}")
            text = name
        texts[id(item)] = text
        return text

    def written(value: object) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        return f'"{value}"' if isinstance(value, Path) else str(value)

    def call_text(call: Call) -> str:
        inside = ", ".join(f"{name}={written(value)}" for name, value in call.arguments.items())
        if id(call) in texts:
            return texts[id(call)]
        return named(call, f"{call.name}({inside})", call_uses[id(call)] > 1)

    for node in nodes:
        parts = [texts[id(operand)] for operand in operands(node)]
        match node:
            case Source(call=call):
                text = call_text(call)
            case Applied(call=call):
                text = f"({parts[0]} | {call_text(call)})"
            case Joined(sign=sign):
                text = f"({parts[0]} {sign} {parts[1]})"
            case Scaled(factor=factor):
                text = f"({factor} * {parts[0]})"
            case Complement():
                text = f"~{parts[0]}"
        named(node, text, uses[id(node)] > 1)
    return "\n".join([*lines, texts[id(recipe)]])


# strategies

probabilities = st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.9, 1.0])
fractions = st.sampled_from([0.2, 0.5, 0.8, 1.0])
seeds = st.sampled_from([0, 7, 2**31, 2**40 + 3])
factors = st.sampled_from([0.0, 0.25, 0.3, 0.5, 1.0, 1.7, 2.0, 3.0])
decimal_factors = st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.9, 1.0, 1.1, 1.3, 2.0, 1e-7])
ties = st.sampled_from([0.1, 0.3, 0.4, 0.5, 0.7, 0.8, 1.0, 1.1, 1.2, 1.6, 1.7, 0.09, 0.25, 0.77])
spaces = st.sampled_from(["projection", "backbone", "teacher"])
files = st.sampled_from(["links.csv", "twice.csv", "weighted.csv"]).map(lambda name: LINKS / name)


@st.composite
def scheduled(draw: st.DrawFn, values: st.SearchStrategy[float]) -> float | Schedule:
    """A number, or now and then a schedule between two."""
    if draw(st.integers(0, 5)):
        return draw(values)
    kind = draw(st.sampled_from(["linear", "cosine", "step"]))
    return Schedule(kind, draw(values), draw(values), draw(st.integers(1, 4)))


@dataclass(frozen=True)
class Scope:
    """What a random recipe may look at beside two rows.

    Attributes:
        seeded: Whether each stochastic call has a seed of its own, so that it draws the same
            wherever it occurs.
        bound: Whether it may look at the whole dataset.
        batch: Whether it may look at the whole batch.
        decimals: Whether its numbers are decimals whose sums and products are its thresholds; it
            then has no weights but these.
    """

    seeded: bool = False
    bound: bool = False
    batch: bool = False
    decimals: bool = False


@st.composite
def sources(draw: st.DrawFn, scope: Scope) -> Source:
    kinds = ["ssl", "supervised", "random", "none", "all", "self", "cross_view"]
    kinds += ["near", *["similarity"] * (0 if scope.decimals else 2), "ssl", "supervised", "random"]
    kinds += ["pairs"] * (not scope.bound)  # the files name samples that a dataset lacks
    kinds += ["geodesic"] * scope.bound + ["knn"] * (2 * (scope.bound or scope.batch))
    name = draw(st.sampled_from(kinds))
    arguments: dict[str, object] = {}
    match name:
        case "ssl" if draw(st.booleans()):
            arguments["views"] = draw(st.integers(1, 4))
        case "supervised":
            arguments["labels"] = draw(st.sampled_from(LABELS))
            if scope.bound and draw(st.booleans()):
                arguments["per_class"] = draw(st.integers(1, 3))
            elif draw(st.booleans()):
                arguments["frac"] = draw(scheduled(fractions))
        case "random":
            arguments["p"] = draw(scheduled(probabilities))
        case "near":
            arguments["field"] = draw(st.sampled_from(NUMBERS))
            arguments["within"] = draw(st.sampled_from([0, 0.5, 1, 2.25]))
        case "pairs":
            arguments["file"] = draw(files)
            if arguments["file"].name != "weighted.csv" and draw(st.booleans()):
                arguments["weight"] = draw(st.sampled_from([0.5, 2.0]))
        case "similarity":
            arguments["field"] = draw(st.sampled_from(VECTORS))
            kernels = ["cosine", "dot", "exp", "rbf", *["sne"] * (2 * scope.bound)]
            kernel = draw(st.sampled_from(kernels))
            arguments["kernel"] = kernel
            if kernel == "rbf":
                arguments["bandwidth"] = draw(st.sampled_from([0.5, 2.0]))
            elif kernel == "sne":
                arguments["perplexity"] = draw(st.sampled_from([1.0, 1.5, 2.0, 3.25]))
            elif draw(st.booleans()):
                arguments["temperature"] = draw(st.sampled_from([0.5, 2.0]))
        case "knn":
            arguments["k"] = draw(st.integers(1, 4))
            in_model = scope.batch and (not scope.bound or draw(st.booleans()))
            arguments["space"] = draw(spaces if in_model else st.sampled_from(VECTORS))
            arguments["metric"] = draw(st.sampled_from(["cosine", "euclidean"]))
            arguments[draw(st.sampled_from(["mutual", "directed"]))] = draw(st.booleans())
            if draw(st.booleans()):
                arguments["query"] = "other"
        case "geodesic":
            arguments["field"] = draw(st.sampled_from(VECTORS))
            arguments["k"] = draw(st.integers(1, 3))
            arguments["within"] = draw(st.sampled_from([0, 1.5, 3]))
    if name in ("supervised", "random") and (scope.seeded or draw(st.integers(0, 3)) == 0):
        arguments["seed"] = draw(seeds)
    return Source(Call(name, arguments))


@st.composite
def transforms(draw: st.DrawFn, scope: Scope) -> Call:
    kinds = ["corrupt", "keep", "threshold", "clip", "power", "drop_self", "during"]
    kinds += ["corrupt", "corrupt", "keep"] + ["topk", "topk", "closure"] * scope.batch
    name = draw(st.sampled_from(kinds))
    arguments: dict[str, object] = {}
    if name == "corrupt":
        for rate in ("tpr", "fpr"):
            if draw(st.booleans()):
                arguments[rate] = draw(scheduled(probabilities))
    elif name == "keep":
        arguments["p"] = draw(scheduled(probabilities))
    elif name == "threshold":  # beside every sum and product of the factors
        arguments["at"] = draw(ties if scope.decimals else st.sampled_from([0.0, 0.3711, 1.2345]))
    elif name == "clip" and draw(st.booleans()):
        arguments["max"] = draw(ties if scope.decimals else st.sampled_from([0.0, 0.4, 1.0, 2.0]))
    elif name == "power":
        arguments["p"] = draw(scheduled(st.sampled_from([0.5, 2.0])))
    elif name == "topk":
        arguments["k"] = draw(st.integers(1, 4))
        arguments["mutual"] = draw(st.booleans())
    elif name == "during":
        arguments["start"] = draw(st.integers(0, 2))
        if draw(st.booleans()):
            arguments["end"] = draw(st.integers(0, 3))
    if name in ("corrupt", "keep"):
        if draw(st.booleans()):
            arguments["unit"] = draw(st.sampled_from(["sample", "row"]))
        if draw(st.booleans()):
            arguments["redraw"] = draw(st.sampled_from(["never", "epoch", "step"]))
        if scope.seeded or draw(st.integers(0, 3)) == 0:
            arguments["seed"] = draw(seeds)
    return Call(name, arguments)


@st.composite
def recipes(
    draw: st.DrawFn,
    *,
    size: int = 6,
    binary: bool = False,
    seeded: bool = False,
    bound: bool = False,
    batch: bool = False,
    decimals: bool = False,
) -> Recipe:
    """A random recipe.

    `size` bounds the steps that build it. With `binary` every weight is 0 or 1. The rest is what
    `Scope` says.
    """
    scope = Scope(seeded, bound, batch, decimals)
    graphs: list[Recipe] = [draw(sources(scope))]
    calls: list[Call] = []
    for _ in range(draw(st.integers(0, size))):
        step = draw(st.sampled_from(["source", "apply", "apply", "join", "join", "scale", "not"]))
        operand = graphs[-1] if draw(st.booleans()) else draw(st.sampled_from(graphs))
        made: Recipe
        if step == "source":
            made = draw(sources(scope))
        elif step == "apply":
            again = bool(calls) and draw(st.integers(0, 4)) == 0
            call = draw(st.sampled_from(calls)) if again else draw(transforms(scope))
            calls.append(call)
            made = Applied(operand, call)
        elif step == "join":
            other = draw(st.sampled_from(graphs)) if draw(st.booleans()) else None
            other = other or draw(sources(scope))
            sign = draw(st.sampled_from("|&-" if binary else "|&+-"))
            if sign == "-" and not is_binary(other):
                sign = "|"
            made = Joined(sign, operand, other)
        elif step == "scale" and not binary:
            made = Scaled(draw(scheduled(decimal_factors if decimals else factors)), operand)
        else:
            made = Complement(operand)
        if binary and not is_binary(made):
            made = Applied(made, Call("threshold", {"at": 0.0}))
        graphs.append(made)
    graph = graphs[-1]
    if binary and not is_binary(graph):
        graph = Applied(graph, Call("threshold", {"at": 0.0}))
    return graph
