"""SCREEN: which groups could be other than clear, asked once for all rules on the same series.

screening     which table screens a rule, and which hear of a series
flow_table    of rules that fire where a window of one flow has much
band_table    of rules that are clear while a number of some flows lies within a band
level_table   of rules that compare the newest value of a level
table_memory  who has data in which bucket, and who is looked at whatever comes
"""
