"""A small transformer over arrays of tokens, built from torch's modules."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

TEXT: Final = "text-micro"
"""Its name as a backbone; it has about 0.1 M weights and the embeddings of the tokens."""

_WIDTH, _LAYERS, _HEADS = 64, 2, 4
_POSITION_SPREAD: Final = 0.3
"""Of embeddings of positions at first, beside 1 of those of tokens."""


class TextTransformer(nn.Module):
    """A small text encoder as in CLIP: the feature of a text is one token after the last norm.

    Vaswani et al. (2017) with the norms before the layers. As in vision transformers, this token is
    learned and precedes the text, and every token attends to all tokens. In CLIP it is the last
    token, and tokens attend to earlier ones.

    Attributes:
        width: The number of features.
    """

    width: int = _WIDTH

    def __init__(self, vocabulary: int, length: int) -> None:
        """Creates a transformer with random weights.

        Args:
            vocabulary: The number of different tokens, with 0 for padding.
            length: The number of tokens of a text, with padding.
        """
        super().__init__()
        self.embed = nn.Embedding(vocabulary, _WIDTH)
        self.class_token = nn.Parameter(torch.randn(1, 1, _WIDTH))
        self.positions = nn.Parameter(torch.randn(1, length, _WIDTH) * _POSITION_SPREAD)
        layer = nn.TransformerEncoderLayer(
            _WIDTH,
            _HEADS,
            4 * _WIDTH,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(
            layer, _LAYERS, norm=nn.LayerNorm(_WIDTH), enable_nested_tensor=False
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Returns the features (n, width) of texts, int64 (n, length), padded with 0."""
        first = self.class_token.expand(tokens.shape[0], -1, -1)
        x = torch.cat([first, self.embed(tokens) + self.positions], dim=1)
        padding = torch.cat([tokens.new_zeros(tokens.shape[0], 1).bool(), tokens == 0], dim=1)
        features: Tensor = self.layers(x, src_key_padding_mask=padding)[:, 0]
        return features
