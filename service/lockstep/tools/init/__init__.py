"""`lockstep init`: the files with which a shop begins: rules with tests, calendar, routing, settings, a mapping."""
