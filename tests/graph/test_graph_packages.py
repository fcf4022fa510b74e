"""Built-ins of another package, used wherever those of the language are."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.backends import reference
from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.editor.completion import Ability, complete
from rrl_dsl.editor.hover import hover_at
from rrl_dsl.graph import registry
from rrl_dsl.language.span import Source

CLINIC = '''
from dataclasses import dataclass

import rrl_dsl as rrl


@rrl.source(example="same_visit(patient, time, days=3)")
def same_visit(
    pair: rrl.Pair, patient: rrl.LabelField, time: rrl.NumberField, *, days: rrl.NonNegative = 7.0
) -> rrl.Mask:
    """Relates samples of one patient at most `days` apart.

    Args:
        patient: The label of the patient.
        time: The time stamp, in days.
        days: The largest distance in time.
    """
    return pair.equal(patient) & pair.near(time, days)


@rrl.source(example="flicker(0.3)", version="2")
def flicker(
    pair: rrl.Pair, p: rrl.Scheduled[rrl.Probability], seed: rrl.Seed | None = None
) -> rrl.Mask:
    """Relates pairs of rows at random, anew at each step.

    Args:
        p: The chance of an edge.
        seed: A seed of its own.
    """
    return pair.row_drawn(p, redraw="step") & ~pair.same_row


@rrl.transform(example="ssl() | fade(0.9)")
def fade(weight: rrl.Weight, rate: rrl.Scheduled[rrl.Probability]) -> rrl.Weight:
    """Multiplies every weight by `rate`.

    Args:
        rate: The factor.
    """
    return weight * rate


@dataclass(frozen=True)
class First(rrl.Stage):
    """For each row, the first row of the batch with its label."""

    label: rrl.LabelField

    def find(self, arrays, batch):
        label = batch.rows.label(self.label)
        same = (label[:, None] == label[None, :]) & (label[None, :] >= 0)
        first = arrays.where(same, 1, 0).argmax(1)
        return arrays.where(label >= 0, first, -1)[:, None]


@rrl.source(example="leader(label)")
def leader(pair: rrl.Pair, label: rrl.LabelField = "label") -> rrl.Mask:
    """Relates rows to the first row of the batch with their label.

    Args:
        label: The label.
    """
    return pair.listed(First(label)) | pair.same_row


@dataclass(frozen=True)
class Successive(rrl.Lookup):
    """Samples that follow one another by a number, of those that have one."""

    number: rrl.NumberField

    def find(self, samples, seed, wanted=None):
        import numpy as np
        import scipy.sparse as sp

        number = samples.number(self.number)
        order = np.argsort(number, kind="stable")[: np.isfinite(number).sum()]
        ends = np.concatenate([order[:-1], order[1:]]), np.concatenate([order[1:], order[:-1]])
        shape = len(number), len(number)
        graph = sp.csr_array((np.full(len(ends[0]), 0.25), ends), shape=shape)
        return rrl.LookupTable.of_links(samples.ids, graph)


@rrl.source(example="successive(time)")
def successive(pair: rrl.Pair, number: rrl.NumberField) -> rrl.Weight:
    """Relates samples that follow one another in the dataset.

    Args:
        number: The number by which samples are ordered.
    """
    return 2 * pair.linked_weight(Successive(number))
'''

TEXT = """rrl 1
let visits = same_visit(patient, time, days=2)
(visits | flicker(0.4) | leader(patient)) | fade(0.5)
"""


@pytest.fixture
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package that declares a module of five built-ins, and one that cannot be imported."""
    packages = tmp_path / "packages"
    for name, code in {"clinic": CLINIC, "broken": "import no_such_thing"}.items():
        info = packages / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (packages / f"{name}.py").write_text(code)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[rrl_dsl.builtins]\n{name} = {name}\n")
    monkeypatch.syspath_prepend(str(packages))
    monkeypatch.setattr(registry, "_SIGNATURES", dict(registry.registered()))
    registry.broken_packages.cache_clear()
    registry.signatures.cache_clear()
    yield
    sys.modules.pop("clinic", None)
    monkeypatch.undo()
    for name in ("same_visit", "flicker", "fade", "leader", "successive"):
        vars(rrl).pop(name, None)
    registry.broken_packages.cache_clear()
    registry.signatures.cache_clear()


PATIENT = [0, 0, 1, 1, -1, 0, 1, 2]
TIME = [0.0, 1.5, 0.0, 9.0, 0.0, 8.0, 10.0, float("nan")]


def expected_visits() -> np.ndarray:
    allowed = np.zeros((8, 8), bool)
    for i, (a, s) in enumerate(zip(PATIENT, TIME, strict=True)):
        for j, (b, t) in enumerate(zip(PATIENT, TIME, strict=True)):
            allowed[i, j] = a == b >= 0 and abs(s - t) <= 2
    return allowed


def nodes() -> rrl.Nodes:
    return rrl.Nodes(range(8), labels={"patient": PATIENT}, fields={"time": TIME})


def rows() -> reference.Rows:
    columns = {"patient": np.array(PATIENT)}, {"time": np.array(TIME)}
    return reference.Rows(np.arange(8), np.zeros(8, np.int64), *columns)


@pytest.mark.usefixtures("clinic")
def test_weights_are_those_of_the_definition_and_equal_eager_fused_and_in_numpy():
    visits = rrl.compile("same_visit(patient, time, days=2)")
    assert np.array_equal(visits(nodes()).numpy(), expected_visits())
    leaders = rrl.compile("leader(patient)")(nodes()).numpy()
    first = {0: 0, 1: 2, 2: 7}
    for i, a in enumerate(PATIENT):
        for j, b in enumerate(PATIENT):
            assert leaders[i, j] == (i == j or first.get(a) == j or first.get(b) == i)
    eager = rrl.compile(TEXT, fused=False)(nodes(), step=3)
    assert set(eager.unique().tolist()) == {0.0, 0.5}
    assert torch.equal(eager, rrl.compile(TEXT, fused=True)(nodes(), step=3))
    assert np.array_equal(eager.numpy(), reference.evaluate(rrl.parse(TEXT), rows(), step=3))
    # by time: samples 0, 2 and 4 at 0, then 1, 5, 3, 6; sample 7 has none
    pairs = [(0, 2), (2, 4), (4, 1), (1, 5), (5, 3), (3, 6)]
    after = np.zeros((8, 8), np.float32)
    for i, j in pairs:
        after[i, j] = after[j, i] = 0.5
    program = rrl.compile("successive(time)", fused=False).bind(nodes())
    assert np.array_equal(program(nodes()).numpy(), after)
    part = nodes()[torch.tensor([4, 1, 6, 2])]
    assert np.array_equal(program(part).numpy(), after[[4, 1, 6, 2]][:, [4, 1, 6, 2]])
    fused = rrl.compile("successive(time)", fused=True).bind(nodes())
    assert np.array_equal(fused(nodes()).numpy(), after)
    graph = rrl.parse("successive(time)")
    assert np.array_equal(reference.evaluate(graph, rows(), dataset=rows()), after)
    share = rrl.compile("flicker(0.4)")(rrl.Nodes(range(300))).float().mean()
    assert 0.38 < share < 0.42
    again = rrl.compile("flicker(0.4)")
    assert not torch.equal(again(nodes(), step=1), again(nodes(), step=2))


@pytest.mark.usefixtures("clinic")
def test_text_and_python_are_one_graph_and_facts_follow_from_what_is_recorded():
    text = rrl.parse(TEXT)
    visits = rrl.same_visit("patient", "time", days=2)
    built = (visits | rrl.flicker(0.4) | rrl.leader("patient")) | rrl.fade(0.5)
    assert built == text
    assert "patient" in repr(text)
    requires = rrl.compile(text).requires
    assert (requires.labels, requires.numbers) == (("patient",), ("time",))
    assert (requires.draws, requires.epochs, requires.bound) == (True, True, False)
    assert (visits.scope, text.scope) == ("pair", "batch")
    assert (visits.binary, text.binary) == (True, False)
    assert visits.symmetric
    after = rrl.compile("successive(time) | threshold(0)")
    assert (after.requires.numbers, after.requires.bound) == (("time",), True)
    assert (after.graph.scope, after.binary) == ("dataset", True)
    assert rrl.compile(rrl.leader("site")).requires.labels == ("site",)
    with pytest.raises(rrl.RRLError, match="RRL403"):
        after(nodes())
    with pytest.raises(rrl.RRLError, match="has no sample 77"):
        after.bind(nodes())(rrl.Nodes([0, 77]))
    with pytest.raises(rrl.RRLError, match="RRL401"):
        rrl.compile("successive(age)").bind(nodes())
    assert rrl.parse("ssl() | fade(1.0)").binary
    assert str(rrl.compile("ssl() | fade(1.0)").rewritten) == "ssl()"
    assert str(rrl.compile("ssl() | (ssl() | fade(0.0))").rewritten) == "ssl()"


def test_a_draw_of_each_sample_relates_the_drawn_samples(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "_SIGNATURES", dict(registry.registered()))

    @rrl.source(example="chosen(0.5)")
    def chosen(pair: rrl.Pair, share: rrl.Scheduled[rrl.Probability]) -> rrl.Mask:
        """Relates samples that are both drawn.

        Args:
            share: The share of samples that are drawn.
        """
        return pair.sample_drawn(share)

    sample, view = np.arange(600) // 2, np.arange(600) % 2
    program = rrl.compile(chosen(rrl.linear(0, 1, epochs=4)))
    weights = program(rrl.Nodes(sample, view), epoch=1).numpy()
    drawn = weights.diagonal()
    assert np.array_equal(weights, drawn[:, None] & drawn)
    assert np.array_equal(drawn[::2], drawn[1::2]), "both views of a sample share its draw"
    assert 0.2 < drawn.mean() < 0.3
    later = program(rrl.Nodes(sample, view), epoch=2).numpy()
    assert (later | weights == later).all(), "a larger share contains a smaller one"
    rows = reference.Rows(sample, view)
    assert np.array_equal(weights, reference.evaluate(program.graph, rows, epoch=1))
    registry.signatures.cache_clear()


@pytest.mark.usefixtures("clinic")
def test_version_is_part_of_the_identity(monkeypatch: pytest.MonkeyPatch):
    from dataclasses import replace

    before = rrl.parse("flicker(0.5)").identity
    changed = replace(registry.lookup("flicker"), version="3")
    monkeypatch.setitem(registry._SIGNATURES, "flicker", changed)
    assert rrl.parse("flicker(0.5)").identity != before


@pytest.mark.usefixtures("clinic")
def test_command_line_knows_them(cli, tmp_path: Path):
    recipe = tmp_path / "visits.rrl"
    recipe.write_text(TEXT)
    assert cli("check", recipe).code == 0
    assert cli("fmt", "--check", recipe).code == 0
    result = cli("check", "-e", "same_visit(patient, time, day=2)")
    assert result.code == 1
    assert "`same_visit` has no argument `day`" in result.err + result.out
    assert "did you mean `days`?" in result.err + result.out
    page = cli("explain", "same_visit").out
    assert "same_visit(patient, time, *, days=7.0)" in page
    assert "The largest distance in time." in page
    told = cli("explain", recipe).out
    assert "the label field `patient`" in told
    assert "the number field `time`" in told
    assert "an edge depends on the whole batch" in told
    told = cli("explain", "-e", "successive(time)").out
    assert "an edge depends on its two rows and on the whole dataset" in told
    shown = cli("compile", "-e", "flicker(0.25) | fade(0.5)", "--show", "--batch-size", 64)
    assert shown.code == 0, shown.err
    assert "25.0" in shown.out, "a quarter of all pairs, expected exactly"
    listed = json.loads(cli("builtins", "--json").out)
    assert {"same_visit", "flicker", "fade", "leader", "successive"} <= {
        builtin["name"] for builtin in listed
    }


@pytest.mark.usefixtures("clinic")
def test_editor_knows_them():
    text = "same_vis"
    analysis = Analysis(Source(text, "mine.rrl"), "utf-16", {})
    items = complete(analysis, len(text), Ability(snippets=True))
    assert "same_visit" in [item.label for item in items]
    text = "same_visit(patient, time)"
    hover = hover_at(Analysis(Source(text, "mine.rrl"), "utf-16", {}), 3)
    assert hover is not None
    assert any("at most `days` apart" in part for part in hover.parts)
    assert any("reads the number `time`" in part for part in hover.parts)


@pytest.mark.usefixtures("clinic")
def test_an_unknown_name_lists_packages_that_failed_to_load():
    rrl.parse("ssl()")  # whatever packages there are
    with pytest.raises(rrl.RRLError, match="`broken` declares built-ins but cannot be loaded: Mod"):
        rrl.parse("kmeans_of_broken()")
