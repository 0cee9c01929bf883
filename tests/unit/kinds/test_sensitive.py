"""What a rename touches is as sensitive as what it takes."""

from __future__ import annotations

from typing import Any

from leanplum_sync.kinds.kind import with_renamed


def test_a_rename_makes_both_names_sensitive_over_any_number_of_renames(folder: Any) -> None:
    folder.spec(
        "UserAttributes",
        """
        users: {inline: ["1"]}
        attributes:
          contact: {from: email}
          tier: {from: band}
          age: {from: age, type: integer}
        """,
    )
    folder.spec(
        "UserAttributes", "users: {inline: ['2']}\nattributes: {address: {from: contact}}\n", name="other"
    )
    resources = folder.load().resources
    assert len(resources) == 2
    assert with_renamed(frozenset({"email"}), resources) == {"email", "contact", "address"}
    assert with_renamed(frozenset({"address"}), resources) == {"email", "contact", "address"}
    assert with_renamed(frozenset(), resources) == frozenset()
