"""Time zones by the names that Windows has for them, as Azure does, or by IANA's. Ring: values."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

from tzlocal.windows_tz import win_tz

UTC: Final = "UTC"
WINDOWS: Final = {name.lower(): iana for name, iana in win_tz.items()}


def zone_of(name: str) -> ZoneInfo:
    """Return the time zone of a name.

    Raises:
        ValueError: there is none.
    """
    try:
        return ZoneInfo(WINDOWS.get(name.lower(), name))
    except (KeyError, ValueError, OSError) as exc:  # unknown, no relative path, a folder of zones
        rule = "must be a time zone such as Europe/Berlin or W. Europe Standard Time"
        raise ValueError(rule) from exc
