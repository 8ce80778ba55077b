"""A busy shop: seeded events and rules, for what is measured in `tests/bench` and must not change in `tests/judge`."""
