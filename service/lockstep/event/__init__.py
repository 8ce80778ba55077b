"""Events: what the shop says, as CloudEvents 1.0. The pydantic models are the contract; schemas/ is made from them.

The hot path decodes with msgspec into structs of the same shape that are derived from the models, so that there is one
definition; a property test holds both to the same answers. What a model does not name stays in the event and can be
used by rules as a label or a number.

contract      which types there are and what stands in each
fields        what is known of the fields in an event's data
structs       the structs of the hot path, made from the contract
binary_mode   Kafka's binary mode as one structured event
validation    an event by the contract, with the whole reason why it is refused
decoder       whole batches into structs
"""

from lockstep.event.binary_mode import structured
from lockstep.event.contract import LARGEST_EVENT, MODELS, TYPES, YEARS, role_of
from lockstep.event.decoder import Decoder
from lockstep.event.fields import field_kind, is_known_field, is_non_negative, known_paths, line_fields
from lockstep.event.structs import Refused, type_of
from lockstep.event.validation import data_fault, foreign_type, not_json, parse_event

__all__ = [
    "LARGEST_EVENT",
    "MODELS",
    "TYPES",
    "YEARS",
    "Decoder",
    "Refused",
    "data_fault",
    "field_kind",
    "foreign_type",
    "is_known_field",
    "is_non_negative",
    "known_paths",
    "line_fields",
    "not_json",
    "parse_event",
    "role_of",
    "structured",
    "type_of",
]
