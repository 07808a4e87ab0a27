"""One module for each section of a report: Panel in, Estimates out."""
