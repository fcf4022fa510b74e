"""`digits-captions`: the digits of scikit-learn, with captions such as `a round digit, eight`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from rrl_dsl.data import digits
from rrl_dsl.language.diagnostics import did_you_mean, error

if TYPE_CHECKING:
    from rrl_dsl.data.dataset import DataSet, Split

_NAMES: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SHAPES: Final = {"loops": "round", "strokes": "straight", "curves": "curved"}
_WEIGHTS: Final = ("thin", "", "bold")
"""By thirds of the mean ink; the middle third has no word."""

VOCABULARY: Final = ("", "a", "digit", "thin", "bold", *_SHAPES.values(), *_NAMES)
"""The words by their token; token 0 is padding."""
LENGTH: Final = 6
"""The number of tokens of a caption."""
WRONG: Final = 0.5
"""The share of the training samples of `digits-captions-noisy` whose captions are exchanged."""


def tokens_of(text: str) -> NDArray[np.int64]:
    """Returns the tokens of a text, int64 (`LENGTH`,), padded with 0.

    Raises:
        RRLError: RRL412 for a word that is not in the vocabulary, or too many words.
    """
    words = text.replace(",", " ").split()
    for word in words:
        if word not in VOCABULARY:
            hint = did_you_mean(word, VOCABULARY[1:])
            raise error("RRL412", f"the vocabulary of the captions has no `{word}`", hint=hint)
    if len(words) > LENGTH:
        raise error("RRL412", f"a caption has at most {LENGTH} words, not {len(words)}")
    numbers = [VOCABULARY.index(word) for word in words]
    return np.array(numbers + [0] * (LENGTH - len(words)), dtype=np.int64)


def text_of(tokens: NDArray[np.int64]) -> str:
    """Returns the words of tokens (`LENGTH`,)."""
    return " ".join(VOCABULARY[token] for token in tokens if token)


def load(root: Path, download: bool = False) -> DataSet:
    """Returns the digits with a caption for every image.

    Args:
        root: Not used; scikit-learn contains the images.
        download: Not used.

    Returns:
        The dataset `digits` with two further fields: `tokens`, int64 (n, 6), the words of the
        caption as indices of `VOCABULARY`, padded with 0; and `caption`, float32 (n, 17), the
        words as a vector of length 1. The prompt of a class is `a round digit, eight`.
    """
    return _captioned(digits.load(root), "digits-captions", wrong=0.0)


def load_noisy(root: Path, download: bool = False) -> DataSet:
    """Returns the dataset of `load` in which half of the training captions are wrong.

    The captions of a random half of the training samples are exchanged among these samples. Those
    of the test samples are right.
    """
    return _captioned(digits.load(root), "digits-captions-noisy", wrong=WRONG)


def _captioned(data: DataSet, name: str, *, wrong: float) -> DataSet:
    import torch

    ink = data.train.fields["pixels"].mean(dim=1).numpy()
    thirds = np.quantile(ink, [1 / 3, 2 / 3])
    train, test = (_tokens(split, data, thirds) for split in (data.train, data.test))
    draw = np.random.default_rng(0)
    chosen = np.flatnonzero(draw.random(len(train)) < wrong)
    train[chosen] = train[draw.permutation(chosen)]
    coarse = dict(
        zip(data.test.labels["label"].tolist(), data.test.labels["coarse"].tolist(), strict=True)
    )
    names = data.class_names["coarse"]
    prompts = np.stack([_caption("", names[coarse[digit]], digit) for digit in range(len(_NAMES))])
    return replace(
        data,
        name=name,
        train=_with_captions(data.train, train),
        test=_with_captions(data.test, test),
        prompts={
            "tokens": torch.from_numpy(prompts),
            "caption": torch.from_numpy(_counts(prompts)),
        },
    )


def _tokens(split: Split, data: DataSet, thirds: NDArray[np.float64]) -> NDArray[np.int64]:
    """The captions of a split, int64 (n, `LENGTH`)."""
    weights = np.searchsorted(thirds, split.fields["pixels"].mean(dim=1).numpy())
    names, coarse = data.class_names["coarse"], split.labels["coarse"].tolist()
    return np.stack(
        [
            _caption(_WEIGHTS[weight], names[shape], digit)
            for weight, shape, digit in zip(
                weights.tolist(), coarse, split.labels["label"].tolist(), strict=True
            )
        ]
    )


def _caption(weight: str, shape: str, digit: int) -> NDArray[np.int64]:
    return tokens_of(f"a {weight} {_SHAPES[shape]} digit, {_NAMES[digit]}")


def _counts(tokens: NDArray[np.int64]) -> NDArray[np.float32]:
    """Which words captions have, as vectors of length 1, float32 (n, words)."""
    has = (tokens[:, :, None] == np.arange(len(VOCABULARY))).any(axis=1)[:, 1:].astype(np.float32)
    vectors: NDArray[np.float32] = has / np.linalg.norm(has, axis=1, keepdims=True)
    return vectors


def _with_captions(split: Split, tokens: NDArray[np.int64]) -> Split:
    from rrl_dsl.data.dataset import tensors

    further = tensors({"tokens": tokens, "caption": _counts(tokens)})
    return replace(split, fields={**split.fields, **further})
