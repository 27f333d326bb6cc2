"""Subject and verb: which number has the verb, over nouns of the other one, and which unit of an LSTM carries it."""

from tinygrad_lstm.tasks.agreement.grammar import Clause, asked_clauses, clause
from tinygrad_lstm.tasks.agreement.number_unit import (
    Clamped,
    NumberUnit,
    clamp_unit,
    find_number_unit,
    threshold_share,
    values_along,
)
from tinygrad_lstm.tasks.agreement.picture import UnitPicture, picture_of_unit
from tinygrad_lstm.tasks.agreement.report import agreement_page, agreement_table, unit_lines
from tinygrad_lstm.tasks.agreement.sentence_model import Agreement, SentenceModel, errors_by_attractors, train_sentences
from tinygrad_lstm.tasks.agreement.sentences import AgreementCorpus, from_grammar, read_dependencies

__all__ = [
    "Agreement",
    "AgreementCorpus",
    "Clamped",
    "Clause",
    "NumberUnit",
    "SentenceModel",
    "UnitPicture",
    "agreement_page",
    "agreement_table",
    "asked_clauses",
    "clamp_unit",
    "clause",
    "errors_by_attractors",
    "find_number_unit",
    "from_grammar",
    "picture_of_unit",
    "read_dependencies",
    "threshold_share",
    "train_sentences",
    "unit_lines",
    "values_along",
]
