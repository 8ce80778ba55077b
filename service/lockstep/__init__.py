"""Lockstep: event → measure → rule → alert → notify → deliver, in the order in which the data flows.

text/        values as people read and write them
yaml/        a YAML file that knows its places
identity     the text that names a value for ever, made of listed parts
event/       what the shop says: one CloudEvent, decoded and checked
measure/     numbers over event time: aggregates, buckets, the meter, histories and baselines
rule/        what is worth telling: rules as they are written (language/), conditions and their verdicts (condition/)
alert        the lifecycle of one alert, as one table
judge/       the fold of samples into transitions: watermarks, groups, visits
explanation  why an alert is as it is: the same verdict code, with every number that it read
notify/      who hears what, in which words
deliver      attempts, retries, dead letters: decided, not sent
ports        what all of them ask of the world; adapters/ answers, worker/ runs it, app builds, cli/ calls
"""

VERSION = "0.1.0"
