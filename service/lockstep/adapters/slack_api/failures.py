"""What Slack's errors mean: whose fault they are, whether another attempt may help, and what to do about it."""

from datetime import datetime
from typing import Any

from slack_sdk.errors import SlackApiError

from lockstep.adapters.channels import retry_after_s
from lockstep.errors import DeliveryError, DeliveryReason

_SETTINGS = {
    "invalid_auth": "check the bot's token",
    "account_inactive": "check the bot's token",
    "token_revoked": "check the bot's token",
    "token_expired": "check the bot's token",
    "not_authed": "check the bot's token",
    "missing_scope": "give the bot the scope chat:write",
    "no_permission": "give the bot the scope chat:write",
    "not_in_channel": "invite the bot to the channel",
    "channel_not_found": "make the channel, or invite the bot where it is private",
    "is_archived": "unarchive the channel, or name another in routing.yml",
    "restricted_action": "let the bot post in this channel",
    "team_access_not_granted": "let the bot into the workspace",
    "ekm_access_denied": "let the bot into the workspace",
}
"""What somebody can set right meanwhile → how."""
_AUTH = frozenset(list(_SETTINGS)[:7])
_FINAL = {
    "invalid_arguments",
    "invalid_blocks",
    "invalid_blocks_format",
    "metadata_too_large",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
}
"""Slack's words for a message that it will never take."""


def failure(where: str, error: SlackApiError, now: datetime) -> DeliveryError:
    """What Slack's own error means for a delivery. where: in words."""
    response: Any = error.response
    status = getattr(response, "status_code", 200)
    data = getattr(response, "data", response)
    after = retry_after_s(getattr(response, "headers", None) or {}, now)
    if status == 429:
        return DeliveryError("rateLimited", f"{where}: rate limited", retryable=True, retry_after_s=after)
    if not isinstance(data, dict) or data.get("ok") is not False:
        return _foreign(where, status, after)
    code = str(data.get("error") or f"HTTP {status}")[:100]
    if code in ("ratelimited", "rate_limited"):
        return DeliveryError("rateLimited", f"{where}: rate limited", retryable=True, retry_after_s=after)
    if code in _SETTINGS:
        kind: DeliveryReason = "authError" if code in _AUTH else "configuration"
        return DeliveryError(kind, f"{where}: {code}; {_SETTINGS[code]}", retryable=True)
    if code in _FINAL:
        return DeliveryError("clientError", f"{where}: {code}", retryable=False)
    return DeliveryError("serverError", f"{where}: {code}", retryable=True, retry_after_s=after)


def _foreign(where: str, status: int, after: float | None) -> DeliveryError:
    """An answer without Slack's `ok`: from whatever stands between, such as a proxy, and it will not stand for
    ever."""
    if status < 300:
        return DeliveryError("ambiguous", f"{where}: an answer that is not Slack's", retryable=True)
    reason: DeliveryReason = (
        "serverError" if status >= 500 else "authError" if status in (401, 403, 407) else "clientError"
    )
    hint = "it is not Slack that says so; look at the proxies between"
    return DeliveryError(reason, f"{where}: HTTP {status}; {hint}", retryable=True, retry_after_s=after)
