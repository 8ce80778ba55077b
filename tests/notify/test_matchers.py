"""Matchers: written as Alertmanager and amtool do, told what is wrong with the way out, and never slow."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.errors import MatcherError
from lockstep.notify.quiet.matchers import (
    LONGEST_MATCHER,
    MOST_MATCHERS,
    Matcher,
    all_match,
    matcher,
    parse_matcher,
    parse_matchers,
)

FACTS = {
    "rule": "LowStock",
    "severity": "critical",
    "team": "operations",
    "sku": "KEY-7",
    "channel": "",
    "gift wrap": "x",
}


@pytest.mark.parametrize(
    ("text", "label", "operator", "value"),
    [
        pytest.param("sku=A-1", "sku", "=", "A-1", id="bare"),
        pytest.param('sku="A-1"', "sku", "=", "A-1", id="quoted"),
        pytest.param(' sku != "A-1" ', "sku", "!=", "A-1", id="spaces around"),
        pytest.param("sku=~KEY-.*", "sku", "=~", "KEY-.*", id="a bare pattern"),
        pytest.param("sku!~A|B", "sku", "!~", "A|B", id="a bare pattern that is not to fit"),
        pytest.param("sku=~A{1,3}", "sku", "=~", "A{1,3}", id="braces and a comma in a bare pattern"),
        pytest.param("campaign=summer sale", "campaign", "=", "summer sale", id="a bare value of two words"),
        pytest.param("campaign=a=b", "campaign", "=", "a=b", id="a bare value with an operator"),
        pytest.param('campaign="a=~b, {c}"', "campaign", "=", "a=~b, {c}", id="reserved characters in quotes"),
        pytest.param(r'campaign="a \"b\" \\ c\nd"', "campaign", "=", 'a "b" \\ c\nd', id="escapes"),
        pytest.param(r'sku=~"A\.1"', "sku", "=~", r"A\.1", id="a pattern's backslash, written once"),
        pytest.param(r'sku=~"A\\.1"', "sku", "=~", r"A\.1", id="a pattern's backslash, written twice as Go wants it"),
        pytest.param('"gift wrap"=x', "gift wrap", "=", "x", id="a quoted name"),
        pytest.param("größe=XL", "größe", "=", "XL", id="a name in UTF-8"),
        pytest.param('🙂="שלום"', "🙂", "=", "שלום", id="UTF-8 on both sides"),
        pytest.param('channel=""', "channel", "=", "", id="an empty value"),
    ],
)
def test_what_is_written_is_read(text, label, operator, value):
    """The forms of Alertmanager's two parsers."""
    assert parse_matcher(text) == Matcher(label, operator, value)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("sku=KEY-7", True),
        ("sku=KEY", False),
        ("sku!=KEY", True),
        ("sku!=KEY-7", False),
        ("sku=~KEY-.", True),
        pytest.param("sku=~KEY", False, id="a pattern fits the whole value"),
        pytest.param("sku=~EY-7|x", False, id="also each of its alternatives"),
        ("sku!~KEY-.", False),
        ("sku!~KEY", True),
        pytest.param("country=GB", False, id="a missing label is nothing"),
        pytest.param('country=""', False, id="a missing label is not an empty one"),
        pytest.param("country=~.*", False, id="a missing label fits no pattern"),
        pytest.param("country!=GB", True, id="a missing label is not GB"),
        pytest.param("country!~.*", True, id="how a missing label is asked for"),
        pytest.param('channel=""', True, id="an empty label is empty"),
        pytest.param("channel=~.*", True, id="an empty label fits what nothing fits"),
        pytest.param("channel!~.*", False, id="an empty label is not missing"),
        ("gift wrap=x", None),
        ('"gift wrap"=x', True),
    ],
)
def test_matches(text, matches):
    """`=` and `=~` want the label to be there; `!=` and `!~` are the opposite of what they negate."""
    if matches is None:
        with pytest.raises(MatcherError):
            parse_matcher(text)
    else:
        assert parse_matcher(text).matches(FACTS) is matches


@pytest.mark.parametrize(
    ("text", "seen"),
    [("sku=A", "sku is KEY-7"), ("channel=A", "channel is empty"), ("country!=A", "there is no country")],
)
def test_seen(text, seen):
    """A missing label and an empty one are told apart where people ask why."""
    assert parse_matcher(text).seen(FACTS) == seen


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("LowStock", "write rule=LowStock if that is a rule", id="a word, as amtool takes it"),
        pytest.param("", "it does not begin with a label; write one like sku=A-1", id="nothing"),
        pytest.param("=A", "does not begin with a label", id="no label"),
        pytest.param('""=A', "names no label", id="an empty label"),
        pytest.param("sku=", 'has no value; write sku="" for an empty one', id="no value"),
        pytest.param("sku==A-1", "has the operator ==; write sku=A-1", id="two equals signs"),
        pytest.param("sku>5", "there is no =, !=, =~ or !~", id="no operator"),
        pytest.param("gift wrap=yes", "there is no =, !=, =~ or !~", id="a name of two words"),
        pytest.param("sku='A 1'", 'single quotes around its value; write sku="A 1"', id="single quotes"),
        pytest.param('sku="A', 'not its first and last; write sku="A"', id="one quote"),
        pytest.param("sku=~*", 'a star follows what it repeats; write sku=~".*"', id="a star as shells have it"),
        pytest.param("sku=~[", "missing ]: [; write one of RE2", id="an open bracket"),
        pytest.param("sku=~(?!A).*", "write a second matcher with !~", id="looking ahead"),
        pytest.param(r'sku=~"(.)\1"', "invalid escape sequence", id="a reference back"),
        pytest.param("sku=~(a{1000}){1000}", "is no pattern", id="a pattern that grows"),
        pytest.param("sku=a\x1bb", "control character", id="a control character"),
        pytest.param("sku=\ud800", "control character", id="half a character"),
        pytest.param("sku=" + "a" * LONGEST_MATCHER, "longer than 500 characters", id="too long"),
    ],
)
def test_what_is_wrong_is_told(text, says):
    """Each fault with the way out, on one line."""
    with pytest.raises(MatcherError) as refused:
        parse_matcher(text)
    assert says in str(refused.value)
    assert refused.value.remedy
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("texts", "written"),
    [
        pytest.param(["sku=A", "rule=B"], ["sku=A", "rule=B"], id="one each"),
        pytest.param(['{sku=A,rule="B,C",}'], ["sku=A", 'rule="B,C"'], id="as Alertmanager prints them"),
        pytest.param([r'{a="\",",b=c}'], [r'a="\","', "b=c"], id="a quote within quotes"),
        pytest.param(["sku=A", "{ sku = A }"], ["sku=A"], id="each once"),
    ],
)
def test_several(texts, written):
    """A list in one text or in many."""
    assert [str(one) for one in parse_matchers(texts)] == written


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ([], "there is no matcher"),
        (["{}"], "there is no matcher"),
        (["{sku=A"], "has no } at its end"),
        ([f"sku=A-{n}" for n in range(MOST_MATCHERS + 1)], "more than 20 matchers"),
    ],
)
def test_no_such_list(texts, says):
    """A list that matches everything by being empty, and one without bounds."""
    with pytest.raises(MatcherError, match=says):
        parse_matchers(texts)


def test_all_match():
    """Each has to."""
    assert all_match(parse_matchers(["sku=KEY-7", "severity=critical"]), FACTS)
    assert not all_match(parse_matchers(["sku=KEY-7", "severity=warning"]), FACTS)


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("sku=A", None),
        ("sku!=A", None),
        ('sku!=""', None),
        ("alertname=LowStock", "what Alertmanager calls alertname is called rule here; write rule=LowStock"),
        ('sku=""', 'for alerts without it write sku!~".*", for events that carried none sku=none'),
    ],
)
def test_remark(text, remark):
    """What means something else than in Alertmanager is said."""
    said = parse_matcher(text).remark()
    assert said == remark if remark is None else remark in said


def _read(text):
    """The matcher, or what is wrong."""
    try:
        return parse_matcher(text)
    except MatcherError as refused:
        return "control character" if "control character" in refused.message else refused.message


@given(st.text(min_size=1, max_size=20), st.sampled_from(["=", "!="]), st.text(max_size=50))
def test_what_is_printed_is_read_again(label, operator, value):
    """Any label and any value that may be written at all."""
    one = matcher(label, operator, value)
    assert _read(str(one)) in (one, "control character")


@given(st.text(max_size=200))
def test_any_text_is_a_matcher_or_refused(text):
    """Whatever somebody types, or a program sends, nothing else is raised."""
    one = _read(text)
    assert isinstance(one, str) or parse_matcher(str(one)) == one


@given(st.dictionaries(st.sampled_from("abc"), st.text(max_size=3)), st.sampled_from("abc"), st.text(max_size=3))
def test_not_is_the_opposite(facts, label, value):
    """Also of a label that is missing."""
    assert matcher(label, "=", value).matches(facts) is not matcher(label, "!=", value).matches(facts)
    assert matcher(label, "=~", ".?").matches(facts) is not matcher(label, "!~", ".?").matches(facts)


def test_half_a_character_in_a_label_breaks_no_pattern():
    """An event may hold one; a pattern cannot."""
    assert parse_matcher("sku=~A.").matches({"sku": "A\ud800"})
    assert not parse_matcher("sku=~A").matches({"sku": "A\ud800"})


def test_a_pattern_that_is_slow_elsewhere_is_not():
    """Nested quantifiers take Python's `re` years on this; here the cost is the value's length."""
    one = parse_matcher(r"sku=~(a|a)*(a*)*((a+)+)+b")
    began = time.process_time()
    for _ in range(100):
        assert not one.matches({"sku": "a" * 2_000})
    assert time.process_time() - began < 5
