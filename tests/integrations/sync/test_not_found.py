"""A load finds accounts again that a role look-up did not find (GT-36)."""

from __future__ import annotations

from django.utils import timezone

from saas.models import SaaSUser

from .worlds import World, account, sync


def test_who_is_listed_counts_as_found_again_and_others_do_not(world: World):
    """Even where nothing else of the account changed."""
    world.open_account("Ann")
    bob = world.open_account("Bob")
    integration = world.integration("aha", missing_users="leave")
    sync(integration)
    SaaSUser.objects.update(not_found_at=timezone.now())
    world.aha.remove(bob)

    sync(integration)

    assert account("ann@acme.example").not_found_at is None
    assert account("bob@acme.example").not_found_at is not None
