"""The command line: one module per verb, each parses options, calls the library and picks an exit code."""

from leanplum_sync.cli.program import main

__all__ = ["main"]
