"""The language server and the syntax highlighters."""
