"""Kinds of resources: one file a kind, its model and what one row of it asks for."""

from __future__ import annotations

from typing import TypeAlias

from leanplum_sync.resources.message_send import MessageSend
from leanplum_sync.resources.push_tokens import PushTokens
from leanplum_sync.resources.resource import ResourceBase
from leanplum_sync.resources.row import Row, RowError
from leanplum_sync.resources.source import DataSource, FileSource, InlineSource, NeededColumn
from leanplum_sync.resources.user_attributes import UserAttributes

Resource: TypeAlias = UserAttributes | PushTokens | MessageSend

__all__ = [
    "DataSource",
    "FileSource",
    "InlineSource",
    "MessageSend",
    "NeededColumn",
    "PushTokens",
    "Resource",
    "ResourceBase",
    "Row",
    "RowError",
    "UserAttributes",
]
