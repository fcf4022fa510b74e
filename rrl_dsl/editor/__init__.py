"""What an editor shows of a recipe: colours for every highlighter, made from the registry."""
