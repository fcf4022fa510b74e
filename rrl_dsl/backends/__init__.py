"""Evaluation: the rows of a batch, the reference and the dense backend, relations."""
