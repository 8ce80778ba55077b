"""What each code means: a paragraph, an example that gets it and one that does not; codes/ holds a file for each."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from lockstep.errors import RuleError
from lockstep.rule.language.lint.lint import CODES

_EXAMPLE = re.compile(r"```yaml (bad|good)\n(.*?)```\n?", re.DOTALL)


@dataclass(frozen=True)
class Explanation:
    """text: the paragraphs, one a line. bad, good: files, "" where a file cannot show it."""

    code: str
    title: str
    text: str
    bad: str
    good: str

    def markdown(self) -> str:
        """All of it, for a page."""
        parts = [f"**{self.code}: {self.title}**", self.text]
        if self.bad:
            parts += ["So it is wrong:", f"```yaml\n{self.bad}```", "So it is right:", f"```yaml\n{self.good}```"]
        return "\n\n".join(parts) + "\n"

    def plain(self) -> str:
        """All of it, without marks."""
        parts = [f"{self.code}: {self.title}", self.text]
        if self.bad:
            parts += [f"So it is wrong:\n\n{self.bad}", f"So it is right:\n\n{self.good}"]
        return "\n\n".join(parts)


@cache
def explanation(code: str) -> Explanation:
    """What a code means. Raises RuleError for one that does not exist."""
    if code not in CODES:
        raise RuleError(f"there is no code '{code}'; they run from {min(CODES)} to {max(CODES)}")
    written = (files("lockstep.tools.check") / "codes" / f"{code}.md").read_text("utf-8")
    examples = dict(_EXAMPLE.findall(written))
    prose = _EXAMPLE.sub("", written).strip()
    text = "\n\n".join(" ".join(p.split()) for p in prose.split("\n\n"))
    return Explanation(code, CODES[code], text, examples.get("bad", ""), examples.get("good", ""))
