"""JUDGED: what a rule asks, compiled, and the verdict on it; no pydantic, no YAML. `kind/` has one file a kind."""
