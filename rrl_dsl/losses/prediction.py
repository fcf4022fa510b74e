"""Losses that predict related rows' embeddings, or find them in a bank."""
