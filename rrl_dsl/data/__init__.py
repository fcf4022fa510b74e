"""Datasets, random views of their images, and batches."""
