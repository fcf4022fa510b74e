"""Losses that pull related rows together and keep the dimensions apart."""
