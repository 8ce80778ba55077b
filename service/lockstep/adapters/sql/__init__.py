"""A database as a source: asked again and again for its new rows, which become events by a mapping.

database      rows of a query; what is wrong in one line, and never the password
cursor_value  how far a source was read, as the database has it
source_file   sources.yml: what is asked, how often; its JSON Schema and its faults
source_state  what is remembered of a source: where it was read to, and what it gave shortly before that
source_pages  the rows of one round as pages of events, each with what is to be remembered of it
source_status whether a source answers, for every worker and the command line
"""
