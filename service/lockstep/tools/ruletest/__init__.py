"""`lockstep test`: stories of events with what the rules should say of them, judged by the live judge.

file_form      how a file of tests is written
written_times  times and lengths as people write them, in the shop's zone
story          lines such as `orders web: 10/min for 2h, then 40/min` → events
suite          finds the files, reads them, names their faults
runner         runs a test through meter and judge, and says what differs from what was expected
coverage       rules without a test, conditions that were never true
results        all of it for a terminal, and as JUnit
rerun          when a file has changed, so that the tests run anew
"""
