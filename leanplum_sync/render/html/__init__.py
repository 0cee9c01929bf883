"""Documents as self-contained HTML files, which make no network requests."""
