"""The source of a document's rows if they are the users whom the app exports."""

from __future__ import annotations

from leanplum_sync.kinds.rows.document import AudienceModel, Listing
from leanplum_sync.kinds.rows.site import Path as KeyPath
from leanplum_sync.kinds.rows.source import AudienceSource
from leanplum_sync.specs.file import OpenDocument

_OTHERS = (
    "file",
    "format",
    "delimiter",
    "connection",
    "query",
    "path",
    "version",
    "snapshot",
    "parameters",
    "inline",
    "id",
    "empty",
)


def audience_source(
    audience: AudienceModel, listing: Listing, path: KeyPath, document: OpenDocument
) -> AudienceSource | None:
    """Return *audience*, which the listing at *path* names; None if it can't be used, which is reported."""
    unusable = [key for key in _OTHERS if getattr(listing, key) not in (None, [])]
    for key in unusable:
        document.report(
            (*path, key), f"`{key}` can't be used with `audience`", f"Remove either `{key}` or `audience`."
        )
    if unusable:
        return None
    return AudienceSource(
        audience.user_attribute, audience.values, document.key_place((*path, "audience")), document.address
    )
