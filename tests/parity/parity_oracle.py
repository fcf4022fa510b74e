"""The weights of a recipe, pair by pair, in plain Python integers and floats.

Written from the reference of the language and its page on draws alone, as literally as possible. It
shares no code with the library, so it does not repeat the library's errors. Sums are taken in the
written order, not in the canonical one, so their last bit may differ.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from parity_draws import key, pair_hash, passes, row_hash, stream_word
from parity_vectors import as_float32, cosine, distance, shares, squared_distance
from random_recipes import (
    Applied,
    Call,
    Complement,
    Joined,
    Recipe,
    Scaled,
    Schedule,
    Source,
    operands,
    walk,
)


@dataclass(frozen=True)
class Row:
    """One view of one sample, with what is known of it.

    A number or a vector that is missing is None. `spaces` are the embeddings of the row.
    """

    sample: int
    view: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    vectors: Mapping[str, tuple[float, ...] | None] = field(default_factory=dict)
    spaces: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def row(self) -> tuple[int, int]:
        return (self.sample, self.view)


# streams


def streams_of(recipe: Recipe) -> dict[int, int]:
    """id(call) -> its stream: by name and ordinal, depth first and left to right, or by seed."""
    streams: dict[int, int] = {}
    met: dict[str, int] = {}
    for node in walk(recipe):
        if isinstance(node, Source | Applied) and id(node.call) not in streams:
            name, seed = node.call.name, node.call.arguments.get("seed")
            ordinal = met.get(name, 0)
            met[name] = ordinal + 1
            word = stream_word(name, ordinal) if seed is None else stream_word("seed", seed)
            streams[id(node.call)] = word
    return streams


# the recipe


@dataclass
class Oracle:
    """A recipe at one seed, epoch and step, over a dataset where it needs one."""

    recipe: Recipe
    seed: int = 0
    epoch: int = 0
    step: int = 0
    dataset: Sequence[Row] = ()

    def __post_init__(self) -> None:
        self.streams = streams_of(self.recipe)
        self.computed: dict[object, object] = {}  # computed once per dataset or per batch
        self.universe: list[Row] = []
        self.columns: set[tuple[int, int]] = set()

    def matrix(self, rows: Sequence[Row], cols: Sequence[Row]) -> list[list[float]]:
        once = {row.row: row for row in [*cols, *rows]}
        self.columns = {row.row for row in cols}
        self.universe = [once[key] for key in sorted(once)]
        self.computed.clear()
        return [[self.weight(self.recipe, i, j, {}) for j in cols] for i in rows]

    def once(self, key: object, find: Callable[[], object]) -> object:
        if key not in self.computed:
            self.computed[key] = find()
        return self.computed[key]

    def value(self, given: object) -> float:
        """A number, or a schedule at the epoch."""
        if not isinstance(given, Schedule):
            return given
        if self.epoch >= given.epochs:
            return given.end
        share = self.epoch / given.epochs
        match given.kind:
            case "linear":
                return given.start + (given.end - given.start) * share
            case "cosine":
                turn = (1 + math.cos(math.pi * share)) / 2
                return given.end + (given.start - given.end) * turn
        return given.start

    def weight(self, node: Recipe, i: Row, j: Row, known: dict[int, float]) -> float:
        if id(node) not in known:
            parts = [self.weight(operand, i, j, known) for operand in operands(node)]
            known[id(node)] = as_float32(self.weight_from(node, parts, i, j))
        return known[id(node)]

    def weight_from(self, node: Recipe, parts: list[float], i: Row, j: Row) -> float:
        same = i.row == j.row
        match node:
            case Source(call=call):
                return self.source(call, i, j, same)
            case Applied(call=call):
                return self.transformed(node, call, parts[0], i, j, same)
            case Complement():
                return 1.0 if parts[0] == 0 and not same else 0.0
            case Scaled(factor=factor):
                return as_float32(self.value(factor)) * parts[0]
            case Joined(sign="|"):
                return max(parts)
            case Joined(sign="&"):
                return min(parts)
            case Joined(sign="+"):
                return parts[0] + parts[1]
            case Joined(sign="-"):
                return parts[0] if parts[1] == 0 else 0.0
        raise AssertionError(node)

    def source(self, call: Call, i: Row, j: Row, same: bool) -> float:
        given = call.arguments
        match call.name:
            case "ssl":
                return i.sample == j.sample
            case "supervised":
                name = given.get("labels", "label")
                labels = (i.labels[name], j.labels[name])
                known = all(label != -1 for label in labels)
                chosen = self.is_chosen(call, i) and self.is_chosen(call, j)
                return known and chosen and labels[0] == labels[1]
            case "random":
                return same or passes(self.draw(call, i, j), self.value(given["p"]))
            case "none":
                return False
            case "all":
                return True
            case "self":
                return same
            case "cross_view":
                return i.view != j.view
            case "near":
                a, b = (row.numbers[given["field"]] for row in (i, j))
                return a is not None and b is not None and abs(a - b) <= given["within"]
            case "pairs":
                return 1.0 if same else self.listed(call).get((i.sample, j.sample), 0.0)
            case "similarity":
                return self.similarity(given, i, j)
            case "knn":
                return not same and self.are_neighbors(call, i, j)
            case "geodesic":
                paths = self.once(id(call), lambda: self.paths(given))
                return paths[i.sample, j.sample] <= given["within"] + 1e-12
        raise AssertionError(call)

    def transformed(self, node: Applied, call: Call, w: float, i: Row, j: Row, same: bool) -> float:
        given = call.arguments
        match call.name:
            case "corrupt" | "keep":
                if same:
                    return w
                stays = given["p"] if call.name == "keep" else given.get("tpr", 1.0)
                appears = 0.0 if call.name == "keep" else given.get("fpr", 0.0)
                h = self.draw(call, i, j)
                if w > 0:
                    return w if passes(h, self.value(stays)) else 0.0
                return 1.0 if passes(h, self.value(appears)) else 0.0
            case "threshold":
                return 1.0 if w > as_float32(given["at"]) else 0.0
            case "clip":
                return min(w, given.get("max", 1.0))
            case "power":
                return w ** as_float32(self.value(given["p"]))
            case "drop_self":
                return 0.0 if same else w
            case "during":
                begun = self.epoch >= given.get("start", 0)
                return w if begun and not self.epoch >= given.get("end", float("inf")) else 0.0
            case "topk":
                either = [self.is_heavy(node, i, j), self.is_heavy(node, j, i)]
                return w if (all(either) if given.get("mutual") else any(either)) else 0.0
            case "closure":
                return 1.0 if j.row in self.component(node, i) else 0.0
        raise AssertionError(call)

    # fields and files

    def similarity(self, given: Mapping[str, object], i: Row, j: Row) -> float:
        x, y = (row.vectors[given["field"]] for row in (i, j))
        if x is None or y is None:
            return 0.0
        temperature = given.get("temperature", 1.0)
        match given.get("kernel", "cosine"):
            case "sne":
                joint = self.once(id(given), lambda: self.joint_probabilities(given))
                return joint[i.sample, j.sample]
            case "cosine":
                return max(0.0, cosine(x, y) / temperature)
            case "dot":
                inner = math.fsum(a * b for a, b in zip(x, y, strict=True))
                return max(0.0, inner / temperature) if cosine(x, y) else 0.0
            case "exp":
                return math.exp((cosine(x, y) - 1) / temperature)
            case "rbf":
                return math.exp(-squared_distance(x, y) / (2 * given.get("bandwidth", 1.0) ** 2))
        raise AssertionError(given)

    def joint_probabilities(self, given: Mapping[str, object]) -> dict[tuple[int, int], float]:
        """p_ij of symmetric SNE for any two samples of the dataset that have a vector."""
        field = given["field"]
        vectors = {row.sample: row.vectors[field] for row in self.dataset if row.vectors[field]}
        conditional = {}
        for a, x in vectors.items():
            far = {b: squared_distance(x, y) for b, y in vectors.items() if b != a}
            for b, p in shares(far, given["perplexity"]).items():
                conditional[a, b] = p
        joint = {(a, b): conditional[a, b] + conditional[b, a] for a, b in conditional}
        count, samples = 2 * len(vectors), [row.sample for row in self.dataset]
        return {(a, b): joint.get((a, b), 0.0) / count for a in samples for b in samples}

    def listed(self, call: Call) -> dict[tuple[int, int], float]:
        def read() -> dict[tuple[int, int], float]:
            heaviest: dict[tuple[int, int], float] = {}
            with open(call.arguments["file"], newline="") as file:
                for line in csv.DictReader(file):
                    a, b = int(line["a"]), int(line["b"])
                    w = float(line.get("weight") or call.arguments.get("weight", 1.0))
                    for pair in ((a, b), (b, a)):
                        heaviest[pair] = max(w, heaviest.get(pair, 0.0))
            return heaviest

        return self.once(id(call), read)

    def paths(self, given: Mapping[str, object]) -> dict[tuple[int, int], float]:
        """The length of the shortest path between any two samples of the dataset."""
        vectors = {row.sample: row.vectors[given["field"]] for row in self.dataset}
        samples = sorted(vectors)
        near = {s: self.nearest_samples(s, vectors, given["k"], "euclidean") for s in samples}
        path = {
            (a, b): math.sqrt(squared_distance(vectors[a], vectors[b]))
            if b in near[a] or a in near[b]
            else math.inf
            for a in samples
            for b in samples
        }
        for sample in samples:
            path[sample, sample] = math.inf if vectors[sample] is None else 0.0
        for via in samples:
            for a in samples:
                for b in samples:
                    path[a, b] = min(path[a, b], path[a, via] + path[via, b])
        return path

    # neighbors

    def are_neighbors(self, call: Call, i: Row, j: Row) -> bool:
        given = call.arguments
        space = given.get("space", "projection")
        if space in ("projection", "backbone", "teacher"):
            either = [j.row in self.nearest_rows(call, i), i.row in self.nearest_rows(call, j)]
        else:
            lists = self.once(id(call), lambda: self.lists_of_samples(given))
            either = [j.sample in lists[i.sample], i.sample in lists[j.sample]]
        if given.get("directed"):
            return either[0]
        return all(either) if given.get("mutual") else any(either)

    def nearest_rows(self, call: Call, row: Row) -> list[tuple[int, int]]:
        given = call.arguments
        space, metric = given.get("space", "projection"), given.get("metric", "cosine")
        asking = row.row
        if given.get("query") == "other":
            views = [view for view in self.universe if view.sample == row.sample]
            if len(views) < 2:
                return []
            row = next((view for view in views if view.view > row.view), views[0])

        def find() -> list[tuple[int, int]]:
            others = [other for other in self.universe if other.row not in (row.row, asking)]
            if given.get("directed"):
                others = [other for other in others if other.row in self.columns]
            far = {o.row: distance(row.spaces[space], o.spaces[space], metric) for o in others}
            return sorted(far, key=lambda other: (far[other], other))[: given["k"]]

        return self.once((id(call), asking), find)

    def lists_of_samples(self, given: Mapping[str, object]) -> dict[int, list[int]]:
        vectors = {row.sample: row.vectors[given["space"]] for row in self.dataset}
        metric = given.get("metric", "cosine")
        return {
            sample: self.nearest_samples(sample, vectors, given["k"], metric) for sample in vectors
        }

    def nearest_samples(
        self, sample: int, vectors: Mapping[int, tuple[float, ...] | None], k: int, metric: str
    ) -> list[int]:
        x = vectors[sample]
        if x is None:
            return []
        far = {
            other: distance(x, y, metric)
            for other, y in vectors.items()
            if y is not None and other != sample
        }
        return sorted(far, key=lambda other: (far[other], other))[:k]

    # the whole batch

    def is_heavy(self, node: Applied, i: Row, j: Row) -> bool:
        """Whether j is among the k heaviest edges of i, self an edge like any other."""

        def find() -> list[tuple[int, int]]:
            weights = {
                column.row: self.weight(node.operand, i, column, {}) for column in self.universe
            }
            edges = [row for row, w in weights.items() if w > 0]
            order = sorted(edges, key=lambda row: (-weights[row], row))
            return order[: node.call.arguments["k"]]

        return j.row in self.once((id(node), "heavy", i.row), find)

    def component(self, node: Applied, i: Row) -> set[tuple[int, int]]:
        def find() -> set[tuple[int, int]]:
            reached, waiting = {i.row}, [i]
            while waiting:
                here = waiting.pop()
                for other in self.universe:
                    ways = ((here, other), (other, here))
                    joined = any(self.weight(node.operand, a, b, {}) > 0 for a, b in ways)
                    if other.row not in reached and joined:
                        reached.add(other.row)
                        waiting.append(other)
            return reached

        return self.once((id(node), "component", i.row), find)

    # what is drawn

    def key_of(self, call: Call) -> int:
        times = {"never": 0, "epoch": self.epoch, "step": self.step}
        time = times[call.arguments.get("redraw", "never")]
        own = call.arguments.get("seed")
        return key(self.seed if own is None else own, self.streams[id(call)], time)

    def draw(self, call: Call, i: Row, j: Row) -> int:
        by_row = call.arguments.get("unit", "sample") == "row"
        k = self.key_of(call)
        u, v = (row_hash(row.sample, row.view if by_row else 0, k) for row in (i, j))
        return pair_hash(u, v)

    def is_chosen(self, call: Call, row: Row) -> bool:
        k = self.key_of(call)
        if "per_class" not in call.arguments:
            frac = self.value(call.arguments.get("frac", 1.0))
            return passes(row_hash(row.sample, 0, k), frac)
        return row.sample in self.once(id(call), lambda: self.choose(call, k))

    def choose(self, call: Call, k: int) -> set[int]:
        name = call.arguments.get("labels", "label")
        classes: dict[int, set[int]] = {}
        for row in self.dataset:
            if row.labels[name] != -1:
                classes.setdefault(row.labels[name], set()).add(row.sample)
        chosen: set[int] = set()
        for members in classes.values():
            order = sorted(members, key=lambda sample: (row_hash(sample, 0, k) >> 1, sample))
            chosen.update(order[: call.arguments["per_class"]])
        return chosen
