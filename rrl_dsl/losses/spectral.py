"""Losses whose optimum is known from linear algebra."""
