"""Data sets, the views drawn of their images, and the batches that carry them."""
