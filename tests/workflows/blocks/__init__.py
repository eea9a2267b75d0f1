"""Tests of block kinds: each is run with real rows, without the engine."""
