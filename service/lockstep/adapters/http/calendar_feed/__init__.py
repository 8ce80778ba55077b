"""The shop's calendar for the calendar programs of both teams."""
