"""`lockstep convert rules`: rules of Prometheus and ElastAlert as rules of ours, where there is an equivalent.

Nothing is guessed: what has no equivalent is said with its place and the reason. What a metric or an index stands for
is known by its name alone where that says no more than a measure of a shop (`shop_orders_total`); otherwise its owner
says it. Where the two programs judge differently, a comment at the rule says how.
"""
