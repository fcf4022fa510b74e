"""The gallery of recipes, shipped inside the package."""
