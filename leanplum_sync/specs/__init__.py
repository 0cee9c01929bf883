"""YAML files to resources: every problem found in one run, each with its file, line and column."""

from __future__ import annotations

from leanplum_sync.specs.check import json_schema
from leanplum_sync.specs.loading import (
    Loaded,
    find_project,
    load,
    load_project,
    project_files,
    sensitive_in,
    spec_inputs,
)

__all__ = [
    "Loaded",
    "find_project",
    "json_schema",
    "load",
    "load_project",
    "project_files",
    "sensitive_in",
    "spec_inputs",
]
