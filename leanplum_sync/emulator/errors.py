"""What the emulator raises: errors for the people who start it, and for the actions it serves."""

from __future__ import annotations


class EmulatorError(Exception):
    """The emulator can't start or go on; the text is one clear sentence for the person who started it."""


class StateFileError(EmulatorError):
    """The state file can't be read or written."""


class RefusedError(Exception):
    """
    An action is answered with ``success: false``.

    *status* is the HTTP status when the action is called alone. *is_lent* says that a multi with the action has it too:
    recorded in 2015 for an action without a user, while other failing actions left the multi at 200 (recorded in 2017).
    """

    def __init__(self, message: str, status: int = 200, *, is_lent: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.is_lent = is_lent


class SkippedError(Exception):
    """An action is not carried out, and answered with ``success: true`` and a warning."""

    def __init__(self, message: str, *, ignored: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.ignored = ignored


def user_not_found() -> SkippedError:
    return SkippedError("User not found; request skipped.")


def missing(name: str) -> RefusedError:
    return RefusedError(f"'{name}' must be provided", 400)


def invalid(name: str) -> RefusedError:
    return RefusedError(f"'{name}' is invalid.", 400)
