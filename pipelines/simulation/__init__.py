"""Worlds with planted truth: settings, draws, what is planted, and the data set to import."""
