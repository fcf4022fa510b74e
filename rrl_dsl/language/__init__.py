"""The text of recipes: diagnostics, the lexer, the parser, the formatter, and files."""
