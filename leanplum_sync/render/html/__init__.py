"""Documents as self-contained HTML files, which make no network requests."""

from leanplum_sync.render.html.plan import plan_html
from leanplum_sync.render.html.problems import problems_html
from leanplum_sync.render.html.receipt import receipt_html
from leanplum_sync.render.html.status import status_html

__all__ = ["plan_html", "problems_html", "receipt_html", "status_html"]
