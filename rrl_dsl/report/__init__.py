"""What a recipe is and does on a data set, in words, figures and pictures; needs no torch."""
