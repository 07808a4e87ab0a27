"""Who runs the calls of a labelling run."""
