"""The admin tools of `people.admin_tools`, under the name by which `config` uses them.

Apps import them from `people.admin_tools`: nothing imports `config`.
"""

from people.admin_tools import CappedPaginator, SafeQueryMixin, per_request_cache

__all__ = ["CappedPaginator", "SafeQueryMixin", "per_request_cache"]
