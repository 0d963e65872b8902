"""The one exception that users see."""


class InputError(ValueError):
    """What the user gave cannot be used; the message is one clear sentence that says what to do."""


class Cancelled(Exception):
    """The user asked for the work to stop; nothing half-done is left behind."""
