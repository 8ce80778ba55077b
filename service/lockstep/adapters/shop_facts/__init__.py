"""Reads the facts of the shop off their topic."""
