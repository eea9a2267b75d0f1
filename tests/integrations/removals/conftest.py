"""An empty company at vendors that serve over loopback HTTP, as the tests of syncs have it."""

from tests.integrations.sync.conftest import sandbox, world

__all__ = ["sandbox", "world"]
