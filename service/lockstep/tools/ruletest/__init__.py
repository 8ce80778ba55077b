"""`lockstep test`: stories of events with what the rules should say of them, judged by the live judge.

model     how a file of tests is written
moment    times and lengths as people write them, in the shop's zone
story     lines such as `orders web: 10/min for 2h, then 40/min` → events
suite     finds the files, reads them, names their faults
run       a test through meter and judge, and what differs from what was expected
coverage  rules without a test, conditions that were never true
report    all of it for a terminal, and as JUnit
"""
