"""QUIET: what people do not hear for now: silences, mute and active times, inhibitions."""
