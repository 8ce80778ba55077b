"""What an alert is about, in words: a label alone is a code that nobody can say aloud."""

import re
from collections.abc import Mapping

from lockstep.text.one_line import flat

_NOUNS = {
    "sku": "product",
    "location": "warehouse",
    "theme": "complaint",
    "purchase_order": "purchase order",
}
"""Label → what people call it; others are called by their name."""

_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def labels_in_words(labels: Mapping[str, str]) -> str:
    """`product 85099B, channel web`; "" for the whole shop."""
    return ", ".join(f"{noun_of(name)} {flat(value)}" for name, value in labels.items())


def alert_in_words(rule: str, labels: Mapping[str, str]) -> str:
    """Which alert: `Low stock, product A-1`; `Order volume spike` of the whole shop."""
    return ", ".join(filter(None, (rule_in_words(rule), labels_in_words(labels))))


def noun_of(label: str) -> str:
    """What people call a label: `product` for `sku`."""
    return _NOUNS.get(label, flat(label).replace("_", " "))


def rule_in_words(rule: str) -> str:
    """`Low stock` for `LowStock`; a name that is written otherwise stays as it is."""
    first, *others = _WORD_BEGINS.split(flat(rule))
    return " ".join([first, *(word if word.isupper() and len(word) > 1 else word.lower() for word in others)])
