"""Arithmetic: arrays in, frozen results out. Imports nothing of the project."""
