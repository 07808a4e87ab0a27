"""One module for each view; each answers one question and ends in a next step."""
