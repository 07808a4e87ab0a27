"""Floor 1: one comparison in, one judgment out."""
