"""Who hears of an alert, and under which options: the route tree of routing.yml."""
