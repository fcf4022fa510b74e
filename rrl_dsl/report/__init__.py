"""Reports on recipes and their graphs on a dataset, in words, figures and pictures."""
