"""Text and its tree: sources, diagnostics, lexing, parsing."""
