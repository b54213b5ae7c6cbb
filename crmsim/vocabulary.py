"""The words of the field, each once, in English and 中文.

Every group of words is an enumeration. A member is a whole number, so it can stand in a NumPy column and be
compared inside a compiled rule. It also carries its English and Chinese name, a sentence that says what it
means, and the key by which tables and scenario files name it:

>>> ChurnCause.PAYMENT_LAPSE == 4
True
>>> ChurnCause.PAYMENT_LAPSE.key
'payment_lapse'
>>> ChurnCause.PAYMENT_LAPSE.label("both")
'payment lapse (非恶意性被动流失)'
>>> ChurnCause.from_key("payment_lapse")
<ChurnCause.PAYMENT_LAPSE: 4>

The codes are part of stored data: a code, once given, keeps its meaning.

Five Chinese course texts are the source of most terms; they are cited by title:

* 企业信息化 (课件 6): customer value, four layers of loyalty, ten measures, causes of churn;
* 客户关系管理 (第八章): customer files and value tiers, three layers of loyalty, another ten measures;
* 测评与提高客户的满意度 (课题九): levels of satisfaction, the water utility;
* 客户服务在企业价值链中的首要地位: the stages of a relationship, service before, during and after the sale;
* 实施客户关系战略 创造企业竞争优势: strategy (no group of words here comes from it alone).

Where the texts disagree, both versions are kept: see `three_layer_view` and `Measure.variant`.
"""

from __future__ import annotations

from difflib import get_close_matches
from enum import IntEnum
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

if TYPE_CHECKING:
    import pandas as pd

Language = Literal["en", "zh", "both"]


class Term(IntEnum):
    """One word of the field: a whole number with an English and a Chinese name and a meaning.

    Attributes:
        english: the English name, in lower case.
        chinese: the Chinese name.
        meaning: one plain English sentence.
    """

    english: str
    chinese: str
    meaning: str

    # the defaults are for type checkers only: they take ChurnCause(4), a look-up, for a call of this
    def __new__(cls, code: int, english: str = "", chinese: str = "", meaning: str = "") -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.english = english
        member.chinese = chinese
        member.meaning = meaning
        return member

    @property
    def key(self) -> str:
        """The name used in tables and files: the member's own name in lower case, such as `payment_lapse`."""
        return self.name.lower()

    def label(self, language: Language = "en") -> str:
        """The name to show a reader: English ("en"), Chinese ("zh"), or "both", as `english (中文)`.

        Raises:
            ValueError: for any other language.
        """
        if language == "en":
            return self.english
        if language == "zh":
            return self.chinese
        if language == "both":
            return f"{self.english} ({self.chinese})"
        raise ValueError(f'language {language!r} is not known; use "en", "zh" or "both"')

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """The keys of all members, in the order of their codes."""
        return tuple(member.key for member in sorted(cls))

    @classmethod
    def from_key(cls, key: str) -> Self:
        """The member that tables and files call `key`, spelled exactly so.

        Raises:
            ValueError: if there is none; the message names the nearest valid key and lists them all.
        """
        for member in cls:
            if member.key == key:
                return member
        near = cls._nearest(key)
        hint = f"; did you mean {near!r}?" if near else "."
        raise ValueError(f"{key!r} is not a {cls.__name__}{hint} Valid: {', '.join(cls.keys())}")

    @classmethod
    def _nearest(cls, word: object) -> str:
        """The key whose spelling, English or Chinese name is nearest to `word`; empty if none is near."""
        if not isinstance(word, str):
            return ""
        keys = {name: member.key for member in cls for name in (member.chinese, member.english, member.key)}
        found = get_close_matches(word.strip().lower().replace("_", " "), keys, n=1, cutoff=0.5)
        return keys[found[0]] if found else ""


class LoyaltyLayer(Term):
    """The deepest layer of loyalty a customer has reached.

    Source: 企业信息化 (课件 6), four layers (四个层次); the same four in Oliver (1999), "Whence consumer
    loyalty?", Journal of Marketing 63. 客户关系管理 (第八章) knows three: see `three_layer_view`.
    """

    NONE = 0, "no loyalty", "无忠诚", "The customer has reached no layer of loyalty."
    COGNITIVE = (
        1,
        "cognitive loyalty",
        "认知忠诚",
        "The customer judges the firm's product to be better than the others; the shallowest layer.",
    )
    AFFECTIVE = (
        2,
        "affective loyalty",
        "情感忠诚",
        "The customer likes the product, because using it has satisfied time after time.",
    )
    CONATIVE = (
        3,
        "conative loyalty",
        "意向忠诚",
        "The customer means to buy again, but the intention has not yet become a purchase.",
    )
    ACTION = (
        4,
        "action loyalty",
        "行为忠诚",
        "The customer turns the intention into purchases, even against obstacles.",
    )


def three_layer_view(layer: int) -> LoyaltyLayer:
    """The same customer seen with three layers: cognitive, affective, action.

    客户关系管理 (第八章) has no conative layer. A customer with the intention but not the deed has not
    reached the action layer, and is therefore shown as affective; the other layers stay what they are.

    Raises:
        ValueError: if `layer` is not the code of a `LoyaltyLayer`.
    """
    layer = LoyaltyLayer(layer)
    return LoyaltyLayer.AFFECTIVE if layer is LoyaltyLayer.CONATIVE else layer


class ChurnCause(Term):
    """Why a customer left. There is no member for a customer who stays; columns of codes write 0 for those.

    Source: 企业信息化 (课件 6), 客户流失的原因, which sorts the causes by who ends the relationship
    (`voluntary`). The literature cuts them another way, by what the firm can influence (`controllable`).
    """

    NATURAL = (
        1,
        "natural churn",
        "自然流失",
        "The customer leaves for a reason outside the firm, such as moving away or death.",
    )
    COMPETITIVE = (
        2,
        "competitive churn",
        "竞争流失",
        "The customer goes to a rival whose quality, features, price or service is better.",
    )
    FAULT = (
        3,
        "fault churn",
        "过失流失",
        "The customer leaves because a mistake of the firm caused dissatisfaction.",
    )
    PAYMENT_LAPSE = (
        4,
        "payment lapse",
        "非恶意性被动流失",
        "The firm ends the contract after a payment failed without ill will.",
    )
    RETALIATORY = (
        5,
        "retaliatory churn",
        "报复性被动流失",
        "The customer is dissatisfied and withholds payment in return, until the firm ends the contract.",
    )

    @property
    def voluntary(self) -> bool:
        """Whether the customer ends the relationship (主动流失) rather than the firm (被动流失).

        This is the source's own division, and it files death and moving away under 主动.
        """
        return self in (ChurnCause.NATURAL, ChurnCause.COMPETITIVE, ChurnCause.FAULT)

    @property
    def controllable(self) -> bool:
        """Whether the firm can influence the cause; false for natural churn only.

        Braun & Schweidel (2011), "Modeling customer lifetimes with multiple causes of churn", Marketing
        Science 30(5): service problems and price against value can be influenced, relocation and death
        cannot. That the two involuntary causes count as controllable is our reading. The source supports it
        for payment lapse, which reminders and convenient ways to pay help to avoid; redress can prevent
        retaliation.
        """
        return self is not ChurnCause.NATURAL


class RelationshipStage(Term):
    """How far a relationship has come.

    Source: 客户服务在企业价值链中的首要地位, which names the stages and sets no thresholds. The thresholds
    belong to the scenario.
    """

    POTENTIAL = (
        0,
        "potential customer",
        "潜在客户",
        "The person could buy from the firm and has not yet done so.",
    )
    NEW = 1, "new customer", "新客户", "The customer has bought from the firm for the first time."
    REPEAT = 2, "repeat customer", "回头客", "The customer has come back and bought again."
    LONG_TERM = 3, "long-term customer", "长期客户", "The customer has kept buying over a long time."
    PREMIUM = 4, "premium customer", "优质客户", "The customer is among those who bring the firm the most."
    LIFETIME = (
        5,
        "lifetime customer",
        "终身客户",
        "The customer has stayed so long as to be expected to stay for good.",
    )
    ADVOCATE = (
        6,
        "advocate",
        "忠实的支持者和拥护者",
        "The customer stands by the firm and brings others to it.",
    )


class TouchpointLevel(Term):
    """What kind of satisfaction a touchpoint serves.

    Source: 测评与提高客户的满意度 (课题九), 客户满意层次.
    """

    MATERIAL = (
        0,
        "material",
        "物质满意层次",
        "Satisfaction with the core of the product: what it does, its quality, design and range.",
    )
    SPIRITUAL = (
        1,
        "spiritual",
        "精神满意层次",
        "Satisfaction with the form around the core: looks, taste and the service that comes with it.",
    )
    SOCIAL = (
        2,
        "social",
        "社会满意层次",
        "Satisfaction with how product and service treat the interests of society as a whole.",
    )


class TouchpointPhase(Term):
    """When a touchpoint comes up: before, during or after the sale.

    Source: 客户服务在企业价值链中的首要地位.
    """

    PRE_SALE = 0, "pre-sale service", "售前服务", "Service before the sale, such as design and marketing."
    IN_SALE = (
        1,
        "in-sale service",
        "售中服务",
        "Service during the sale, from following up to answering objections and signing.",
    )
    AFTER_SALE = (
        2,
        "after-sale service",
        "售后服务",
        "Service after the sale, such as delivery, training, repair, advice and care.",
    )


class TouchpointKind(Term):
    """How the quality of a touchpoint turns into satisfaction.

    Source: Kano, Seraku, Takahashi & Tsuji (1984), "Attractive quality and must-be quality", Journal of the
    Japanese Society for Quality Control 14(2); the Chinese names are those in common use.
    """

    ONE_DIMENSIONAL = (
        0,
        "one-dimensional",
        "期望型（一维）",
        "More quality satisfies and less dissatisfies, to the same degree.",
    )
    MUST_BE = 1, "must-be", "必备型", "Good quality is taken for granted, and poor quality dissatisfies."
    ATTRACTIVE = (
        2,
        "attractive",
        "魅力型",
        "Good quality delights, and its absence is not held against the firm.",
    )


class Wording(NamedTuple):
    """English, Chinese and meaning of a term that is not a member of its own."""

    english: str
    chinese: str
    meaning: str


class Measure(Term):
    """The ten measures that raise loyalty, numbered as in the source.

    Source: 企业信息化 (课件 6), 提高客户忠诚的措施. 客户关系管理 (第八章) also lists ten, of which nine
    coincide; its tenth differs, see `variant`.
    """

    QUALITY_AND_PRICE = (
        1,
        "control quality and price",
        "控制产品质量和价格",
        "Keep the product good and its price in line, since service builds on both.",
    )
    STAFF_PRODUCT_KNOWLEDGE = (
        2,
        "let staff know the product",
        "让员工充分了解企业产品",
        "Teach the staff, above all those who serve customers, everything about the product.",
    )
    KNOW_CUSTOMERS = 3, "know the customers", "充分了解客户", "Learn as much as possible about the customers."
    SERVICE_QUALITY = 4, "raise service quality", "提高服务质量", "Make buying a pleasant experience."
    SATISFACTION = (
        5,
        "raise satisfaction",
        "提高客户满意度",
        "Ask actively how satisfied the customers are, and act on it.",
    )
    EXCEED_EXPECTATIONS = (
        6,
        "exceed expectations",
        "超越客户期待",
        "Give more than was expected, up to a welcome surprise.",
    )
    PERSONALISATION = (
        7,
        "meet individual wishes",
        "满足客户个性化要求",
        "Replace the same marketing for all by an offer that suits each customer.",
    )
    COMPLAINT_HANDLING = (
        8,
        "handle complaints well",
        "正确处理客户投诉",
        "Encourage customers to complain, then solve what they complain about.",
    )
    SIMPLE_PURCHASE = (
        9,
        "simplify the purchase",
        "简化购买程序",
        "Make a standard, short way of buying that saves the customer time and cost.",
    )
    STAFF_SKILL = (
        10,
        "raise staff skill",
        "提高企业员工的业务水平",
        "Train the staff in ethics, technique and the market, so that they put the customer first.",
    )

    @property
    def variant(self) -> Wording | None:
        """What 客户关系管理 (第八章) lists here if it is another measure; None for the nine it shares."""
        if self is Measure.STAFF_SKILL:
            return Wording(
                "serve internal customers",
                "服务内部客户",
                "Treat colleagues who depend on one's work as customers, so that they can serve well.",
            )
        return None


class LoyaltyType(Term):
    """Attitude and repeat buying crossed, two by two.

    Source: Dick & Basu (1994), "Customer loyalty: toward an integrated conceptual framework", Journal of the
    Academy of Marketing Science 22(2). The code is 2 × (strong attitude) + (repeat buying).
    """

    NONE = 0, "no loyalty", "无忠诚", "The customer neither thinks well of the firm nor keeps buying from it."
    SPURIOUS = (
        1,
        "spurious loyalty",
        "虚假忠诚",
        "The customer keeps buying without thinking well of the firm, from habit or for want of a choice.",
    )
    LATENT = (
        2,
        "latent loyalty",
        "潜在忠诚",
        "The customer thinks well of the firm and yet does not keep buying from it.",
    )
    TRUE = 3, "true loyalty", "真正忠诚", "The customer thinks well of the firm and keeps buying from it."

    @property
    def strong_attitude(self) -> bool:
        """Whether the customer thinks better of the firm than of its rivals."""
        return self in (LoyaltyType.LATENT, LoyaltyType.TRUE)

    @property
    def repeat_buying(self) -> bool:
        """Whether the customer keeps buying."""
        return self in (LoyaltyType.SPURIOUS, LoyaltyType.TRUE)


class PaymentChannel(Term):
    """How a customer pays a bill.

    Source: 企业信息化 (课件 6) asks for several convenient ways to pay, and 测评与提高客户的满意度 (课题九)
    counts them among the water utility's problems; the three ways are ours.
    """

    MANUAL = (
        0,
        "manual payment",
        "人工缴费",
        "The customer pays each bill by hand, at a counter, in cash or by transfer.",
    )
    CARD = (
        1,
        "card",
        "银行卡/信用卡",
        "The bill is charged to a bank or credit card, which can expire or be refused.",
    )
    DEBIT = (
        2,
        "direct debit",
        "代扣",
        "The bank pays the bill from the customer's account under a standing order.",
    )


class ValueTier(Term):
    """How much a customer is worth to the firm, from small to high.

    Source: 客户关系管理 (第八章), 数据库的作用, which names the tiers and sets no limits.
    """

    SMALL = 0, "small customer", "小客户", "The customer brings the firm little."
    ORDINARY = 1, "ordinary customer", "一般客户", "The customer brings the firm an ordinary amount."
    HIGH_VALUE = 2, "high-value customer", "高价值客户", "The customer brings the firm much more than most."


class _Group(NamedTuple):
    english: str
    chinese: str
    source: str


# every group of words, in the order of the glossary
VOCABULARY: dict[type[Term], _Group] = {
    LoyaltyLayer: _Group("layer of loyalty", "忠诚层次", "企业信息化 (课件 6); Oliver 1999"),
    LoyaltyType: _Group("type of loyalty", "忠诚类型", "Dick & Basu 1994"),
    ChurnCause: _Group("cause of churn", "流失原因", "企业信息化 (课件 6)"),
    RelationshipStage: _Group(
        "stage of the relationship", "客户关系阶段", "客户服务在企业价值链中的首要地位"
    ),
    ValueTier: _Group("value tier", "客户价值分类", "客户关系管理 (第八章)"),
    TouchpointLevel: _Group("level of satisfaction", "客户满意层次", "测评与提高客户的满意度 (课题九)"),
    TouchpointPhase: _Group("phase of service", "服务阶段", "客户服务在企业价值链中的首要地位"),
    TouchpointKind: _Group("kind of quality", "质量类型", "Kano et al. 1984"),
    Measure: _Group("measure for loyalty", "提高客户忠诚的措施", "企业信息化 (课件 6)"),
    PaymentChannel: _Group("payment channel", "付款途径", "crmsim"),
}


def glossary() -> pd.DataFrame:
    """Every term of this module as one table, a row a term.

    Columns: `group` (the enumeration's name), `group_english`, `group_chinese`, `key`, `code`, `english`,
    `chinese`, `meaning`, `source`. A measure's variant stands in a row of its own, with the code of the
    measure it replaces and an empty key, since it is not a member.
    """
    import pandas as pd

    rows = []
    for kind, group in VOCABULARY.items():
        for term in sorted(kind):
            head = (kind.__name__, group.english, group.chinese)
            rows.append((*head, term.key, int(term), term.english, term.chinese, term.meaning, group.source))
            if isinstance(term, Measure) and term.variant is not None:
                rows.append((*head, "", int(term), *term.variant, "客户关系管理 (第八章)"))
    columns = ["group", "group_english", "group_chinese"]
    columns += ["key", "code", "english", "chinese", "meaning", "source"]
    return pd.DataFrame(rows, columns=columns)
