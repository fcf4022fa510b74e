"""The graph algebra: types, built-ins, name resolution, streams, identity, rewriting, plans."""
