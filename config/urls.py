"""Every address that the application answers."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import path
from django.utils.functional import lazy
from django.views.generic import RedirectView

_ICON = lazy(static, str)("rolecall/img/favicon.svg")

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    # Pages name their icon; what asks without having read one asks here.
    path("favicon.ico", RedirectView.as_view(url=_ICON)),
    path("admin/", admin.site.urls),
]

handler500 = "config.errors.server_error"
