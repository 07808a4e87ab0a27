"""Probes: each file changes one thing about a response, and needs no other file."""
