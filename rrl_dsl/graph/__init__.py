"""The graph algebra: types, the registry of built-ins, names, streams, identity, lowering."""
