"""The kinds of conditions, a file each: the verdict that a kind gives."""
