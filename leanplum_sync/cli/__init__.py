"""The command line: one module per command, which parses options, calls the library and picks an exit code."""

from leanplum_sync.cli.program import main

__all__ = ["main"]
