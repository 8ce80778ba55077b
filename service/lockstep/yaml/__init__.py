"""YAML as people write it: a document that knows its places, why a text is no YAML, what of it may be a secret."""
