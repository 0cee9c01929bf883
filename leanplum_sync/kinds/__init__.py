"""Kinds of resources: one file a kind, its model and what one row of it asks for."""

from __future__ import annotations

from typing import TypeAlias

from leanplum_sync.kinds.message_send import MessageSend
from leanplum_sync.kinds.push_tokens import PushTokens
from leanplum_sync.kinds.rows.resource import ResourceBase
from leanplum_sync.kinds.rows.row import Row, RowError
from leanplum_sync.kinds.rows.source import DataSource, FileSource, InlineSource, NeededColumn
from leanplum_sync.kinds.user_attributes import UserAttributes

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
