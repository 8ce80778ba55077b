"""JUDGE: the fold of one samples partition into transitions."""
