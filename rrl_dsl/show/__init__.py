"""Pictures of the graph over a batch, and of the metrics of a run; inputs are NumPy arrays."""
