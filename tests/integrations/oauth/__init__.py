"""Tokens that refresh themselves, and the walk over a consent page."""
