"""Documents as Markdown for comments on pull requests: within a limit of bytes, and with inert values."""

from leanplum_sync.render.markdown.drift import drift_markdown
from leanplum_sync.render.markdown.plan import plan_markdown
from leanplum_sync.render.markdown.problems import problems_markdown
from leanplum_sync.render.markdown.receipt import receipt_markdown
from leanplum_sync.render.markdown.status import status_markdown

__all__ = ["drift_markdown", "plan_markdown", "problems_markdown", "receipt_markdown", "status_markdown"]
