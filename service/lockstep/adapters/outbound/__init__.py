"""How others are reached that know nothing of us: posts to addresses that are secrets, calendars that are fetched."""
