"""Noise: removed edges and false edges."""

from rrl_dsl.graph.builtin import Adds, Probability, Scheduled, Seed, transform
from rrl_dsl.graph.pair import Pair, Unit
from rrl_dsl.graph.plan import Redraw
from rrl_dsl.graph.recording import Mask, Weight


@transform(example="supervised() | corrupt(tpr=0.8, fpr=0.05)")
def corrupt(
    weight: Weight,
    pair: Pair,
    *,
    tpr: Scheduled[Probability] = 1.0,
    fpr: Adds[Scheduled[Probability]] = 0.0,
    unit: Unit = "sample",
    redraw: Redraw = "never",
    seed: Seed | None = None,
) -> Weight:
    """Removes edges and adds false ones.

    An edge stays with probability `tpr`, and an absent pair i != j becomes an edge of weight 1 with
    probability `fpr`. The diagonal does not change. `fpr` is the chance of an absent pair, not a
    share of the edges: false edges soon outnumber true ones.

    Args:
        tpr: The probability that an edge stays.
        fpr: The probability that an absent pair becomes an edge.
        unit: Whether to draw once per pair of samples, for all their views, or per pair of rows.
        redraw: When to draw again.
        seed: A seed for this call, in place of the recipe's: the same draws in every run.
    """
    if fpr == 0.0:
        return _thinned(weight, pair, tpr, unit, redraw)
    related, diagonal = weight.related, pair.same_row
    if tpr == 1.0:
        drawn = pair.drawn(fpr, unit=unit, redraw=redraw)
    else:  # one draw with a selected threshold, so that the graphs of growing rates are nested
        drawn = pair.drawn(tpr, where=related, otherwise=fpr, unit=unit, redraw=redraw)
    # most graphs relate a row to itself, so that no draw can change the diagonal
    added = drawn if related.covers(diagonal) else drawn & ~diagonal
    if tpr == 1.0:
        return weight | (added if isinstance(weight, Mask) else added & ~related)
    if isinstance(weight, Mask):
        return added | (weight & diagonal)
    return weight.where(drawn | diagonal) | (added & ~related)


@transform(example="supervised() | keep(0.5)", given={"p": "0.9"})
def keep(
    weight: Weight,
    pair: Pair,
    p: Scheduled[Probability],
    *,
    unit: Unit = "sample",
    redraw: Redraw = "never",
    seed: Seed | None = None,
) -> Weight:
    """Removes edges at random.

    An edge stays with probability `p`, and no edge is added. The diagonal does not change.
    `keep(p)` is `corrupt(tpr=p)` with other draws.

    Args:
        p: The probability that an edge stays.
        unit: Whether to draw once per pair of samples, for all their views, or per pair of rows.
        redraw: When to draw again.
        seed: A seed for this call, in place of the recipe's: the same draws in every run.
    """
    return _thinned(weight, pair, p, unit, redraw)


def _thinned(weight: Weight, pair: Pair, p: float, unit: Unit, redraw: Redraw) -> Weight:
    """The edges whose draw is below p, and the diagonal."""
    if p == 1.0:
        return weight
    return weight.where(pair.drawn(p, unit=unit, redraw=redraw) | pair.same_row)
