"""The YAML parser without what only a writer of YAML needs: comments, and looking everything up again at every step.

A third faster than `YAML(typ="rt")` as it comes. For a text with a fault it may name another place, so whoever wants to
tell of the fault parses the text again as usual.
"""

from functools import cached_property
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.parser import RoundTripParser
from ruamel.yaml.scanner import Scanner


def quick_yaml() -> YAML:
    """A parser for one text."""
    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = False
    yaml.Scanner, yaml.Parser, yaml.Composer = _Scanner, _Parser, _Composer
    yaml.Constructor = Constructor
    return yaml


class Constructor(RoundTripConstructor):
    """Leaves a day that no calendar has (2026-02-30) as it is written, for those to tell of who asked for a day."""

    # (mapping, key, line, column, value) of each key that stands in its mapping already, when these are to be found.
    twice: list[tuple[Any, Any, int, int, Any]] | None = None

    def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:
        if self.twice is None or key not in mapping:
            return bool(super().check_mapping_key(node, key_node, mapping, key, value))
        self.twice.append((mapping, key, key_node.start_mark.line, key_node.start_mark.column, value))
        return False

    def timestamp_or_text(self, node: Any) -> Any:
        try:
            return self.construct_yaml_timestamp(node)
        except ValueError:
            return self.construct_yaml_str(node)


Constructor.add_constructor("tag:yaml.org,2002:timestamp", Constructor.timestamp_or_text)


# The parts look each other up through properties of their loader, 1.5 million times for 1,000 rules; here once.


class _Scanner(Scanner):
    @cached_property
    def reader(self) -> Any:
        return self.loader.reader

    @cached_property
    def scanner_processing_version(self) -> Any:
        return self.loader.resolver.processing_version

    def need_more_tokens(self) -> bool:
        if self.done:
            return False
        if not self.tokens:
            return True
        if not self.possible_simple_keys:
            return False
        self.stale_possible_simple_keys()
        return bool(self.next_possible_simple_key() == self.tokens_taken)

    def check_token(self, *choices: Any) -> bool:
        while self.need_more_tokens():
            self.fetch_more_tokens()
        return bool(self.tokens) and (not choices or isinstance(self.tokens[0], choices))


class _Parser(RoundTripParser):
    @cached_property
    def scanner(self) -> Any:
        return self.loader.scanner

    @cached_property
    def resolver(self) -> Any:
        return self.loader.resolver


class _Composer(Composer):
    @cached_property
    def parser(self) -> Any:
        return self.loader.parser

    @cached_property
    def resolver(self) -> Any:
        return self.loader.resolver
