"""Why no kind of spec covers an action of the API: the reasons on the page about kinds, for each action that no kind uses."""

from __future__ import annotations

_SESSION = "A device does this while a person uses the app. The emulator supports it, for tests of apps."
_INBOX = "The app's SDK does this when a person opens the inbox."
_CONTENT = "This shows what people made in the dashboard, and changes nothing. Use `call`."
_FILES = (
    "No action lists files, deletes one, or shows its hash, so that comparing a file means downloading all of it. Files are managed"
    " [by hand](how-to-work-by-hand.md)."
)
_UNBLOCKING = "It brings nothing back. Use `call` if a user was [blocked](erasure.md) by mistake."

# No kind uses these actions.
BY_HAND = {
    **dict.fromkeys(
        ("start", "stop", "pauseSession", "resumeSession", "heartbeat", "restart", "log", "trackGeofence"),
        _SESSION,
    ),
    **dict.fromkeys(("advance", "pauseState", "resumeState"), _SESSION),
    "setTrafficSourceInfo": "Ad networks and SDKs send it within two minutes of the start of a session.",
    "registerDevice": "This marks a person's own device as a test device.",
    "unblock": _UNBLOCKING,
    "startCampaign": "Leanplum doesn't document how to find out whether a campaign was started for a user.",
    **dict.fromkeys(("getMessage", "getAbTest", "getVariant"), _CONTENT),
    **dict.fromkeys(("downloadFile", "uploadFile"), _FILES),
    "multi": "This is how actions travel: kinds send theirs in batches, except for things of the app.",
    "getMultiResults": "This shows the results of Leanplum's own CSV import, which is done [by hand](how-to-work-by-hand.md).",
    **dict.fromkeys(("getNewsfeedMessages", "markNewsfeedMessageAsRead", "deleteNewsfeedMessage"), _INBOX),
    "getMigrateState": "No kind needs it. `plan` and `apply` ask for it, because a migration changes what writing does.",
}
