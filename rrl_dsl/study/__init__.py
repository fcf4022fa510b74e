"""Many runs at once: sweeps over settings, lists of runs, plots, and the studies of the paper."""
