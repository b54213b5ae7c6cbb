"""The words of the field: stable codes, both languages, clear errors."""

import doctest
import pickle
import re

import numpy as np
import pytest
from numba import njit

from crmsim import vocabulary
from crmsim.vocabulary import (
    VOCABULARY,
    ChurnCause,
    LoyaltyLayer,
    LoyaltyType,
    Measure,
    PaymentChannel,
    RelationshipStage,
    Term,
    TouchpointKind,
    TouchpointLevel,
    TouchpointPhase,
    ValueTier,
    glossary,
    three_layer_view,
)

# written out, because stored data rest on it: a changed code or key here breaks databases that exist
CODES = {
    LoyaltyLayer: {"none": 0, "cognitive": 1, "affective": 2, "conative": 3, "action": 4},
    LoyaltyType: {"none": 0, "spurious": 1, "latent": 2, "true": 3},
    ChurnCause: {"natural": 1, "competitive": 2, "fault": 3, "payment_lapse": 4, "retaliatory": 5},
    RelationshipStage: {
        "potential": 0,
        "new": 1,
        "repeat": 2,
        "long_term": 3,
        "premium": 4,
        "lifetime": 5,
        "advocate": 6,
    },
    ValueTier: {"small": 0, "ordinary": 1, "high_value": 2},
    TouchpointLevel: {"material": 0, "spiritual": 1, "social": 2},
    TouchpointPhase: {"pre_sale": 0, "in_sale": 1, "after_sale": 2},
    TouchpointKind: {"one_dimensional": 0, "must_be": 1, "attractive": 2},
    Measure: {
        "quality_and_price": 1,
        "staff_product_knowledge": 2,
        "know_customers": 3,
        "service_quality": 4,
        "satisfaction": 5,
        "exceed_expectations": 6,
        "personalisation": 7,
        "complaint_handling": 8,
        "simple_purchase": 9,
        "staff_skill": 10,
    },
    PaymentChannel: {"manual": 0, "card": 1, "debit": 2},
}
TERMS = [term for group in VOCABULARY for term in group]


def test_every_group_is_in_the_vocabulary():
    assert set(VOCABULARY) == set(Term.__subclasses__()) == set(CODES)


@pytest.mark.parametrize("group", CODES, ids=lambda group: group.__name__)
def test_codes_and_keys_are_the_agreed_ones(group):
    assert {term.key: int(term) for term in group} == CODES[group]
    assert group.keys() == tuple(CODES[group])


@pytest.mark.parametrize("term", TERMS, ids=repr)
def test_every_term_has_both_names_and_one_sentence(term):
    assert re.fullmatch(r"[a-z][a-z -]+", term.english)
    assert re.fullmatch(r"[\u4e00-\u9fff（）/]+", term.chinese)
    assert re.fullmatch(r"[A-Z][^.]+\.", term.meaning), "one sentence: a capital, one full stop, at the end"


@pytest.mark.parametrize("group", VOCABULARY, ids=lambda group: group.__name__)
def test_names_differ_within_a_group(group):
    for name in ("english", "chinese", "meaning"):
        assert len({getattr(term, name) for term in group}) == len(group)


@pytest.mark.parametrize("term", TERMS, ids=repr)
def test_a_term_is_found_again_by_key_code_and_pickle(term):
    group = type(term)
    assert group.from_key(term.key) is term
    assert group(np.int8(term)) is term
    assert pickle.loads(pickle.dumps(term)) is term


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("Payment lapse", "payment_lapse"),
        ("payment-lapse", "payment_lapse"),
        ("competetive", "competitive"),
        ("retaliatory churn", "retaliatory"),
        ("过失流失", "fault"),
        ("被动非恶意流失", "payment_lapse"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(wrong, meant):
    with pytest.raises(ValueError, match=f"{re.escape(repr(wrong))} is not a ChurnCause; .*'{meant}'"):
        ChurnCause.from_key(wrong)


@pytest.mark.parametrize("wrong", ["xyz", "", 3, None])
def test_a_key_like_no_other_is_refused_with_the_whole_list(wrong):
    with pytest.raises(ValueError) as error:
        ChurnCause.from_key(wrong)
    assert str(error.value) == (
        f"{wrong!r} is not a ChurnCause. Valid: natural, competitive, fault, payment_lapse, retaliatory"
    )


def test_labels():
    cause = ChurnCause.COMPETITIVE
    assert cause.label() == cause.label("en") == "competitive churn"
    assert cause.label("zh") == "竞争流失"
    assert cause.label("both") == "competitive churn (竞争流失)"
    with pytest.raises(ValueError, match="'fr' is not known"):
        cause.label("fr")


def test_three_layers_drop_only_the_conative_one():
    shown = {layer: three_layer_view(layer) for layer in LoyaltyLayer}
    assert shown.pop(LoyaltyLayer.CONATIVE) is LoyaltyLayer.AFFECTIVE
    assert all(layer is seen for layer, seen in shown.items())
    assert three_layer_view(np.int8(3)) is LoyaltyLayer.AFFECTIVE
    with pytest.raises(ValueError, match="5 is not a valid LoyaltyLayer"):
        three_layer_view(5)


def test_causes_are_cut_both_ways():
    assert [cause.key for cause in ChurnCause if cause.voluntary] == ["natural", "competitive", "fault"]
    assert [cause.key for cause in ChurnCause if not cause.controllable] == ["natural"]


def test_only_the_tenth_measure_differs_between_the_two_lists():
    variants = {measure: measure.variant for measure in Measure if measure.variant is not None}
    assert list(variants) == [Measure.STAFF_SKILL]
    assert variants[Measure.STAFF_SKILL].chinese == "服务内部客户"


def test_the_code_of_a_loyalty_type_is_attitude_and_buying_crossed():
    for kind in LoyaltyType:
        assert kind == 2 * kind.strong_attitude + kind.repeat_buying


def test_codes_work_in_columns_and_compiled_rules():
    column = np.full(3, ChurnCause.FAULT, dtype=np.int8)
    column[1] = ChurnCause.NATURAL

    @njit
    def faults(causes):
        count = 0
        for cause in causes:
            count += 1 if cause == ChurnCause.FAULT else 0
        return count

    assert faults(column) == 2


def test_the_glossary_holds_every_term_once():
    table = glossary()
    members = table[table["key"] != ""]
    assert list(zip(members["group"], members["key"], members["code"], members["english"], strict=True)) == [
        (type(term).__name__, term.key, int(term), term.english) for term in TERMS
    ]
    extra = table[table["key"] == ""]
    assert extra[["group", "code", "chinese"]].to_numpy().tolist() == [["Measure", 10, "服务内部客户"]]
    assert (table.drop(columns=["key", "code"]).map(len) > 0).all(axis=None)


def test_the_examples_in_the_docstrings_hold():
    failed, tried = doctest.testmod(vocabulary)
    assert tried > 0
    assert failed == 0
