"""`bench`: the measurements behind the claims about time and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rrl_dsl.bench.claims import CLAIMS, Setup, measure
from rrl_dsl.cli.output import print_facts, print_text
from rrl_dsl.language.diagnostics import did_you_mean, error

if TYPE_CHECKING:
    import torch

Device = Literal["cpu", "cuda"]


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="What to measure, or `all`.", metavar="NAME", show_default=False),
    ] = None,
    device: Annotated[
        Device | None, typer.Option(help="The device; by default, CUDA if there is a GPU.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Use small sizes and few runs, as a trial.")
    ] = False,
    write: Annotated[
        bool,
        typer.Option("--write", help="Update `docs/performance.md` and its pictures."),
    ] = False,
) -> None:
    """List the benchmarks, or measure time and memory on this machine.

    A benchmark runs several ways to compute one result, in turn in one process, and prints medians,
    quartiles and the machine. The table also names the libraries that are not installed.

    Examples:
    - `rrl-dsl bench`
    - `rrl-dsl bench parse --quick`
    """
    if not names:
        print_facts(CLAIMS)
        print_text("\nrrl-dsl bench NAME measures one, rrl-dsl bench all measures all.")
        return
    for name in names:
        if name not in CLAIMS and name != "all":
            hint = did_you_mean(name, list(CLAIMS)) or "`rrl-dsl bench` lists the benchmarks"
            raise typer.BadParameter(f"there is no benchmark `{name}`; {hint}", param_hint="NAME")
    if quick and write:
        raise typer.BadParameter("figures of a trial are not written; omit `--quick`")
    setup = Setup(_device(device), quick)
    from rrl_dsl.bench import page
    from rrl_dsl.bench.measuring import machine

    if write:
        page.check_writable()
    for name in CLAIMS if "all" in names else dict.fromkeys(names):
        print_text(f"{name}: {CLAIMS[name]}", style="bold")
        on = machine(setup.device)
        report = measure(name, setup)
        for line in page.lines_of(report, on):
            print_text(line)
        if write:
            for path in page.write(name, setup.device.type, report, on):
                print_text(f"wrote {path}")
        print_text("")


def _device(asked: Device | None) -> torch.device:
    import torch

    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise error("RRL506", "there is no CUDA device", hint="use `--device cpu`")
    return torch.device(asked or ("cuda" if there else "cpu"))
