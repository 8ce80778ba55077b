"""Compiles what is written: names become series, words become numbers, and what is wrong is said with its place.

rule        a rule, and what is asked of it as a whole
condition   which kind a condition is, and all kinds but the spike
spike       a spike
levels      a number for each severity, what clears it, and overrides
bound       the numbers that a value is compared with
window      lengths of windows, and the base slice that divides them
context     what a file's names stand for, and where its faults are noted
"""

from lockstep.rule.language.compile.rule import Compiler

__all__ = ["Compiler"]
