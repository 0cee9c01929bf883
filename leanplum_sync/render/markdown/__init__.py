"""Documents as Markdown for comments on pull requests: within a limit of bytes, and with inert values."""
