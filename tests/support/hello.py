"""The message Hello, as a line of an emulator's seed and as a spec that sends it."""

from __future__ import annotations

from typing import Final

HELLO: Final = {
    "message": {
        "id": 7,
        "name": "Hello",
        "active": True,
        "messageType": "Push Notification",
        "delivery": "manual",
    }
}


def send_hello(recipients: str, document: str = "hello", delivery: str = "hello-2026") -> str:
    """Return a spec; *recipients* is YAML, such as ``{inline: ["00001"]}``."""
    return f"""\
apiVersion: leanplum-sync/v1
kind: MessageSend
metadata: {{name: {document}}}
spec:
  message: {{name: Hello}}
  recipients: {recipients}
  delivery: {delivery}
"""
