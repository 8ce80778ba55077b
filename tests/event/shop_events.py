"""Events as tests need them: one valid example of every type, to be spoilt."""

import json
from typing import Any

from lockstep.tools.published_schemas import example_event

TIME = "2026-11-24T09:30:00Z"


def event(kind: str = "order.placed", **envelope: Any) -> dict[str, Any]:
    """A valid event of a type; `envelope` replaces what it names, `data` included."""
    return {**example_event(kind), **envelope}


def raw(kind: str = "order.placed", **envelope: Any) -> bytes:
    return json.dumps(event(kind, **envelope)).encode()
