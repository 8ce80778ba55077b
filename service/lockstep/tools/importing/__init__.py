"""`lockstep import`: what happened before a service was there becomes its history.

gathered     the events of files, sorted by time and role outside of memory, each once
sql_rows     the rows of a query, one a line
publication  what of them goes onto `lockstep.imports`, and why the rest does not
"""
