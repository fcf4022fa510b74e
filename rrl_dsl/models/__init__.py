"""Networks and their parts: backbones, heads, the encoder, its teacher, the bank."""
