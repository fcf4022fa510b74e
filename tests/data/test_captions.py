"""The digits with captions: what the captions say, and how many of them are wrong."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rrl_dsl.data import captions, digits
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.registry import load
from rrl_dsl.language.diagnostics import RRLError

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ROUND, STRAIGHT = {0, 6, 8, 9}, {1, 4, 7}


@pytest.fixture(scope="module")
def right() -> DataSet:
    return load("digits-captions", root=Path("nowhere"))


@pytest.fixture(scope="module")
def noisy() -> DataSet:
    return load("digits-captions-noisy", root=Path("nowhere"))


def named(tokens: torch.Tensor) -> torch.Tensor:
    """The digit that each caption names."""
    said = [captions.text_of(row).split()[-1] for row in tokens.numpy()]
    return torch.tensor([WORDS.index(word) for word in said])


def test_a_caption_says_the_class_and_the_shape(right: DataSet) -> None:
    for split in (right.train, right.test):
        tokens, label = split.fields["tokens"], split.labels["label"]
        assert tokens.dtype == torch.int64
        assert torch.equal(named(tokens), label)
        for row, digit in zip(tokens.numpy(), label.tolist(), strict=True):
            words = captions.text_of(row).split()
            shape = "round" if digit in ROUND else "straight" if digit in STRAIGHT else "curved"
            assert words[0] == "a"
            assert words[-3:] == [shape, "digit", WORDS[digit]]
    texts = {captions.text_of(row) for row in right.train.fields["tokens"].numpy()}
    assert len(texts) == 30
    assert {"a round digit eight", "a bold round digit eight"} < texts


def test_bold_captions_are_of_images_with_more_ink(right: DataSet) -> None:
    train = right.train
    ink, tokens = train.fields["pixels"].mean(dim=1), train.fields["tokens"]
    bold, thin = (tokens == captions.VOCABULARY.index(word) for word in ("bold", "thin"))
    assert ink[bold.any(dim=1)].min() >= ink[thin.any(dim=1)].max()
    assert bold.any(dim=1).float().mean() == pytest.approx(1 / 3, abs=0.01)


def test_the_vector_of_a_caption_is_its_words(right: DataSet) -> None:
    vectors, tokens = right.test.fields["caption"], right.test.fields["tokens"]
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))
    for vector, row in zip(vectors[:20], tokens[:20], strict=True):
        words = {captions.VOCABULARY[1:][place] for place in vector.nonzero().flatten()}
        assert words == set(captions.text_of(row.numpy()).split())


def test_images_and_labels_are_those_of_the_digits(right: DataSet, noisy: DataSet) -> None:
    plain = digits.load(Path("nowhere"))
    for data in (right, noisy):
        assert torch.equal(data.train.images[torch.arange(9)], plain.train.images[torch.arange(9)])
        assert torch.equal(data.train.labels["label"], plain.train.labels["label"])
        assert torch.equal(data.test.sample, plain.test.sample)


def test_half_of_the_noisy_captions_are_exchanged(right: DataSet, noisy: DataSet) -> None:
    wrong = named(noisy.train.fields["tokens"]) != noisy.train.labels["label"]
    assert 0.5 * 0.8 < wrong.float().mean() < 0.5  # a tenth of the exchanged is right by chance
    assert torch.equal(noisy.test.fields["tokens"], right.test.fields["tokens"])
    counts = [
        data.train.fields["tokens"].unique(dim=0, return_counts=True)[1] for data in (right, noisy)
    ]
    assert torch.equal(*counts)
    again = captions.load_noisy(Path("nowhere"))
    assert torch.equal(again.train.fields["tokens"], noisy.train.fields["tokens"])


def test_a_prompt_of_each_class(right: DataSet) -> None:
    prompts = right.prompts["tokens"]
    assert torch.equal(named(prompts), torch.arange(10))
    assert captions.text_of(prompts[8].numpy()) == "a round digit eight"
    assert torch.equal(
        (right.prompts["caption"] @ right.prompts["caption"].T).argmax(1), torch.arange(10)
    )


def test_tokens_of_one_s_own_text() -> None:
    np.testing.assert_array_equal(captions.tokens_of("a digit"), [1, 2, 0, 0, 0, 0])
    assert (
        captions.text_of(captions.tokens_of("a bold round digit, eight"))
        == "a bold round digit eight"
    )
    with pytest.raises(RRLError, match=r"\[RRL412\].*no `rund`(?s:.*)did you mean `round`"):
        captions.tokens_of("a rund digit")
    with pytest.raises(RRLError, match="at most 6 words, not 7"):
        captions.tokens_of("a a a a a a a")


def test_prompts_must_fit_the_field(right: DataSet) -> None:
    from dataclasses import replace

    with pytest.raises(
        RRLError, match=r"\[RRL412\].*prompts `tokens` of shape \(9, 6\), not \(10, 6\)"
    ):
        replace(right, prompts={"tokens": right.prompts["tokens"][:9]})
