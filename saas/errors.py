"""What can go wrong with SaaS applications and users.

SaasError
└── UnknownApplication   ask again with another name
"""


class SaasError(Exception):
    """Root of the app's errors; the message tells the admin what to do."""


class UnknownApplication(SaasError):
    """There is no application of this name."""
