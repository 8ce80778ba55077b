"""How channels reach others that know nothing of us: posts to addresses that are secrets."""
