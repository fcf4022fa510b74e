"""What the benchmarks compare is the same, and what they measure is what was used."""

import sys
import time

import pytest
import torch
from torch.nn import functional as F

import rrl_dsl as rrl
from rrl_dsl.bench import page
from rrl_dsl.bench.claims import CLAIMS, WITHOUT_DEVICE, Plot, Report, Target, at_least, at_most
from rrl_dsl.bench.measuring import Timing, in_turn, in_unit, profile
from rrl_dsl.bench.parse import TEN_CALLS
from rrl_dsl.bench.ways import RECIPES, batch, by_hand, by_recipe, lightly, metric_learning, ways
from rrl_dsl.generate import pages
from rrl_dsl.graph.traversal import calls_of

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", RECIPES)
def test_all_ways_compute_the_same_loss_and_gradient(name: str):
    given, recipe = batch(24, 5, CPU), RECIPES[name]
    losses = [by_recipe(given, recipe, strategy) for strategy in ("dense", "blocked", "auto")]
    if name == "ssl":
        pytest.importorskip("lightly")
        losses.append(lightly(given))
    if name != "false edges":
        pytest.importorskip("pytorch_metric_learning")
        losses.append(metric_learning(given, recipe))
    value = by_hand(given, recipe)(given.z)
    (gradient,) = torch.autograd.grad(value, given.z)
    for loss in losses:
        again = loss(given.z)
        torch.testing.assert_close(again, value, rtol=1e-4, atol=1e-5)
        (slope,) = torch.autograd.grad(again, given.z)
        torch.testing.assert_close(slope, gradient, rtol=1e-3, atol=1e-5)


def test_the_loss_by_hand_is_its_definition():
    given = batch(12, 3, CPU)
    z = F.normalize(given.z.detach())
    terms = []
    for i in range(12):
        others = [j for j in range(12) if j != i]
        logs = (z[others] @ z[i] / 0.2).log_softmax(dim=0)
        terms.append(-logs[others.index((i + 6) % 12)])  # the other view of the sample
    value = by_hand(given, RECIPES["ssl"])(given.z)
    torch.testing.assert_close(value, torch.stack(terms).mean())


def test_times_and_memory_are_those_of_each_way():
    kept = []

    def large() -> None:
        kept.append(torch.ones(2**24))  # 64 MiB
        kept.clear()

    timings = in_turn({"slow": lambda: time.sleep(0.02), "large": large}, CPU, runs=3, seconds=60)
    assert timings["slow"].median >= 0.02
    assert timings["slow"].quartiles[0] <= timings["slow"].median <= timings["slow"].quartiles[1]
    assert len(timings["large"].seconds) == 3
    if sys.platform == "linux":
        assert 60e6 < timings["large"].extra < 90e6
        assert timings["slow"].extra < 10e6


def test_a_profile_lists_the_operations_that_take_most():
    x = torch.randn(1024, 1024)
    first, *others = profile(lambda: (x @ x).neg(), CPU)
    assert first[:2] == ("`aten::mm`", "1")
    assert ("`aten::neg`", "1") in [row[:2] for row in others]
    shares = [float(share.rstrip("%")) for *_, share in (first, *others)]
    assert shares == sorted(shares, reverse=True)
    assert 99 < sum(shares) < 101


def test_one_run_is_measured_however_long_it_takes():
    timings = in_turn({"slow": lambda: time.sleep(0.01)}, CPU, runs=5, seconds=0)
    assert len(timings["slow"].seconds) == 1


def test_ways_that_cannot_run_are_named_and_others_measured():
    def full() -> None:
        raise MemoryError

    def absent() -> None:
        import no_such_library  # noqa: F401

    timings = in_turn({"full": full, "absent": absent, "well": lambda: 1}, CPU, runs=1, seconds=1)
    assert timings["full"] == "out of memory"
    assert timings["absent"] == "not installed: no_such_library"
    assert isinstance(timings["well"], Timing)

    def wrong() -> None:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        in_turn({"wrong": wrong}, CPU, runs=1, seconds=1)


@pytest.mark.slow
def test_a_library_that_is_not_installed_is_named_in_the_table(cli, monkeypatch):
    for name in ("lightly", "lightly.loss", "pytorch_metric_learning"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "pytorch_metric_learning.losses", raising=False)
    result = cli("bench", "small", "--quick", "--device", "cpu")
    assert result.code == 0
    lines = result.out.splitlines()
    for library in ("lightly", "pytorch-metric-learning"):
        [line] = [line for line in lines if f"| ssl         | {library} " in line]
        assert "not installed: " in line
    assert any("| dense " in line and " ms (" in line for line in lines)


def test_a_compiler_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.delenv("CXX", raising=False)
    given = batch(8, 2, CPU)
    way = ways(given, RECIPES["ssl"])["by hand, compiled"]
    timings = in_turn({"compiled": way}, CPU, runs=1, seconds=1)
    assert timings["compiled"] == "not installed: a compiler for `torch.compile`"


@pytest.mark.parametrize("name", ["mask", "parse"])
def test_a_trial_prints_a_table_and_no_targets(cli, name: str):
    result = cli("bench", name, "--quick", "--device", "cpu")
    assert result.code == 0
    assert result.out.startswith(f"{name}: {CLAIMS[name]}\nMeasured on ")
    assert "PyTorch" in result.out
    assert "| target" not in result.out


@pytest.mark.slow
def test_training_is_compared_with_its_network_and_with_lightly(cli):
    pytest.importorskip("lightly")
    result = cli("bench", "train", "--quick", "--device", "cpu")
    assert result.code == 0
    rows = [line.split("|")[2:4] for line in result.out.splitlines() if "| small, digits |" in line]
    speeds = {way.strip(): speed.split()[0] for way, speed in rows}
    assert list(speeds)[:3] == ["rrl-dsl", "network alone", "lightly, 0 workers"]
    assert all(int(speed.replace(",", "")) > 0 for speed in speeds.values())


def test_a_target_can_be_a_least_number():
    target = at_least("n", 0.85, 0.9, " of b")
    assert target[:3] == ("n: at least 0.85 of b", "0.9 of b", True)
    assert at_least("n", 0.85, 0.8).met is False
    assert at_least("n", 0.85, None).met is None


def test_the_recipe_of_ten_calls_has_ten_calls():
    graph = rrl.parse(TEN_CALLS.format(share=0.9))
    assert len(list(calls_of(graph))) == 10


def test_without_a_name_the_benchmarks_are_listed(cli):
    lines = cli("bench").out.splitlines()
    assert [line.split()[0] for line in lines[: len(CLAIMS)]] == list(CLAIMS)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nosuch"], 2, "there is no benchmark `nosuch`"),
        (["smal"], 2, "did you mean `small`"),
        (["parse", "nosuch"], 2, "there is no benchmark `nosuch`"),
        (["parse", "--quick", "--write"], 2, "figures of a trial are not written"),
        (["parse", "--device", "tpu"], 2, "'tpu' is not one of 'cpu', 'cuda'"),
    ],
)
def test_a_benchmark_that_cannot_run_is_an_error_before_the_first_measurement(
    cli, words, code, said
):
    result = cli("bench", *words)
    assert result.code == code
    assert said in " ".join(result.err.replace("│", " ").split())
    assert not result.out


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_a_gpu_that_is_not_there_is_an_error(cli):
    result = cli("bench", "parse", "--device", "cuda")
    assert (result.code, result.out) == (1, "")
    assert "error[RRL506]: there is no CUDA device" in result.err


REPORT = Report(
    columns=("way", "time"),
    rows=[("a|b", "1 ms"), ("c", "not installed: x")],
    targets=[
        at_most("n", 2, 3.0, " MB"),
        at_least("k", 2, 1.5),
        at_most("n", 2, None),
        Target("m", "fine", True),
    ],
    plots=[
        Plot("Bars", "", "ms", {"a|b": [(0, 1.0)], "d": [(0, 2.0)]}),
        Plot("Curves", "rows", "ms", {"a|b": [(256, 1.0), (512, 2.0)]}),
        Plot("Nothing", "rows", "ms", {}),
    ],
    notes=["A note."],
    profiles={"`dense`": [("`mm`", "3", "75.0%")]},
)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with a page that has two sections."""
    for module in (page, pages):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    sections = "".join(
        f"<!-- table: {x} -->\nold {x}\n<!-- end -->\n" for x in ("small", "small_cuda")
    )
    (tmp_path / "docs" / "performance.md").write_text(f"Words.\n{sections}")
    return tmp_path


def test_a_section_of_the_page_is_replaced_and_others_stay(checkout):
    page.write("small", "cpu", REPORT, "a machine")
    text = (checkout / "docs" / "performance.md").read_text()
    assert text.startswith("Words.\n<!-- table: small -->\n\nMeasured on a machine.\n")
    assert "old small\n" not in text
    assert "old small_cuda\n" in text
    assert "| a\\|b | 1 ms             |\n| c    | not installed: x |\n" in text
    assert "| n: at most 2 MB | 3 MB                     | **no**, 50.0% above |" in text
    assert "| k: at least 2   | 1.5                      | **no**, 25.0% below |" in text
    assert "| n: at most 2    | not measured in this run |                     |" in text
    assert "Where the time goes, `dense`:\n\n| operation | calls | share of the time |\n" in text
    assert "![small](images/performance/small.svg)" in text
    assert "<svg" in (checkout / "docs" / "images" / "performance" / "small.svg").read_text()
    page.write("small", "cuda", REPORT, "another machine")
    changed = (checkout / "docs" / "performance.md").read_text()
    assert "a machine" in changed
    assert "another machine" in changed
    assert "small_cuda.svg" in changed


def test_a_missing_checkout_is_an_error_before_the_first_measurement(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "ROOT", tmp_path)
    result = cli("bench", "parse", "--write")
    assert (result.code, result.out) == (1, "")
    assert "error[RRL507]: `--write` updates `docs/performance.md` of a checkout" in result.err


def test_a_folder_that_cannot_be_written_is_an_error_before_the_first_measurement(
    cli, checkout, monkeypatch
):
    monkeypatch.setattr("os.access", lambda *_: False)
    result = cli("bench", "parse", "--write")
    assert (result.code, result.out) == (1, "")
    assert "error[RRL507]" in result.err


def test_every_benchmark_has_its_section():
    text = (pages.ROOT / page.PAGE).read_text()
    for name in CLAIMS:
        assert f"<!-- table: {name} -->" in text
        assert (f"<!-- table: {name}_cuda -->" in text) == (name not in WITHOUT_DEVICE)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.00352, "3.52 ms"), (12.34, "12.3 s"), (4.2e-5, "42 µs"), (0.001, "1 ms")],
)
def test_times_have_a_unit_that_suits(seconds: float, words: str):
    assert in_unit(seconds) == words


def test_curves_have_plain_numbers_on_their_axes_and_one_legend():
    points = [(512, 3.6), (2048, 14.0), (65536, 5000.0)]
    plots = [Plot(title, "rows", "ms", {"eager": points}) for title in ("Time", "Memory")]
    figure = page.draw(Report((), (), plots=plots))
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert [text.get_text() for text in axes.get_xticklabels()] == ["512", "2,048", "65,536"]
        shown = [text.get_text() for text in axes.get_yticklabels()]
        assert {"5", "100", "1,000"} <= set(shown)
        assert axes.get_legend() is None
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["eager"]
