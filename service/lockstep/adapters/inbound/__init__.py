"""Webhooks of shops and tools in: a signed body of theirs becomes events of ours, or a reason why it does not.

No I/O: whoever serves hands in headers and body, and publishes what comes out.

foreign_values   values of a foreign body, read as what they are meant to be: a number written as a text
translation      what a body becomes: events, or the reason why none
shopify, woocommerce, segment   one file a sender: which of its topics become which events, and what names them
senders          which senders there are, and how each signs
"""
