"""The sync: fetch, stage, plan, apply; five rooms a record walks through (house.md, section 3)."""

from integrations.sync.execute import execute

__all__ = ["execute"]
