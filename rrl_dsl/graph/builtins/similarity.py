"""Weights by the similarity of two vectors."""

from typing import Literal

from rrl_dsl.graph.builtin import Perplexity, Positive, VectorField, source
from rrl_dsl.graph.plan import Affinities
from rrl_dsl.graph.recording import Pair, Weight


@source(example="similarity(caption, kernel=rbf, bandwidth=0.5)")
def similarity(
    pair: Pair,
    field: VectorField,
    kernel: Literal["cosine", "rbf", "dot", "exp", "sne"] = "cosine",
    temperature: Positive = 1.0,
    bandwidth: Positive = 1.0,
    perplexity: Perplexity = 30.0,
) -> Weight:
    """Weighs pairs by the similarity of their vectors.

    A weight from the vectors of both rows, as the kernel says. `cosine` and `dot` give the cosine
    or the inner product over `temperature`, 0 where the cosine is below 1e-12, which rounding may
    make of 0. `exp` gives exp((cosine - 1) / temperature), which a row normalises to the softmax of
    X-Sample contrastive learning. `rbf` gives exp(-d^2 / (2 bandwidth^2)) of the distance d. `sne`
    gives the joint probabilities of symmetric SNE over the data set: each sample's bandwidth is
    chosen for the perplexity, and p_ij = (p_j|i + p_i|j) / 2n. Where no fewer samples than the
    perplexity are equally near to a sample, and nearest, no bandwidth has it, and p_j|i is the
    limit, uniform over these. A missing vector makes no edge.

    Args:
        field: A field of vectors.
        kernel: How two vectors make a weight.
        temperature: Of `cosine`, `dot` and `exp`.
        bandwidth: Of `rbf`.
        perplexity: Of `sne`: how many neighbours count.
    """
    match kernel:
        case "cosine":
            return pair.cosine(field, temperature)
        case "dot":
            return pair.dot(field, temperature)
        case "exp":
            return pair.exponential(field, temperature)
        case "rbf":
            return pair.gaussian(field, bandwidth)
        case "sne":
            joint = pair.affinity(field, Affinities(field, perplexity))
            return joint.where(~pair.same_sample)
