"""Histories: what the judge remembers of a series, and the bytes that it stores of it.

flow      the buckets of a flow, in blocks
segments  old buckets of a flow, packed
level     the values of a level
source    who tells a history
stored    state as bytes, and back
"""

from lockstep.measure.history.flow import BUCKETS_PER_BLOCK, FlowHistory, Late, Place
from lockstep.measure.history.level import LevelHistory
from lockstep.measure.history.segments import unit_of
from lockstep.measure.history.source import Source
from lockstep.measure.history.stored import pack, unpack

__all__ = ["BUCKETS_PER_BLOCK", "FlowHistory", "Late", "LevelHistory", "Place", "Source", "pack", "unit_of", "unpack"]
