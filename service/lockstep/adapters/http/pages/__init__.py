"""Pages for people: an alert with all that is known of it and what can be done, and what fires at all.

They are made on the server, need no script and nothing of other hosts, and a GET never acts.
"""
