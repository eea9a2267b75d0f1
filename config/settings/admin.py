"""How the admin looks and what its side bar holds.

https://unfoldadmin.com/docs/configuration/settings/
"""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static


def _static(path: str) -> Any:
    """Ask for the address late: the manifest of static files may not exist yet."""

    def address(_request: HttpRequest) -> str:
        return static(path)

    return address


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Rolecall",
    "SITE_HEADER": "Rolecall",
    "SITE_SUBHEADER": "Who has which role where",
    "SITE_SYMBOL": "how_to_reg",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": _static("rolecall/img/favicon.svg")},
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "STYLES": [_static("rolecall/css/rolecall.css")],
    "SCRIPTS": [_static("rolecall/js/rolecall.js")],
    "DASHBOARD_CALLBACK": "config.dashboard.dashboard",
    # The palette finds pages, people and integrations; what was typed is kept nowhere.
    "COMMAND": {"search_models": False, "show_history": False},
    "SIDEBAR": {
        "show_search": False,
        "command_search": True,
        "show_all_applications": False,
        "navigation": "config.navigation.sidebar",
    },
    "COLORS": {
        "primary": {
            "50": "#f0fdfa",
            "100": "#ccfbf1",
            "200": "#99f6e4",
            "300": "#5eead4",
            "400": "#2dd4bf",
            "500": "#14b8a6",
            "600": "#0f766e",
            "700": "#115e59",
            "800": "#134e4a",
            "900": "#0f3f3c",
            "950": "#042f2e",
        },
    },
}
