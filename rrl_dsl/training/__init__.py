"""The trainer: configuration, the Lightning module, sampling, evaluation, run directory."""
