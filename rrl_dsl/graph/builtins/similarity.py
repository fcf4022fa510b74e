"""Weights from the similarity of two vectors."""

from dataclasses import dataclass
from typing import Any, Literal

from rrl_dsl.graph.builtin import Perplexity, Positive, VectorField, source
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.recording import Weight
from rrl_dsl.graph.stage import Lookup, LookupTable, SampleColumns


@dataclass(frozen=True)
class Affinities(Lookup):
    """Each sample's Gaussian with the given perplexity: precision, log-normalizer and reach."""

    field: VectorField
    perplexity: float
    width = 3

    def find(self, samples: SampleColumns, seed: int, wanted: Any = None) -> LookupTable:
        """The Gaussians of all samples, kept on disk, or of those that are wanted."""
        import numpy as np

        from rrl_dsl.graph.builtins.sne_gaussians import gaussians_of

        ids, vectors = samples.ids, samples.vector(self.field)
        if wanted is None:
            return LookupTable.of_samples(ids, gaussians_of(vectors, self.perplexity))
        positions = np.flatnonzero(np.isin(ids, wanted))
        values = gaussians_of(vectors, self.perplexity, positions)
        return LookupTable.of_samples(ids[positions], values)


@source(example="similarity(caption, kernel=rbf, bandwidth=0.5)")
def similarity(
    pair: Pair,
    field: VectorField,
    kernel: Literal["cosine", "rbf", "dot", "exp", "sne", "jaccard"] = "cosine",
    temperature: Positive = 1.0,
    bandwidth: Positive = 1.0,
    perplexity: Perplexity = 30.0,
) -> Weight:
    """Weights pairs by the similarity of their vectors.

    The weight is a kernel of the two vectors. `cosine` and `dot` are the cosine and the inner
    product, divided by `temperature`; they are 0 if the cosine is below 1e-12, because rounding can
    turn 0 into such a value. `exp` is exp((cosine - 1) / temperature). Normalized per row, it is
    the softmax of X-Sample contrastive learning. `rbf` is exp(-d^2 / (2 bandwidth^2)), where d is
    the Euclidean distance.

    `sne` is the joint probability of symmetric SNE over the dataset, p_ij = (p_j|i + p_i|j) / 2n.
    The bandwidth of each sample is chosen for the perplexity. If at least `perplexity` samples
    share the smallest distance to a sample, no bandwidth has this perplexity, and p_j|i is uniform
    over these samples (the limit). A sample without a vector has no edge.

    `jaccard` compares the labels of a label field with several labels per sample: the number of
    labels that both samples have, divided by the number that at least one of them has. A sample
    without a known label has no edge.

    Args:
        field: A field of vectors; a label field for `jaccard`.
        kernel: The kernel.
        temperature: The temperature of `cosine`, `dot` and `exp`.
        bandwidth: The bandwidth of `rbf`.
        perplexity: The effective number of neighbors for `sne`.
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
        case "jaccard":
            return pair.jaccard(field)
        case "sne":
            joint = pair.affinity(field, Affinities(field, perplexity))
            return joint.where(~pair.same_sample)
