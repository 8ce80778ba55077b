"""JUDGE: the fold of one samples partition into transitions.

judge        the stage: frames in, event time advances, rules are judged up to it
handover     from one version of a rule to the next, in event time or over a restart
early        verdicts in the bucket that is still open
visit        judging one group at one instant
next         when a group can change
screen/      which groups could be other than clear, asked once for all rules on the same series
publish      what the next cut has
rule_set     the rules, and which version follows which
group_view   the histories of one group, as its verdicts read them
group        a rule being judged, its groups, what several of them share
histories    what is remembered of the series
watermark    how far event time has come
state        what is stored: meta, alerts, pages and journal of the histories
rule_facts   what follows from a rule alone: what it reads, when its verdict can change
"""
