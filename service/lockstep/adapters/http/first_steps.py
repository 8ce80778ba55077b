"""What to do next, where a worker watches nothing yet: three lines for its log and for its page at `/`."""

from html import escape
from pathlib import Path

LINKS = {
    "/v1/alerts": "what is pending or firing now",
    "/v1/rules": "the rules in force",
    "/v1/openapi.json": "everything that can be asked",
    "/readyz": "ready?",
    "/metrics": "numbers for Prometheus",
}


def first_steps(rules: Path, url: str) -> tuple[str, str, str]:
    """From nothing to an alert. rules: the folder that is watched. url: where the API is reached."""
    return (
        f"1. nothing is watched yet: `lockstep init` asks five questions and writes rules; what is put into {rules}/ "
        "is taken at once",
        "2. see what they would have told: `lockstep convert FILE --out events.ndjson`, then "
        f"`lockstep backtest {rules} --events events.ndjson`; `lockstep import events.ndjson` gives them that past",
        f"3. send events: POST them to {url}/v1/events, or `lockstep send FILE`; shops can post webhooks themselves "
        "(deploy/README.md)",
    )


def page(rules: Path, url: str) -> str:
    """What a browser shows at `/` while nothing is watched: the first steps, and what else can be asked."""
    lines = "".join(f"<li>{_marked(step[3:])}</li>" for step in first_steps(rules, url))
    head = f"<p>It runs. What to do next:</p><ol>{lines}</ol>"
    links = "".join(f'<li><a href="{path}">{path}</a> {what}</li>' for path, what in LINKS.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Lockstep</title>'
        '<meta name="viewport" content="width=device-width"><style>'
        "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;"
        "color-scheme:light dark}"
        "code{background:#8883;padding:.1em .3em;border-radius:.2em}li{margin:.4em 0}"
        f"</style></head><body><h1>Lockstep</h1>{head}<ul>{links}</ul></body></html>"
    )


def _marked(text: str) -> str:
    """What stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
