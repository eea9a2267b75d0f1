"""OAuth 2.0: tokens that refresh themselves, one refresher at a time, and the consent behind them.

`grant` says what holds for one set of credentials, `endpoint` speaks with the token endpoint,
`lease` decides who may, `tokens` gives a token to whoever signs a request, `consent` is the walk
over the vendor's page, `keeping` refreshes what nobody has used for a week.
"""

from integrations.oauth.tokens import DatabaseTokens

__all__ = ["DatabaseTokens"]
