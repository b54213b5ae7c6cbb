"""What the numbers of a scenario and the settings of a policy are called, in English and Chinese.

Scenario and policies declare a meaning in English; that is the English help. Here stand the labels
that fit beside a slider, and the Chinese help. A test fails when something declared has no name here.
"""

from __future__ import annotations

from typing import NamedTuple


class Name(NamedTuple):
    """Labels in both languages, and the Chinese help."""

    english: str
    chinese: str
    help: str


PARAMETERS: dict[str, Name] = {
    # -- population ------------------------------------------------------------------------------
    "population.size": Name("Customers", "客户数", "开始时的客户人数"),
    "population.months": Name("Months", "月数", "模拟的时间长度"),
    "population.initial_share": Name(
        "Customers at the start", "初始客户占比", "人群中一开始就是客户的比例；0表示从空白市场开始"
    ),
    "population.fit_sd": Name("Spread of fit", "契合度差异", "不同客户对质量感知的持久差异"),
    "population.fairness_mean": Name("Price fairness", "价格公平感", "客户对价格公平的平均评价"),
    "population.fairness_sd": Name("Spread of price fairness", "价格公平感差异", "价格公平感在客户间的差异"),
    "population.complaint_sd": Name("Spread of complaining", "投诉倾向差异", "投诉倾向在客户间的差异"),
    "population.response_mean": Name(
        "Response to a call", "对挽留的平均反应", "接到挽留电话后，流失率乘以exp(−反应)"
    ),
    "population.response_sd": Name("Spread of that response", "挽留反应差异", "挽留反应在客户间的差异"),
    "population.response_risk_correlation": Name(
        "Response and risk", "反应与风险的相关", "挽留反应与个人流失倾向的相关系数"
    ),
    "population.scale_use_sd": Name(
        "Spread of scale use", "评分习惯差异", "填写问卷时打分偏高或偏低的习惯差异"
    ),
    # -- market ----------------------------------------------------------------------------------
    "market.openness": Name("Market openness", "市场开放度", "市场开放的程度；0为垄断"),
    "market.awareness": Name("Aware of the choice", "知道可以选择的比例", "开放时知道自己可以选择的客户比例"),
    "market.awareness_growth": Name("Growth of awareness", "知晓度的增长", "开放后知晓比例每年的变化"),
    "market.attention": Name(
        "Who look at offers", "关注报价的比例", "知道可以选择的人中会去看报价的比例；出现问题时人人都会看"
    ),
    "market.size": Name("Size of the market", "市场规模", "可能成为客户的人数"),
    "market.alternative_mean": Name("Value of the best rival", "竞争对手的价值", "最佳替代选择的平均价值"),
    "market.alternative_sd": Name(
        "Spread of rivals' value", "竞争对手价值差异", "最佳替代价值在客户间的差异"
    ),
    "market.alternative_shift": Name(
        "Shift of all rivals", "竞争对手整体变动", "所有替代选择价值的整体变动；对手的行动计入其中"
    ),
    "market.switching_cost_mean": Name("Switching cost", "转移成本", "客户感知的平均转移成本"),
    "market.switching_cost_sd": Name("Spread of switching costs", "转移成本差异", "转移成本在客户间的差异"),
    "market.switching_cost_shift": Name(
        "Switching cost added", "企业增加的转移成本", "企业通过合同、积分、数据增加的转移成本"
    ),
    # -- satisfaction ----------------------------------------------------------------------------
    "satisfaction.perception_rate": Name(
        "Speed of perception", "感知调整速度", "对接触点的感知跟随实际质量的速度"
    ),
    "satisfaction.encounter_sd": Name("Noise of experience", "体验波动", "单月体验的随机波动"),
    "satisfaction.gain": Name("Effect of a gain", "超出期望的作用", "体验超出期望时满意度的上升"),
    "satisfaction.loss": Name("Effect of a loss", "低于期望的作用", "体验低于期望时满意度的下降"),
    "satisfaction.adjustment": Name(
        "Weight of the latest episode", "最近体验的权重", "最近一次体验在满意度中的权重"
    ),
    "satisfaction.expectation_rate": Name("Speed of expectation", "期望调整速度", "期望跟随体验的速度"),
    "satisfaction.anchor_rate": Name("Pull of the anchor", "锚定的拉力", "期望被拉回个人锚定值的速度"),
    "satisfaction.anchor_offset": Name(
        "What the market promises", "市场的承诺", "平均锚定值减平均质量：市场所承诺的水平"
    ),
    "satisfaction.anchor_sd": Name("Spread of anchors", "锚定值差异", "期望锚定值在客户间的差异"),
    "satisfaction.promise": Name("Promise of advertising", "广告承诺", "广告使新客户的期望提高多少"),
    "satisfaction.delight_share": Name("Customers surprised", "惊喜的比例", "每月得到惊喜的客户比例"),
    "satisfaction.delight_points": Name("Size of a surprise", "惊喜的大小", "一次惊喜带来的分数"),
    # -- value and trust -------------------------------------------------------------------------
    "value.satisfaction_weight": Name("Weight of satisfaction", "满意度的权重", "满意度在感知价值中的权重"),
    "value.fairness_shift": Name("Shift of fairness", "价格公平感变动", "所有客户价格公平感的整体变动"),
    "value.price": Name("Price", "价格", "实际价格与参考价格之比"),
    "value.price_effect": Name("Effect of the price", "价格的作用", "价格变动100%时感知价值的变动"),
    "trust.gain": Name("Building trust", "信任建立速度", "信任增长的速度"),
    "trust.loss": Name("Losing trust", "信任丧失速度", "信任下降的速度"),
    "trust.care_retention": Name("Memory of care", "关怀的记忆", "客户感到的关怀一个月后保留的比例"),
    # -- loyalty ---------------------------------------------------------------------------------
    "loyalty.cognitive_rate": Name("Speed of cognitive loyalty", "认知忠诚速度", "认知忠诚变化的速度"),
    "loyalty.affective_rate": Name("Speed of affective loyalty", "情感忠诚速度", "情感忠诚变化的速度"),
    "loyalty.conative_rate": Name("Speed of conative loyalty", "意向忠诚速度", "意向忠诚变化的速度"),
    "loyalty.action_rate": Name("Speed of action loyalty", "行为忠诚速度", "平常月份里行为忠诚变化的速度"),
    "loyalty.action_obstacle_rate": Name(
        "Action loyalty at an obstacle", "克服障碍时的行为忠诚", "克服障碍的月份里行为忠诚变化的速度"
    ),
    "loyalty.threshold": Name("Threshold of a layer", "层次门槛", "达到多少分算进入一个忠诚层次"),
    "loyalty.rival_offer_rate": Name(
        "Rivals' offers noticed", "注意到竞争报价", "完全开放的市场中，每月注意到竞争对手报价的机会"
    ),
    "loyalty.premium_margin": Name(
        "Margin of a premium customer", "优质客户毛利", "优质客户阶段的毛利；0取开始时最高的五分之一"
    ),
    "loyalty.long_term_months": Name("Until long-term", "成为长期客户", "多少个月后算长期客户"),
    "loyalty.lifetime_months": Name("Until lifetime", "成为终身客户", "多少个月后算终身客户"),
    # -- churn -----------------------------------------------------------------------------------
    "churn.natural": Name("Natural churn", "自然流失率", "搬迁或去世的平均风险"),
    "churn.mobility_shape": Name(
        "Evenness of natural churn", "自然流失均匀度", "自然流失风险在客户间的差异；越小越不均"
    ),
    "churn.competitive": Name("Competitive churn", "竞争流失率", "转向竞争对手的基础风险"),
    "churn.frailty_shape": Name(
        "Evenness of competitive churn", "竞争流失均匀度", "竞争流失风险在客户间的差异；1000表示没有差异"
    ),
    "churn.occasion_effect": Name(
        "Churn at purchase occasions",
        "随购买次数流失",
        "竞争流失随个人购买频率的程度：0按日历时间，1为每次购买时选择",
    ),
    "churn.value_effect": Name("Effect of value", "价值的作用", "感知价值高于替代选择时的作用"),
    "churn.delight_effect": Name("Effect of delight", "惊喜的保护作用", "满意度高于85分时的额外保护"),
    "churn.switching_effect": Name("Effect of switching costs", "转移成本的作用", "转移成本对流失的抑制"),
    "churn.affective_effect": Name("Effect of affection", "情感忠诚的作用", "情感忠诚对流失的抑制"),
    "churn.exponent_limit": Name("Limit of all effects", "作用总和上限", "各项作用之和的上下限"),
    "churn.fault_minor": Name("Leaving after a fault", "一般过失后离开", "一次过失后立即离开的概率"),
    "churn.fault_major": Name("Leaving after a major fault", "重大过失后离开", "重大过失后立即离开的概率"),
    "churn.major_severity": Name("Severity of a major fault", "重大过失的界限", "严重程度达到多少算重大过失"),
    "churn.retaliatory": Name("Retaliatory churn", "报复性流失率", "过失未解决时，因愤怒拒绝付款的风险"),
    "churn.retaliatory_satisfaction": Name(
        "Satisfaction where anger acts", "愤怒的界限", "满意度低于多少时会报复"
    ),
    "churn.fault_memory": Name("Memory of a fault", "过失的记忆", "未解决的过失被记住多久"),
    "churn.baseline_a": Name(
        "Constant churn, shape a", "固定流失形状a", "个人固定月流失率分布的第一形状；0为关闭"
    ),
    "churn.baseline_b": Name(
        "Constant churn, shape b", "固定流失形状b", "个人固定月流失率分布的第二形状；0为关闭"
    ),
    # -- complaint -------------------------------------------------------------------------------
    "complaint.intercept": Name("Propensity to complain", "投诉倾向", "遇到问题时投诉的基本倾向"),
    "complaint.severity_effect": Name("Effect of severity", "严重程度的作用", "问题越严重越会投诉"),
    "complaint.trust_effect": Name("Effect of trust", "信任的作用", "信任高于60分时更愿意投诉"),
    "complaint.effort": Name("Effort to complain", "投诉的麻烦", "投诉需要花费的力气"),
    "complaint.resolved": Name("Complaints resolved", "投诉解决率", "得到解决的投诉比例"),
    "complaint.fast": Name("Resolved fast", "快速解决率", "已解决的投诉中快速解决的比例"),
    "complaint.recovery_resolved": Name("Regained when resolved", "解决后的补救", "投诉解决后挽回的损失比例"),
    "complaint.recovery_fast": Name("Regained when fast", "快速解决的补救", "首次失误被快速解决后挽回的比例"),
    "complaint.recovery_repeat": Name("Regained at a repeat", "再次失误的补救", "再次失误时挽回的比例"),
    "complaint.loss_unresolved": Name("Loss when unresolved", "未解决的损失", "投诉未解决时的进一步损失"),
    "complaint.stay_unresolved": Name("Exit, unresolved", "未解决后的离开", "投诉未解决时，过失流失的倍数"),
    "complaint.stay_resolved": Name("Exit, resolved", "解决后的离开", "投诉解决时，过失流失的倍数"),
    "complaint.stay_fast": Name("Exit, answered fast", "快速答复后的离开", "快速答复时，过失流失的倍数"),
    # -- purchase --------------------------------------------------------------------------------
    "purchase.contract": Name("By contract", "合同制", "按合同出账（是）或随时购买（否）"),
    "purchase.rate_shape": Name("Evenness of purchase rates", "购买频率均匀度", "购买频率在客户间的均匀程度"),
    "purchase.rate_mean": Name("Purchase rate", "购买频率", "平均每月购买次数"),
    "purchase.satisfaction_effect": Name("Effect of satisfaction", "满意度的作用", "满意度对购买频率的作用"),
    "purchase.spend_shape": Name("Regularity of spending", "消费规律性", "同一客户每次消费的稳定程度"),
    "purchase.spend_heterogeneity": Name("Evenness of spending", "消费均匀度", "消费额在客户间的均匀程度"),
    "purchase.spend_scale": Name("Scale of spending", "消费规模", "消费额的规模"),
    "purchase.dropout_a": Name(
        "Dropout, shape a", "停购形状a", "购买后停购概率的第一形状（BG/NBD）；0为关闭"
    ),
    "purchase.dropout_b": Name("Dropout, shape b", "停购形状b", "购买后停购概率的第二形状；0为关闭"),
    "purchase.fee": Name("Monthly bill", "月账单", "合同客户的平均月账单"),
    "purchase.usage_sd": Name("Spread of bills", "账单差异", "账单在客户间的差异（对数正态）"),
    "purchase.margin": Name("Gross margin", "毛利率", "毛利占收入的比例"),
    "purchase.cost_to_serve": Name("Cost to serve", "服务成本", "每月服务一位客户的成本"),
    "purchase.contact_cost": Name("Cost of a complaint", "投诉处理成本", "处理一起投诉的成本"),
    "purchase.light_boost": Name("Boost of light buyers", "轻度客户增购", "轻度客户购买频率的变化"),
    "purchase.heavy_boost": Name("Boost of heavy buyers", "重度客户增购", "重度客户购买频率的变化"),
    # -- demand and payment ----------------------------------------------------------------------
    "demand.shock_sd": Name("Demand shocks", "需求冲击", "每月共同需求冲击的幅度"),
    "demand.shock_autocorrelation": Name("Memory of shocks", "冲击的记忆", "需求冲击的逐月相关"),
    "demand.season_amplitude": Name("Season", "季节幅度", "一年中季节波动的高度"),
    "demand.season_peak": Name("Peak of the season", "旺季月份", "季节高峰所在的月份"),
    "payment.manual_share": Name("Paying by hand", "人工缴费比例", "人工缴费的客户比例"),
    "payment.card_share": Name("Paying by card", "银行卡比例", "用银行卡付款的客户比例"),
    "payment.debit_share": Name("Paying by debit", "代扣比例", "银行代扣的客户比例"),
    "payment.manual_failure": Name("Failures by hand", "人工缴费失败率", "人工缴费失败的机会"),
    "payment.card_failure": Name("Failures by card", "银行卡失败率", "银行卡付款失败的机会"),
    "payment.debit_failure": Name("Failures by debit", "代扣失败率", "银行代扣失败的机会"),
    "payment.cure": Name("Failed payments cured", "失败付款补救率", "付款失败后得到补救的比例"),
    "payment.cutoff": Name("Cut off when not cured", "终止服务率", "未补救的付款失败中合同被终止的比例"),
    "payment.payer_shape": Name("Evenness of payment risk", "付款风险均匀度", "付款风险在客户间的均匀程度"),
    # -- word of mouth, acquisition, firm --------------------------------------------------------
    "word_of_mouth.positive": Name("Recommendations", "正面口碑", "满意度100分时每月推荐的次数"),
    "word_of_mouth.negative": Name("Warnings", "负面口碑", "满意度20分时每月劝阻的次数"),
    "word_of_mouth.influence": Name(
        "Influence of word of mouth", "口碑的影响", "模仿在多大程度上听从口碑；0表示人人同等"
    ),
    "word_of_mouth.contagion": Name(
        "Contagion of leaving", "流失传染", "每有一位邻居离开，竞争流失风险上升多少"
    ),
    "word_of_mouth.contagion_memory": Name("Memory of contagion", "传染的记忆", "这种上升消退的时间"),
    "acquisition.external": Name("Won by advertising", "外部获客率", "每年争取到的非客户比例"),
    "acquisition.imitation": Name("Won by imitation", "模仿获客率", "若人人都是客户，每年因模仿而来的比例"),
    "acquisition.cost": Name("Acquisition cost", "获客成本", "争取一位非推荐客户的成本"),
    "acquisition.referred_fit": Name(
        "Fit of referred customers", "被推荐者契合度", "被推荐客户的契合度高出多少"
    ),
    "acquisition.referred_hazard": Name(
        "Churn of referred customers", "被推荐者流失", "被推荐客户的竞争流失风险倍数"
    ),
    "acquisition.referred_margin": Name(
        "Extra margin of the referred", "被推荐者额外毛利", "被推荐客户最初的额外毛利"
    ),
    "acquisition.referred_months": Name("Until that extra is gone", "额外毛利持续", "额外毛利多久后消失"),
    "firm.score_validity": Name(
        "Validity of the scores", "评分的准确度", "企业的风险与反应评分同真实值的相关"
    ),
    "firm.discount_rate": Name("Discount rate", "折现率", "资金的年折现率"),
    "firm.survey_share": Name("Customers surveyed", "调查比例", "每月被问及满意度的客户比例"),
    # -- meters ----------------------------------------------------------------------------------
    "metering.cycle": Name("Months of a bill", "账单周期", "一张账单对应的月数；0表示没有表计"),
    "metering.tiers": Name("Tariff", "阶梯价格", "从第一阶梯起；最后一级没有上限"),
    "metering.sewage": Name("Sewage charge", "污水处理费", "对全部用量另收的费用"),
    "metering.smart": Name("Smart meters", "智能表比例", "自动上传读数的表计比例"),
    "metering.estimated": Name("Readings estimated", "估读比例", "估算的读数比例"),
    "metering.missed": Name("Readings missed", "漏抄比例", "无人能够抄到的读数比例"),
    "metering.touchpoint": Name("Touchpoint of the bill", "账单对应的接触点", "该接触点的失误就是账单错误"),
    "metering.error_low": Name("Smallest billing error", "最小计费差错", "错误账单至少多收的比例"),
    "metering.error_high": Name("Largest billing error", "最大计费差错", "错误账单至多多收的比例"),
    "metering.due": Name("Time to pay", "缴费期限", "从出账到应缴日的天数"),
    "metering.late": Name("Delay of late payments", "逾期天数", "逾期缴费的平均延迟（指数分布）"),
    "metering.late_fee": Name("Late fee", "滞纳金", "对逾期金额每日加收的比例"),
    # -- service ---------------------------------------------------------------------------------
    "service.desk": Name("Kind of desk", "服务台类型", "不等待、精确先到先服务、SimPy参考或Erlang A近似"),
    "service.touchpoint": Name("Touchpoint of the hotline", "热线对应的接触点", "热线体验计入哪个接触点"),
    "service.payment_touchpoint": Name(
        "Touchpoint of the counter", "柜台对应的接触点", "柜台体验计入哪个接触点"
    ),
    "service.agents": Name("Agents on the phone", "坐席数", "营业时间内接听电话的坐席；小数表示只上部分时间"),
    "service.open_from": Name("Opens at", "开始营业", "热线、办公室和柜台的开门时间"),
    "service.open_to": Name("Closes at", "结束营业", "关门时间"),
    "service.open_days": Name("Days open", "每周营业天数", "每周营业的天数，从周一起"),
    "service.bill_questions": Name("Questions about bills", "账单咨询", "关于账单的来电"),
    "service.payment_questions": Name("Questions about paying", "缴费咨询", "缴费或询问缴费的来电"),
    "service.other_questions": Name("Other questions", "其他咨询", "其他来电"),
    "service.self_service": Name("Self-service", "自助服务", "语音菜单或网站无需坐席即可回答的比例"),
    "service.dispersion": Name("Uneven days", "每日来电离散", "一天来电次数的离散程度"),
    "service.hourly": Name("Calls by the hour", "时段分布", "营业时间内各等分时段来电的相对多少"),
    "service.weekdays": Name("Calls by the weekday", "星期分布", "周一至周日来电的相对多少；只计营业日"),
    "service.common_events": Name("Common events", "群体事件", "如爆管之类引来许多电话的事件数"),
    "service.event_spread": Name("Event to call", "事件到来电", "事件发生到来电的平均时间"),
    "service.patience": Name("Patience", "耐心", "电话中愿意等待的平均时间（指数分布）"),
    "service.redial": Name("Redial", "重拨率", "挂断者中再次拨打的比例"),
    "service.redial_delay": Name("Until the redial", "重拨间隔", "再次拨打前的平均时间"),
    "service.handling": Name("Handling time", "处理时长", "每通电话的平均处理时间（对数正态）"),
    "service.handling_cv": Name("Spread of handling times", "处理时长离散", "处理时间的相对离散"),
    "service.question_resolved": Name(
        "Questions resolved", "咨询解决率", "一次答复解决的咨询比例；问题见投诉解决率"
    ),
    "service.repeat": Name("Call again", "再次来电率", "未解决者中再次来电的比例"),
    "service.repeat_delay": Name("Until they call again", "再次来电间隔", "再次来电前的平均时间"),
    "service.callback_after": Name(
        "Call-back offered from", "提供回电的等待", "预计等待多久起提供回电；0为从不（仅simpy）"
    ),
    "service.priorities": Name("Problems first", "问题优先", "先接问题，后接咨询（仅simpy）"),
    "service.shifts": Name("Shifts", "班次", "有自己时间和技能的其他坐席"),
    "service.service_level": Name("Service level", "服务水平时限", "在此时间内接听算及时"),
    "service.fast": Name("A fast solution", "快速解决时限", "在此时间内解决算快速"),
    "service.wait_free": Name("Wait nobody minds", "可接受的等待", "谁也不介意的电话等待时间"),
    "service.wait_points": Name("Points lost by waiting", "等待失分", "此后每多等一分钟，服务感知的下降"),
    "service.abandon_points": Name("Points lost by giving up", "放弃失分", "放弃等待后的下降"),
    "service.unresolved_points": Name("Points lost, unresolved", "未解决失分", "来电未解决时的下降"),
    "service.courtesy": Name("Courtesy", "礼貌", "坐席待人的友善程度，相对通常"),
    "service.courtesy_sd": Name("Spread of courtesy", "礼貌波动", "各通电话之间的差异"),
    "service.notified": Name("Stops announced", "停供通知率", "计划内停供及时通知的比例"),
    "service.notice_factor": Name("Effect of a notice", "通知的作用", "通知后严重程度与来电的倍数"),
    "service.crews": Name("Crews", "抢修队", "现场抢修队；小数表示只上部分时间"),
    "service.crew_from": Name("Crews begin at", "抢修开始", "抢修队每天开始工作的时间"),
    "service.crew_to": Name("Crews end at", "抢修结束", "抢修队每天结束工作的时间"),
    "service.travel": Name("Travel time", "路程时间", "平均路程时间（对数正态）"),
    "service.repair": Name("Repair time", "维修时间", "平均维修时间（对数正态）"),
    "service.repair_cv": Name("Spread of repair times", "维修时间离散", "路程与维修时间的离散"),
    "service.repair_deadline": Name("Deadline of repairs", "维修时限", "报修后超过此时间算逾期"),
    "service.escalation": Name("Formal complaints", "正式投诉率", "热线未解决问题者中正式投诉的比例"),
    "service.clerks": Name("Clerks", "投诉专员", "答复投诉的人员；小数表示只上部分时间"),
    "service.complaint_handling": Name(
        "Work on a complaint", "投诉处理时长", "处理一起投诉的平均工时（对数正态）"
    ),
    "service.complaint_deadline": Name("Deadline of answers", "投诉答复时限", "超过此时间答复算逾期"),
    "service.counter_clerks": Name("Clerks at the counter", "柜台人员", "缴费柜台的人员；0表示没有柜台"),
    "service.counter_share": Name("Bills paid at the counter", "柜台缴费比例", "人工缴费中在柜台缴的比例"),
    "service.visit": Name("Time at the counter", "柜台时长", "柜台的平均服务时间（对数正态）"),
    "service.counter_free": Name("Counter wait nobody minds", "柜台可接受等待", "谁也不介意的柜台等待时间"),
    "service.counter_points": Name("Points lost at the counter", "柜台等待失分", "此后每多等一分钟的下降"),
}

# a step of a metered tariff; which one comes before it
TIER: dict[str, Name] = {
    "upto": Name("used up to", "用量上限", "该价格适用到的月用量"),
    "price": Name("price", "单价", "这一阶梯内用量的单价"),
}

# what strikes many customers at once; its own name comes before it
DISTURBANCE: dict[str, Name] = {
    "kind": Name("name", "名称", "小写英文名称"),
    "chinese": Name("Chinese name", "中文名", "中文名称"),
    "touchpoint": Name("touchpoint", "接触点", "影响哪个接触点"),
    "planned": Name("planned", "计划内", "是否有计划、可预先通知"),
    "share": Name("how often", "发生频率", "相对于同一接触点其他事件的频率"),
    "hours": Name("length", "持续时间", "无需抢修结束时的时长中位数（对数正态）"),
    "aging": Name("effect of old mains", "管龄作用", "老旧管网处更常发生：频率乘以（管龄/平均管龄）的此次方"),
    "pumped": Name("effect of secondary supply", "二次供水作用", "楼内再次加压处为别处的几倍"),
}

# a part of town; its own name comes before it
DISTRICT: dict[str, Name] = {
    "name": Name("name", "名称", "小写英文名称"),
    "english": Name("English name", "英文名", "英文名称；不填则用小写名称"),
    "chinese": Name("Chinese name", "中文名", "中文名称"),
    "share": Name("share of customers", "客户占比", "住在该区的客户；各区之和为一"),
    "problems": Name("trouble", "问题倍数", "各接触点的失误为别处的几倍；未列出的为一"),
    "pipe_age": Name("age of the mains", "管龄", "供水干管的使用年数；没有管网则为零"),
    "secondary_supply": Name("secondary supply", "二次供水", "楼内是否再次加压"),
}

# a kind of customer; its own name comes before it
SEGMENT: dict[str, Name] = {
    **{key: DISTRICT[key] for key in ("name", "english", "chinese", "problems")},
    "share": Name("relative share", "相对占比", "相对于对同一年龄开放的其他细分"),
    "youngest": Name("youngest", "最低年龄", "从这一年龄起可属于该细分"),
    "oldest": Name("oldest", "最高年龄", "到这一年龄为止可属于该细分"),
    "leaving": Name("readiness to leave", "转投倾向", "转投竞争者的风险率为别人的几倍"),
}

# a touchpoint's numbers; its own name comes before them
TOUCHPOINT: dict[str, Name] = {
    "name": Name("name", "名称", "小写英文名称"),
    "chinese": Name("Chinese name", "中文名", "中文名称"),
    "weight": Name("weight", "权重", "在感知质量中的权重；各权重之和为一"),
    "quality": Name("quality", "质量", "没有失误时提供的质量"),
    "exposure": Name("meetings", "接触频率", "一个月中遇到该接触点的机会"),
    "failure": Name("failures", "失误率", "一次接触出现失误的机会"),
    "severity": Name("severity of a failure", "失误严重程度", "失误时感知质量的平均下降"),
    "severity_sd": Name("spread of severity", "严重程度差异", "该下降的离散程度"),
    "level": Name("level of satisfaction", "满意层次", "对应的客户满意层次"),
    "phase": Name("phase of service", "服务阶段", "在售前、售中或售后遇到"),
    "kind": Name("kind of quality", "质量类型", "得失如何计入：期望型、必备型或魅力型"),
    "planned": Name("planned failures", "计划内失误", "有计划、可预先通知的失误比例（需服务台）"),
    "common": Name("common failures", "群体失误", "来自同时影响多人之事件的来电比例（需服务台）"),
    "crew": Name("needs a crew", "需要抢修", "需要现场抢修的来电比例（需服务台）"),
}

# settings by "policy.number", or by "number" where all policies mean the same
SETTINGS: dict[str, Name] = {
    "start": Name("first month", "开始月份", "开始实施的月份"),
    "stop": Name("month it ends", "结束月份", "停止实施的月份"),
    "ramp": Name("months to full effect", "见效月数", "达到全部效果所需的月数"),
    "half_life": Name("half-life after the end", "停止后半衰期", "停止后效果减半所需的月数"),
    "effort": Name("effort", "力度", "支出，效果递减"),
    "agents": Name("agents more", "增加坐席", "增加的坐席数"),
    "crews": Name("crews more", "增加抢修队", "增加的抢修队数"),
    "clerks": Name("clerks more", "增加专员", "增加的专员数"),
    "quality_control.points": Name("quality gained", "质量提升", "各接触点质量的上升"),
    "service_quality.points": Name("quality gained", "质量提升", "服务类接触点质量的上升"),
    "personalisation.points": Name("quality gained", "质量提升", "更合个人需要带来的质量上升"),
    "fault_reduction.factor": Name("failures left", "剩余失误", "剩余失误的倍数"),
    "price_cut.share": Name("price cut", "降价幅度", "降价的比例；负数为涨价"),
    "customer_insight.survey_share": Name("customers asked", "调查比例", "每月被问及的客户比例"),
    "customer_insight.validity": Name("validity gained", "准确度提升", "评分与真实值相关系数的提高"),
    "satisfaction_feedback.factor": Name(
        "failures left a quarter", "每季剩余失误", "一个季度改进后剩余失误的倍数"
    ),
    "satisfaction_feedback.floor": Name("failures left at least", "失误下限", "失误最少剩下的倍数"),
    "delight.share": Name("customers surprised", "惊喜比例", "每月得到惊喜的客户比例"),
    "delight.points": Name("size of a surprise", "惊喜大小", "一次惊喜的分数"),
    "complaint_handling.resolved": Name("complaints resolved", "投诉解决率", "得到解决的投诉比例"),
    "complaint_handling.fast": Name("resolved fast", "快速解决率", "已解决的投诉中快速解决的比例"),
    "encourage_complaints.logit": Name("propensity gained", "投诉倾向提高", "投诉倾向的上升"),
    "simplify.fairness": Name("fairness gained", "公平感提升", "价格公平感的上升"),
    "simplify.effort_cut": Name("effort saved", "省去的麻烦", "投诉所需力气的下降"),
    "staff_skill.points": Name("skill gained", "技能提升", "员工业务水平的上升"),
    "dunning.cure": Name("failed payments cured", "付款补救率", "付款失败后得到补救的比例"),
    "payment_channels.manual": Name("still by hand", "仍人工缴费", "人工缴费者中保持不变的比例"),
    "payment_channels.card": Name("still by card", "仍用银行卡", "银行卡付款者中保持不变的比例"),
    "switching_contract.points": Name("switching cost added", "增加转移成本", "转移成本的上升"),
    "switching_contract.discount": Name("discount", "折扣", "为签合同所付出的价格折扣"),
    "loyalty_programme.light": Name("light buyers buy more", "轻度客户增购", "轻度客户购买频率的上升"),
    "loyalty_programme.heavy": Name("heavy buyers buy more", "重度客户增购", "重度客户购买频率的上升"),
    "loyalty_programme.points": Name("switching cost added", "增加转移成本", "积分带来的转移成本上升"),
    "loyalty_programme.reward": Name("cost of the points", "积分成本", "积分成本占收入的比例"),
    "referral_reward.factor": Name("imitation", "模仿倍数", "模仿获客的倍数"),
    "four_problems.stoppage": Name("stoppages left", "剩余停水", "剩余停水的倍数"),
    "four_problems.turbidity": Name("turbid water left", "剩余浑水", "剩余水质失误的倍数"),
    "four_problems.billing": Name("billing errors left", "剩余计费差错", "剩余计费差错的倍数"),
    "hire_agents.wage": Name("wage", "工资", "一名坐席每月的成本"),
    "train_agents.resolved": Name("more solved at once", "答复解决率提高", "一次答复解决的比例提高多少"),
    "train_agents.handling": Name("handling time left", "剩余处理时长", "处理时间的倍数"),
    "train_agents.courtesy": Name("kindness gained", "礼貌提升", "客户感到的友善上升"),
    "train_agents.price": Name("price", "费用", "每月培训一名坐席的成本"),
    "extend_hours.hours": Name("closing later", "延长时间", "推迟关门的小时数"),
    "extend_hours.wage": Name("wage", "工资", "一名坐席按平常工作日计的月成本"),
    "self_service.share": Name("questions without an agent", "自助回答比例", "无需坐席的咨询比例"),
    "self_service.price": Name("price", "费用", "每位客户每月的成本"),
    "raise_crews.wage": Name("wage", "工资", "一支抢修队每月的成本"),
    "hire_clerks.wage": Name("wage", "工资", "一名专员每月的成本"),
    "notices_by_sms.share": Name("stops announced", "通知比例", "计划内停供及时通知的比例"),
    "notices_by_sms.price": Name("price", "费用", "每位客户每月的成本"),
    "retention_call.share": Name("customers called", "致电比例", "每月致电的客户比例"),
    "retention_call.pause": Name("pause between calls", "致电间隔", "同一客户两次致电的最短间隔"),
    "retention_call.contact": Name("cost of a call", "致电成本", "一通电话的成本"),
    "retention_call.offer": Name("cost of an offer", "优惠成本", "一份被接受的优惠的成本"),
    "retention_call.accept": Name("offers taken", "接受率", "被接受的优惠比例"),
    "retention_call.budget": Name("budget", "预算", "每月最多支出"),
    "win_back.wait": Name("asked at the latest", "最迟联系", "流失后最迟多少个月联系"),
    "win_back.contact": Name("cost of asking", "联系成本", "联系一位客户的成本"),
}

POLICIES: dict[str, tuple[str, str]] = {
    "quality_control": ("quality control", "质量控制"),
    "fault_reduction": ("fewer faults", "减少失误"),
    "price_cut": ("a lower price", "降价"),
    "product_training": ("product training", "产品知识培训"),
    "customer_insight": ("customer insight", "了解客户"),
    "service_quality": ("service quality", "提高服务质量"),
    "satisfaction_feedback": ("satisfaction feedback", "满意度改进循环"),
    "delight": ("delight", "超越期待"),
    "personalisation": ("personalisation", "个性化服务"),
    "complaint_handling": ("complaint handling", "投诉处理"),
    "encourage_complaints": ("asking for complaints", "鼓励投诉"),
    "simplify": ("simple procedures", "简化程序"),
    "staff_skill": ("staff skill", "员工业务水平"),
    "dunning": ("dunning", "催缴提醒"),
    "payment_channels": ("payment channels", "缴费渠道"),
    "switching_contract": ("a binding contract", "绑定合同"),
    "loyalty_programme": ("loyalty programme", "积分计划"),
    "referral_reward": ("referral reward", "推荐奖励"),
    "four_problems": ("the four problems", "解决四大问题"),
    "hire_agents": ("more agents", "增加坐席"),
    "train_agents": ("training agents", "培训坐席"),
    "extend_hours": ("longer hours", "延长服务时间"),
    "self_service": ("self-service", "自助服务"),
    "raise_crews": ("more crews", "增加抢修队"),
    "hire_clerks": ("more clerks", "增加投诉专员"),
    "notices_by_sms": ("notices by text message", "短信通知"),
    "retention_call": ("retention calls", "挽留电话"),
    "win_back": ("win-back", "客户赢回"),
}

# units of parameters and policies, as declared
PRESETS: dict[str, tuple[str, str]] = {
    "retail": ("retail", "零售商店"),
    "subscription": ("subscription", "订阅服务"),
    "water_utility": ("water utility", "A市供水"),
    "car_repair": ("car repair", "汽车维修"),
}

UNITS: dict[str, str] = {
    "": "",
    "agents": "名坐席",
    "beta": "贝塔分布形状",
    "bills": "倍月账单",
    "clerks": "名专员",
    "correlation": "相关系数",
    "crews": "支抢修队",
    "customers": "名客户",
    "days": "天",
    "exponent": "指数",
    "factor": "倍",
    "gamma shape": "伽马分布形状",
    "hour": "时",
    "hours": "小时",
    "log hazard": "对数风险",
    "log money": "对数金额",
    "log rate": "对数频率",
    "log rate per point": "对数频率/分",
    "logit": "对数几率",
    "logit per point": "对数几率/分",
    "m3 a month": "立方米/月",
    "minutes": "分钟",
    "money": "货币单位",
    "money per complaint": "货币单位/起投诉",
    "money per customer": "货币单位/客户",
    "money per m3": "货币单位/立方米",
    "money per month": "货币单位/月",
    "month": "月",
    "month of year": "月份",
    "months": "个月",
    "per 10 points": "每10分",
    "per 25 points": "每25分",
    "per customer and month": "每客户每月",
    "per meeting": "每次接触",
    "per month": "每月",
    "per neighbour": "每位邻居",
    "per year": "每年",
    "points": "分",
    "points per minute": "分/分钟",
    "points per point": "分/分",
    "probability": "概率",
    "relative": "相对值",
    "sd / mean": "标准差/均值",
    "seconds": "秒",
    "share": "比例",
    "share a day": "比例/天",
    "share of months": "占月数比例",
    "share of the bill": "占账单比例",
    "share of revenue": "占收入比例",
    "share of the price": "占价格比例",
    "variance / mean": "方差/均值",
    "word": "文字",
    "x list price": "倍标价",
    "x population.size": "倍客户数",
    "x the usual": "倍通常支出",
    "years": "年",
    "yes/no": "是/否",
}

# what happens in a customer's month (`simulation.lives.Trace`): stages, decisions and rules
STAGES: dict[str, tuple[str, str]] = {
    "meet": ("meets the touchpoints", "接触企业"),
    "be billed": ("is billed", "收到账单"),
    "be satisfied": ("is satisfied or not", "形成满意度"),
    "complain": ("complains or not", "是否投诉"),
    "recover": ("gets over it", "补救"),
    "feel": ("feels", "信任与价值"),
    "commit": ("commits", "忠诚"),
    "face hazards": ("faces hazards", "面对流失风险"),
    "meet fate": ("meets fate", "命运的抽签"),
    "perhaps leave": ("perhaps leaves", "是否离开"),
    "buy": ("buys", "购买"),
    "earn": ("brings money", "带来毛利"),
    "talk": ("talks", "口碑"),
    "act": ("acts", "行动"),
}
STEPS: dict[str, str] = {
    "perception": "感知",
    "kano": "按质量类型加权",
    "payment_failure": "付款失败的概率",
    "payment fails": "付款失败",
    "payment is cured": "付款得到补救",
    "contract is cut off": "合同被终止",
    "is surprised": "得到惊喜",
    "the month's experience": "本月体验",
    "perceived_quality": "感知质量",
    "episode_satisfaction": "本次满意度",
    "satisfaction_lost": "满意度损失",
    "satisfaction": "满意度",
    "expectation": "期望",
    "complaint_probability": "投诉的概率",
    "complains": "投诉",
    "complaint is resolved": "投诉得到解决",
    "answer is fast": "答复迅速",
    "recovery": "补救",
    "stay_factor": "离开倍数",
    "trust": "信任",
    "perceived_value": "感知价值",
    "cognitive_loyalty": "认知忠诚",
    "affective_loyalty": "情感忠诚",
    "conative_loyalty": "意向忠诚",
    "action_loyalty": "行为忠诚",
    "loyalty_layer": "忠诚层次",
    "competitive_hazard": "竞争流失风险",
    "hazard_modifiers": "风险倍数",
    "natural_hazard": "自然流失风险",
    "fault_exit": "过失后离开的概率",
    "retaliatory_hazard": "报复性流失风险",
    "natural churn strikes": "自然流失发生",
    "competitive churn strikes": "竞争流失发生",
    "fault churn strikes": "过失流失发生",
    "retaliatory churn strikes": "报复性流失发生",
    "constant chance of leaving strikes": "固定流失发生",
    "attributed_cause": "根本原因",
    "purchase_rate": "购买频率",
    "purchases": "购买次数",
    "purchase at which one drops out": "第几次购买后停购",
    "spending": "消费额",
    "margin": "毛利",
    "praise": "推荐",
    "warning": "劝阻",
    "referral_probability": "推荐成功的概率",
    "brings a new customer": "带来新客户",
    "relationship_stage": "关系阶段",
    "notices a rival's offer": "注意到竞争报价",
    "returns": "回归",
}
