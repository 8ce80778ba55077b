"""Rules on past events: where these come from, metering them, the replay, and the curves it leaves."""
