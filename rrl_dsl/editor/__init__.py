"""What an editor shows of a recipe: colors for every highlighter, made from the registry."""
