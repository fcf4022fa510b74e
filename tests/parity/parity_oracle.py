"""What a recipe means, pair by pair, in plain Python integers and floats.

Written from the reference of the language and its page on draws alone, as slowly and literally as
they read, so that the library can be wrong and this still right. It shares no code with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from random_recipes import Applied, Call, Complement, Joined, Recipe, Scaled, Source, operands, walk

C = 0x1E3779B9
WORD = 2**32


@dataclass(frozen=True)
class Row:
    """One view of one sample, with what is known of it."""

    sample: int
    view: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)


# draws


def without_last_shift(x: int) -> int:
    x %= WORD
    x ^= x >> 16
    x = x * 0x604BAA5D % WORD
    x ^= x >> 15
    return x * 0x43D6CE97 % WORD


def mix(x: int) -> int:
    x = without_last_shift(x)
    return x ^ (x >> 15)


def key(seed: int, stream: int, time: int) -> int:
    k = mix(C + seed % WORD)
    for word in (seed // WORD, stream, time):
        k = mix(k + word + C)
    return k


def row_hash(sample: int, view: int, k: int) -> int:
    a = mix((sample % WORD) ^ k)
    a = mix(a + sample // WORD + k)
    return mix(a + view + k)


def pair_hash(u: int, v: int) -> int:
    return without_last_shift(u + v)


def passes(h: int, p: float) -> bool:
    return (h >> 1) <= round(p * 2**31) - 1


def stream_word(*content: object) -> int:
    """The first four bytes, little end first, of the SHA-256 of the content as compact JSON."""
    text = json.dumps(list(content), separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


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
    """A recipe at one seed, epoch and step, over a data set where it needs one."""

    recipe: Recipe
    seed: int = 0
    epoch: int = 0
    step: int = 0
    dataset: Sequence[Row] = ()

    def __post_init__(self) -> None:
        self.streams = streams_of(self.recipe)
        self.chosen: dict[int, set[int]] = {}

    def matrix(self, rows: Sequence[Row], cols: Sequence[Row]) -> list[list[float]]:
        return [[self.weight(self.recipe, i, j, {}) for j in cols] for i in rows]

    def weight(self, node: Recipe, i: Row, j: Row, known: dict[int, float]) -> float:
        if id(node) not in known:
            parts = [self.weight(operand, i, j, known) for operand in operands(node)]
            known[id(node)] = float(self.weight_from(node, parts, i, j))
        return known[id(node)]

    def weight_from(self, node: Recipe, parts: list[float], i: Row, j: Row) -> float:
        same = (i.sample, i.view) == (j.sample, j.view)
        match node:
            case Source(call=call):
                return self.source(call, i, j, same)
            case Applied(call=call):
                return self.transformed(call, parts[0], i, j, same)
            case Complement():
                return 1.0 if parts[0] == 0 and not same else 0.0
            case Scaled(factor=factor):
                return factor * parts[0]
            case Joined(sign="|"):
                return max(parts)
            case Joined(sign="&"):
                return min(parts)
            case Joined(sign="+"):
                return parts[0] + parts[1]
            case Joined(sign="-"):
                return parts[0] if parts[1] == 0 else 0.0
        raise AssertionError(node)

    def source(self, call: Call, i: Row, j: Row, same: bool) -> bool:
        match call.name:
            case "ssl":
                return i.sample == j.sample
            case "supervised":
                name = call.arguments.get("labels", "label")
                labels = (i.labels[name], j.labels[name])
                known = all(label != -1 for label in labels)
                chosen = self.is_chosen(call, i) and self.is_chosen(call, j)
                return known and chosen and labels[0] == labels[1]
            case "random":
                return same or passes(self.draw(call, i, j), call.arguments["p"])
            case "none":
                return False
            case "all":
                return True
            case "self":
                return same
            case "cross_view":
                return i.view != j.view
        raise AssertionError(call)

    def transformed(self, call: Call, w: float, i: Row, j: Row, same: bool) -> float:
        given = call.arguments
        match call.name:
            case "corrupt" | "keep":
                if same:
                    return w
                stays = given["p"] if call.name == "keep" else given.get("tpr", 1.0)
                appears = 0.0 if call.name == "keep" else given.get("fpr", 0.0)
                h = self.draw(call, i, j)
                if w > 0:
                    return w if passes(h, stays) else 0.0
                return 1.0 if passes(h, appears) else 0.0
            case "threshold":
                return 1.0 if w > given["at"] else 0.0
            case "clip":
                return min(w, given.get("max", 1.0))
            case "power":
                return w ** given["p"]
            case "drop_self":
                return 0.0 if same else w
            case "during":
                begun = self.epoch >= given.get("start", 0)
                return w if begun and not self.epoch >= given.get("end", float("inf")) else 0.0
        raise AssertionError(call)

    # what is drawn

    def key_of(self, call: Call) -> int:
        times = {"never": 0, "epoch": self.epoch, "step": self.step}
        time = times[call.arguments.get("redraw", "never")]
        return key(self.seed, self.streams[id(call)], time)

    def draw(self, call: Call, i: Row, j: Row) -> int:
        by_row = call.arguments.get("unit", "sample") == "row"
        k = self.key_of(call)
        u, v = (row_hash(row.sample, row.view if by_row else 0, k) for row in (i, j))
        return pair_hash(u, v)

    def is_chosen(self, call: Call, row: Row) -> bool:
        k = self.key_of(call)
        if "per_class" not in call.arguments:
            return passes(row_hash(row.sample, 0, k), call.arguments.get("frac", 1.0))
        if id(call) not in self.chosen:
            self.chosen[id(call)] = self.choose(call, k)
        return row.sample in self.chosen[id(call)]

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
