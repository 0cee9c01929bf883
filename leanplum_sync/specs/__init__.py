"""YAML files to resources: every problem found in one run, each with its file, line and column."""

from __future__ import annotations

from leanplum_sync.specs.loading import (
    Loaded,
    find_project,
    load,
    load_project,
    project_files,
    sensitive_in,
    spec_inputs,
)
from leanplum_sync.specs.schema import json_schema

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
