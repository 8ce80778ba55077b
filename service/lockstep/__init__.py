"""Lockstep: event → measure → rule → alert → notify → deliver, in the order in which the data flows.

labels        the names and values of a group
identity      the text that names a value for ever, made of listed parts
errors        the exceptions, by who can act on them
text/         values as people read and write them
notification  what a channel is given to say
response/     what people do about alerts, and who was told what and why, as it stands on the log
ports         what the core asks of the world
yaml/         a YAML file that knows its places
settings      the environment as one frozen value
calendar/     what the shop knows of its days
event/        what the shop says: one CloudEvent, decoded and checked
measure/      numbers over event time: aggregates, buckets, the meter, histories, what is usual of them
shop/         what the shop's numbers mean: facts, business measures, plans
rule/         what is worth telling: rules as they are written (language/), conditions and their verdicts (condition/)
transition    one change of an alert, in its public form
alert         the lifecycle of one alert, as one table
judge/        the fold of samples into transitions: watermarks, groups, visits
explanation   why an alert is as it is: the same verdict code, with every number that it read
notify/       who hears what, in which words
reports/      what both teams read of a day, a week, a month: figures, tables, what matters
deliver       attempts, retries, dead letters: decided, not sent
adapters/     answers what the core asks of the world: brokers, channels, charts, HTTP, files, metrics
worker/       the parts of one worker that have a task of their own
app           builds the parts, starts and stops them
tools/        offline users of the same core: backtest, tests of rules, reports, the demo
cli/          the commands
"""

VERSION = "0.1.0"
