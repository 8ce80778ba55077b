"""Rule files as their authors write them: the source of the editor's schema. Descriptions are the hover texts.

values      what may be written where one value stands
measure     a measure
bound       what a condition compares with: a number, another measure, a row of a table
condition   a condition, one model a kind
rule        a rule, what all rules of a file share, and the file
schema      the JSON Schema of it all
"""

from lockstep.rule.language.form.bound import BoundsModel, ClearModel, LevelModel, LevelsModel, SourceModel, sources_in
from lockstep.rule.language.form.condition import (
    CONDITIONS,
    AbsenceModel,
    AnomalyModel,
    BaselineForm,
    BaselineModel,
    ChangeModel,
    NewValueModel,
    PartModel,
    ProjectionModel,
    RatioModel,
    ShareModel,
    SpikeModel,
    ThresholdModel,
)
from lockstep.rule.language.form.json_schema import json_schema, pack_json_schema, without_null
from lockstep.rule.language.form.measure import AGGREGATES, MeasureModel
from lockstep.rule.language.form.rule import DefaultsModel, PackFile, RuleFile, RuleModel, SettingModel

__all__ = [
    "AGGREGATES",
    "CONDITIONS",
    "AbsenceModel",
    "AnomalyModel",
    "BaselineForm",
    "BaselineModel",
    "BoundsModel",
    "ChangeModel",
    "ClearModel",
    "DefaultsModel",
    "LevelModel",
    "LevelsModel",
    "MeasureModel",
    "NewValueModel",
    "PackFile",
    "PartModel",
    "ProjectionModel",
    "RatioModel",
    "RuleFile",
    "RuleModel",
    "SettingModel",
    "ShareModel",
    "SourceModel",
    "SpikeModel",
    "ThresholdModel",
    "json_schema",
    "pack_json_schema",
    "sources_in",
    "without_null",
]
