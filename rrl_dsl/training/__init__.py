"""The trainer: configuration, models, the Lightning module, evaluation, run directory."""
