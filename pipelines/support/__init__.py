"""What a data set supports: what can be known from it, and how small a difference it finds."""
