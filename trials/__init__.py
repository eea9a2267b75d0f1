"""Trials: programs that break the product on purpose and count what was lost or done twice.

Each is `python -m trials.<name>` with `--short` and `--json`; it exits 1 when a promise is broken.
"""
