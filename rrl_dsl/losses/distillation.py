"""Losses that compare a student with its teacher over prototypes, and DINOv2."""
