"""Pictures of a graph over the rows of a batch, and of a training run; plain NumPy in."""
