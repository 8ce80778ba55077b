"""NOTIFY: who hears what, in which words. Decided here, sent by deliver."""
