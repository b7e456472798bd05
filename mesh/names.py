"""What endpoints, deployments and queued requests may be called. Ring: values."""

from __future__ import annotations

import re
from typing import Final

NAME: Final = re.compile(r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")
NAME_RULE: Final = (
    "3-32 characters: letters, digits and dashes, starting with a letter, not ending with a dash"
)

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
REQUEST_ID_RULE: Final = "1-64 characters: letters, digits, dashes and underscores"


def is_name(text: str) -> bool:
    """Tell whether `text` may name an endpoint or a deployment."""
    return 3 <= len(text) <= 32 and NAME.match(text) is not None


def is_request_id(text: str) -> bool:
    """Tell whether `text` may name a queued request."""
    return REQUEST_ID.fullmatch(text) is not None
