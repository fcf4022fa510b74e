"""The Gaussians of symmetric SNE (Hinton and Roweis 2002; van der Maaten and Hinton 2008)."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.spatial.distance import cdist

from rrl_dsl.graph.builtins.neighbor_search import Positions, Vectors, kept, tiles
from rrl_dsl.language.diagnostics import error

_STEPS: Final = 100
TIE: Final = 1e-9
"""The relative difference up to which two squared distances are equal."""


def gaussians_of(vectors: Vectors, perplexity: float, of: Positions | None = None) -> Vectors:
    """The Gaussian of each sample, or of those at some positions.

    Args:
        vectors: (n, d), NaN where missing.
        perplexity: The perplexity that each Gaussian has over the other samples.
        of: The positions; defaults to all, whose result is kept on disk.

    Returns:
        (t, 3): b_i, l_i and r_i. The weight (p_j|i + p_i|j) / 2n is g_i + g_j, where g_i is
        exp(-b_i d^2 - l_i) for a squared distance d^2 of at most r_i, else 0. NaN where the
        vector is missing.

    Raises:
        RRLError: RRL420 if there are too few samples for the perplexity.
    """
    known = np.asarray(np.isfinite(vectors).all(axis=1))
    count = int(known.sum())
    if not perplexity < count - 1:
        message = f"a perplexity of {perplexity:g} needs more than {count} samples with a vector"
        hint = (
            f"use a perplexity below {count - 1}"
            if count > 2
            else "the dataset has too few samples"
        )
        raise error("RRL420", message, hint=hint)
    if of is None:
        result = np.full((len(vectors), 3), np.nan)
        (result[known],) = kept(_all_gaussians, vectors[known], perplexity)
    else:
        result = np.full((len(of), 3), np.nan)
        at = np.searchsorted(np.flatnonzero(known), of[known[of]])
        result[known[of]] = _gaussians(vectors[known], perplexity, at)
    return result


def _all_gaussians(vectors: Vectors, perplexity: float) -> tuple[Vectors]:
    return (_gaussians(vectors, perplexity, np.arange(len(vectors))),)


def _gaussians(vectors: Vectors, perplexity: float, of: Positions) -> Vectors:
    """As `gaussians_of`; every vector is known."""
    count = len(vectors)
    result = np.empty((len(of), 3))
    for tile in tiles(len(of), count):
        distance = cdist(vectors[of[tile]], vectors, "sqeuclidean")
        distance[np.arange(len(tile)), of[tile]] = np.inf  # a sample is not its own neighbor
        result[tile] = _fitted(distance, perplexity)
    result[:, 1] += np.log(2 * count)
    return result


def _fitted(distance: Vectors, perplexity: float) -> Vectors:
    """Precision, log-normalizer and reach of each row's squared distances.

    As the precision grows, the weights approach a uniform distribution over the nearest samples,
    and the perplexity approaches their number. If this number is not below the requested
    perplexity, no precision reaches it, and the limit is used.
    """
    nearest = distance.min(axis=1)
    reach = nearest * (1 + TIE)
    ties = (distance <= reach[:, None]).sum(axis=1)
    tied = ties >= perplexity
    fitted = np.stack([np.zeros(len(ties)), np.log(ties), reach], axis=1)
    shifted = distance[~tied] - nearest[~tied, None]
    precision, total = _precision(shifted, reach[~tied] - nearest[~tied], perplexity)
    normalizer = np.log(total) - precision * nearest[~tied]
    fitted[~tied] = np.stack([precision, normalizer, np.full_like(total, np.inf)], axis=1)
    return fitted


def _precision(distance: Vectors, tie: Vectors, perplexity: float) -> tuple[Vectors, Vectors]:
    """The precision at which each row's entropy is log(perplexity), and the sum of its weights.

    Newton's method finds the logarithm of the precision. A step that leaves the known interval is
    replaced by bisection.

    Args:
        distance: Squared distances (n, m), minus the smallest of the row.
        tie: (n,), the largest distance that counts as 0. Fewer distances than the perplexity do.
        perplexity: The perplexity.
    """
    finite = np.where(np.isfinite(distance), distance, 0.0)
    gap = np.where(distance > tie[:, None], distance, np.inf).min(axis=1, initial=np.inf)
    # there the weights beyond the ties sum to less than the last bit of 1
    high = np.minimum((np.log(distance.shape[1]) + 40.0) / np.maximum(gap, 1e-300), 1e300)
    low = np.zeros(len(distance))
    precision = np.minimum(1.0 / np.maximum(finite.mean(axis=1), 1e-300), high)
    for _ in range(_STEPS):
        weights = np.exp(-precision[:, None] * distance)
        total = weights.sum(axis=1)
        mean = np.einsum("ij,ij->i", weights, finite) / total
        excess = np.log(total) + precision * mean - np.log(perplexity)
        done = (np.abs(excess) < 1e-12) | (high - low <= 1e-15 * high)
        if done.all():
            break
        low, high = np.where(excess > 0, precision, low), np.where(excess > 0, high, precision)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            spread = np.einsum("ij,ij,ij->i", weights, finite, finite) / total - mean**2
            guess = precision * np.exp(np.clip(excess / (precision**2 * spread), -2.0, 2.0))
        guess = np.where((guess > low) & (guess < high), guess, (low + high) / 2)
        precision = np.where(done, precision, guess)
    return precision, np.exp(-precision[:, None] * distance).sum(axis=1)
