"""Numbers as people read them: at the precision their interval deserves, missing as missing."""

from __future__ import annotations

from math import floor, isfinite, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.estimates import Estimate

NOT_KNOWN = "not known"
_ROUNDING = 1e-6  # what is closer than this to 0 or 1 differs by rounding only

STATISTICS = {
    "single_human_agreement": "agreement with one human",
    "gap": "gap to the human ceiling",
    "agreement_difference": "agreement less that of another judge",
    "majority_agreement": "agreement with the majority or gold",
    "cohen_kappa": "Cohen's kappa",
    "detectable_gap": "smallest gap that could be found",
    "detectable_difference": "smallest difference that could be found",
    "decided_share": "both labels decided",
    "coverage": "usable labels",
    "position_consistency": "same preference in both orders",
    "first_shown_share": "chose the response shown first",
    "longer_chosen_share": "chose the longer response",
    "richer_chosen_share": "chose the response with more of it",
    "richer_by_difference": "chose the response with more of it, by how much more",
    "position_effect": "what being shown first adds",
    "primacy_share": "turned to the response shown first, of changed ones",
    "difference_from_humans": "chose it more often than humans did",
    "adjusted_difference": "chose it more often than quality says",
    "own_answer_difference": "its own answers' wins less those by humans",
    "self_preference": "chose its own answers more often than quality and other judges say",
    "probe_effect": "chosen more often after the change than before",
    "changed_chosen_share": "chose the changed response",
    "robustness_rate": "same preference after the change",
    "consistency_rate": "same preference when asked again",
    "robustness_lost": "preferences that the change turned, beyond asking again",
    "identical_tie_share": "called two identical responses a tie",
    "identical_position_effect": "what being shown first adds, of two identical responses",
    "verdicts_lost": "labels that the change leaves without a verdict",
    "detectable_verdicts_lost": "smallest loss of verdicts that could be found",
    "detectable_probe_effect": "smallest effect of the change that could be found",
    "detectable_identical_position_effect": "smallest effect of the order that could be found",
    "detectable_robustness_lost": "smallest loss of robustness that could be found",
    "detectable_position_effect": "smallest position effect that could be found",
    "detectable_difference_from_humans": "smallest difference from humans that could be found",
    "detectable_adjusted_difference": "smallest adjusted difference that could be found",
    "detectable_own_answer_difference": "smallest difference for own answers that could be found",
    "detectable_self_preference": "smallest self-preference that could be found",
    "selection_win_rate": "humans prefer what it selects to another response",
    "selection_best_share": "selects the humans' own best",
    "selection_step": "what one more response adds to humans' preference",
    "selection_difference": "humans prefer what it selects more often than the longest response",
    "proxy_score": "its own score of what it selects",
    "proxy_step": "what one more response adds to its own score",
    "cost_usd_per_1000": "cost per 1,000 labels",
    "strategy_quality": "matches a human",
    "strategy_usd_per_1000": "cost of 1,000 comparisons",
    "strategy_difference": "matches a human more often than the recommended one",
    "recommended_quality": "what the recommended strategy matches where it was not chosen",
    "jury_error_correlation": "how alike the members of a jury err",
    "jury_effective_size": "independent judges that a jury is worth",
    "break_even_usd_per_human_label": "price of a human label at which humans alone cost the same",
    "own_choice_difference": "matches more often where each slice chooses for itself",
    "own_choice_usd_per_1000": "cost more of 1,000 comparisons where each slice chooses for itself",
    "held_out_agreement": "held-out human votes matched",
    "held_out_difference": "held-out human votes matched, less those of another",
    "recipe_agreement": "held-out human votes matched, by recipe",
    "recipe_difference": "the same less those of another, by recipe",
    "labels_usd": "cost of the labels",
    "usd_per_point": "cost of a point above 50%",
    "cost_usd_per_match": "cost per 1,000 labels that match one human",
    "seconds_per_1000": "time per 1,000 labels",
    "front_share": "resamples in which nobody beats it",
    "symmetrised_pi": "agreement beyond chance (Scott's pi, a and b alike)",
    "scott_pi": "Scott's pi",
    "gwet_ac1": "Gwet's AC1",
    "fleiss_kappa": "Fleiss's kappa",
    "krippendorff_alpha": "Krippendorff's alpha",
    "baseline_agreement": "what a trivial judge reaches",
    "win_rate": "win rate of a model",
    "win_rate_difference": "win rate by the judge less that by humans",
    "audit_weight": "weight of the judge's labels in an audit",
    "audit_correlation": "correlation of human and judge scores in an audit",
    "effective_prompts": "prompts that the human labels are worth beside the judge's",
    "audit_half_width": "half width of the interval to expect of an audit",
    "strength": "strength of a model",
    "kendall_tau_b": "Kendall's tau-b of the two rankings",
    "spearman": "Spearman's correlation of the two rankings",
    "same_best_model": "same best model",
    "order_reversed_share": "model couples in opposite order",
    "order_reversed": "two models in opposite order",
    "winning_rate": "humans whom the judge may replace",
    "advantage_probability": "at least as close to the others as a human",
    "human_equivalence": "humans whose majority the judge is worth",
    "leave_one_out_agreement": "agreement with the majority of the other humans",
    "brier": "Brier score of the stated probabilities",
    "brier_floor": "Brier score that human disagreement sets as floor",
    "excess_brier": "Brier score above the human floor",
    "log_loss": "log-loss of the stated probabilities",
    "calibration_slope": "calibration slope",
    "calibration_error": "calibration error",
    "repeat_agreement": "same preference when asked again",
    "flip_rate": "other preference when the order is swapped",
    "reversal_rate": "opposite preference when the order is swapped",
    "test_retest": "same preference of the same human later",
    "dawid_skene_agreement": "agreement with the Dawid-Skene class",
    "agreement_with_others": "agreement with another human",
    "drift": "change in agreement over 100 labels",
    "seconds_per_label": "time per label",
    "tie_share": "ties among the labels",
}
_FINDABLE = (
    "The smallest that 80% of data sets like this one would have shown to differ from none "
    "(two-sided test at 5%)."
)
EXPLAINED = {
    "held_out_agreement": "How many votes of humans a scorer fitted to so many labels matches, on "
    "comparisons of prompts or categories that it has not seen.",
    "held_out_difference": "The votes that one scorer matches less those that another one does, on "
    "the same comparisons.",
    "recipe_agreement": "The same with another ridge or another weight of the style features.",
    "recipe_difference": "The difference of two scorers with another ridge or weight of the style.",
    "labels_usd": "The mean known price of a label times the number of labels fitted to.",
    "usd_per_point": "What the labels cost, by the points that the scorer is above a coin's 50%.",
    "single_human_agreement": "How often a label equals the label of one human who judged the same "
    "comparison; a human among the others sets the ceiling.",
    "gap": "The judge's agreement with one human minus the agreement of two humans, on the same "
    "comparisons.",
    "agreement_difference": "The agreement of the highest judge minus that of another one, on the "
    "comparisons that both labelled.",
    "majority_agreement": "How often a label equals the humans' majority, or a gold label.",
    "cohen_kappa": "Agreement beyond what two annotators with these class shares reach by chance.",
    "detectable_gap": "The smallest gap that 80% of data sets like this one would have shown to "
    "differ from none (two-sided test at 5%).",
    "detectable_difference": "The smallest difference of two judges that 80% of data sets like "
    "this one would have shown to differ from none (two-sided test at 5%).",
    "decided_share": "How often neither of two labels is a tie: what agreement rests on where ties "
    "are left out.",
    "coverage": "Labels that can be used among those asked for.",
    "position_consistency": "How often the same response is preferred when the order is swapped; a "
    "tie is consistent with a tie.",
    "first_shown_share": "How often the response shown first is chosen, ties counted in the total.",
    "longer_chosen_share": "How often the response with more characters is chosen, among labels "
    "that are no tie. Humans often prefer longer responses too.",
    "richer_chosen_share": "How often the response with more of a feature is chosen, among labels "
    "that are no tie.",
    "richer_by_difference": "How often the response with more of a feature is chosen, ties half, "
    "in fifths of the comparisons by the size of the difference.",
    "position_effect": "What being shown first adds to the probability of being chosen, ties half: "
    "0 where the order does not matter.",
    "primacy_share": "Of the preferences that changed when the order was swapped, the share that "
    "went to whichever response was shown first; half is an even mix (Shi et al. 2024, arXiv "
    "2406.07791).",
    "difference_from_humans": "How often the judge chooses the response with more of a feature "
    "less how often humans do on the same comparisons, ties half (level L1). A difference, not yet "
    "a bias: a judge who sees quality more clearly differs where quality goes with the feature.",
    "adjusted_difference": "How much more often the judge chooses the response with more of a "
    "feature than a judge as sharp as it would who has no liking of its own for it, quality being "
    "what two humans agree on (level L2: probit scales of judge and humans with the features). "
    "It takes errors of judge and humans as independent, and the rest of quality as one thing "
    "that both see and as normal. Called bias where its interval is clear of 5 points.",
    "own_answer_difference": "The judge's win rate for answers of its own model less the human "
    "majority's for the same.",
    "self_preference": "How much more often the judge chooses answers of its own model than a "
    "judge as sharp as it would who has no liking for them (level L2), less the same of the other "
    "judges.",
    "probe_effect": "How much more often a response is chosen after one thing about it was changed "
    "than before, ties half, paired by comparison and order (level L3: an experiment, so the "
    "change is the cause).",
    "changed_chosen_share": "How often the changed response is preferred to the other one, ties "
    "half.",
    "robustness_rate": "How often the preference stays as it was when one thing about a response "
    "is changed (RR; CALM, Ye et al. 2024, arXiv 2410.02736).",
    "consistency_rate": "How often the preference stays as it was when the judge is asked the same "
    "once more (CR; CALM, Ye et al. 2024, arXiv 2410.02736).",
    "robustness_lost": "CR - RR on comparisons that have both: how much more often a preference "
    "changes with the response than when the judge is asked the same once more.",
    "verdicts_lost": "Labels without a verdict after the change less those before it: where there "
    "are many, the other figures of the probe rest on what is left.",
    "identical_tie_share": "How often a judge says of two identical responses that neither is "
    "better.",
    "identical_position_effect": "How much more often than half the first shown of two identical "
    "responses is chosen, ties half.",
    "selection_win_rate": "How often held-out humans prefer what a source selects among n "
    "responses, all choices of n out of a prompt's responses alike, to another one of all the "
    "prompt's responses, ties half; a response drawn at random has 50%.",
    "selection_best_share": "How often what a source selects is what held-out humans' own labels "
    "select, ties shared equally.",
    "selection_step": "The win rate of what is selected among n responses less that among n - 1, "
    "on the same prompts.",
    "selection_difference": "The win rate of what a source selects less that of the longest of the "
    "same responses.",
    "proxy_score": "The source's own score of what it selects, in standard deviations of the "
    "scores within a prompt from their mean.",
    "proxy_step": "The source's own score of what it selects among n responses less that among "
    "n - 1, in standard deviations.",
    "cost_usd_per_1000": "What 1,000 labels cost, from the labels whose price is known.",
    "cost_usd_per_match": "What 1,000 labels that equal the label of one (other) human cost: the "
    "cost of a label divided by how often it matches, on the comparisons where both are known.",
    "strategy_quality": "How often the label that a strategy buys equals that of one human who had "
    "no part in it, or the most frequent one of the humans without one of them; or how often a "
    "reward model that is fitted to such labels matches held-out human votes.",
    "strategy_usd_per_1000": "What the labels of 1,000 comparisons cost, of humans and judges.",
    "strategy_difference": "A strategy's quality less that of the recommended one, on the same "
    "comparisons.",
    "recommended_quality": "The quality of what nine tenths of the prompts recommend, on the other "
    "tenth: the best of many looks better than it is where it was chosen.",
    "jury_error_correlation": "The correlation over comparisons of how often two members match a "
    "human, the mean over all couples; each is held against another human of the comparison, so "
    "that the humans' own slips do not count as errors in common.",
    "jury_effective_size": "k / (1 + (k - 1) x the error correlation): as many judges who err "
    "independently would leave as much error in their mean (Kish 1965).",
    "break_even_usd_per_human_label": "The judges' cost of a comparison over the share that humans "
    "do not label: below it, one human a comparison costs less.",
    "own_choice_difference": "The quality of what each slice chooses among the same strategies "
    "less that of one choice for all, both on prompts that had no part in choosing.",
    "own_choice_usd_per_1000": "What 1,000 comparisons cost where each slice chooses among the "
    "same strategies, less the cost of one choice for all, on prompts that had no part in it.",
    "front_share": "The share of resamples of the prompts in which no other annotator's labels are "
    "as cheap and agree with one human as often, and one of both better; without humans as cheap "
    "and as fast. Each on the comparisons it labelled.",
    "seconds_per_1000": "What 1,000 labels take one annotator, from those whose time is known.",
    "symmetrised_pi": "Agreement beyond what two who draw from their common class shares reach by "
    "chance, a and b having the same share, so that it does not matter which response is called a "
    "(Scott 1955, symmetrised).",
    "scott_pi": "Agreement beyond what two who draw from their common class shares reach by chance "
    "(Scott 1955); it moves with which response is called a.",
    "gwet_ac1": "Agreement beyond chance where only hard comparisons are guessed: chance is small "
    "where one class dominates (Gwet 2008).",
    "fleiss_kappa": "Agreement of two humans beyond what the class shares give by chance, "
    "comparisons weighing the same, from those with two labels or more (Fleiss 1971).",
    "krippendorff_alpha": "Agreement of two humans beyond chance, labels weighing the same, from "
    "comparisons with two labels or more (Krippendorff 2011).",
    "baseline_agreement": "How often a judge that understands nothing of the responses gives the "
    "label of one human, on the same comparisons as the judge named.",
    "win_rate": "The mean points of a model over its comparisons: 1 where its response is "
    "preferred, 1/2 for a tie; each comparison counts once, with the mean of its labels.",
    "win_rate_difference": "The win rate of a model by the judge less that by humans, on the "
    "comparisons that both labelled.",
    "audit_weight": "How much of the judge's mean on all comparisons, less that on those with "
    "human labels, is added to the humans' mean: 0 leaves the judge out (PPI++, Angelopoulos et "
    "al. 2023, arXiv 2311.01453).",
    "audit_correlation": "How far the prompts' mean scores by humans and by the judge go together, "
    "1 for one fixed by the other; only what they share makes human labels worth more.",
    "effective_prompts": "How many prompts humans alone would have to label for the same standard "
    "error: those they labelled, times the variance of humans alone over that with the judge.",
    "audit_half_width": "Half of the 95% interval to expect for the budget, averaged over models: "
    "prompts labelled by humans and judge, and further ones by the judge alone.",
    "strength": "The Bradley-Terry strength (1952) in log odds, 0 the mean of the models, ties "
    "half, ridge .1: one unit more than another model is preferred to it 73% of the time.",
    "kendall_tau_b": "Model couples that judge and humans order alike less those they order "
    "oppositely, as a share of the couples ordered (Kendall 1945), by Bradley-Terry strengths.",
    "spearman": "The correlation of the models' ranks by judge and by humans (Spearman 1904), by "
    "Bradley-Terry strengths.",
    "same_best_model": "The share of resamples of the prompts in which judge and humans name the "
    "same model as the best.",
    "order_reversed_share": "The share of model couples that the judge orders against the humans, "
    "counting only what is certain for all couples together (max-t, Romano & Wolf 2005).",
    "order_reversed": "The judge's strength of the model that humans prefer less that of the other "
    "one, where the judge certainly orders the two the other way round (max-t, Romano & Wolf "
    "2005).",
    "winning_rate": "The share of humans against whom the judge is shown to match the other humans "
    "as well, up to a margin epsilon for its lower price; from one half on it may replace humans "
    "(alternative annotator test, Calderon et al. 2025).",
    "advantage_probability": "How often the judge matches at least as many of the other humans as "
    "the human does who is left out, averaged over the humans (Calderon et al. 2025).",
    "human_equivalence": "The smallest number of humans whose majority matches one further human "
    "as often as the judge does; 0 is a guess that knows only how common each class is (Resnick et "
    "al. 2021).",
    "leave_one_out_agreement": "How often a label equals the most frequent one of the humans "
    "without one of them, split modes shared; for the human ceiling it is the one left out "
    "(AlpacaEval).",
    "brier": "Mean squared distance between the stated probability that a is better and the label "
    "of one human (a 1, tie 1/2, b 0); 1/2 everywhere scores at most 0.25 (Brier 1950).",
    "brier_floor": "Mean variance of the humans' labels on the same comparisons: the Brier score "
    "of a judge that states exactly the share of humans.",
    "excess_brier": "The Brier score minus its floor: the mean squared distance between the stated "
    "probability and the share of humans, 0 for a judge that states that share.",
    "log_loss": "Mean surprise at a human label that is no tie, in nats; 1/2 everywhere scores "
    "0.69.",
    "calibration_slope": "How much the log odds of human labels rise with those that the judge "
    "states: 1 is calibrated, below 1 too sure, above 1 too cautious (Cox 1958).",
    "calibration_error": "Root mean squared distance between stated probability and share of "
    "humans over bins of equal size, less what chance adds to it (Kumar et al. 2019).",
    "repeat_agreement": "How often two labels of the same annotator on the same comparison in the "
    "same order are equal; a tie equals a tie.",
    "flip_rate": "How often the preference differs when the order is swapped, a tie being one of "
    "three preferences. It holds chance too: whoever does not repeat its labels in the same order "
    "will not in the other (Shi et al. 2024, arXiv 2406.07791).",
    "reversal_rate": "How often one response is preferred in one order and the other response in "
    "the other, among all comparisons labelled in both; changes from or to a tie are left out.",
    "test_retest": "How often two labels of the same human on the same comparison are equal, "
    "whatever the order shown.",
    "dawid_skene_agreement": "How often a label equals the likeliest class of the comparison, from "
    "the identified humans' labels and their estimated errors (Dawid & Skene 1979).",
    "agreement_with_others": "How often this human's label equals the label of one of the other "
    "humans on the same comparison, averaged over comparisons.",
    "drift": "How much this human's agreement with the others changes over 100 of its labels, in "
    "the order in which it gave them (a straight line by least squares). Comparisons that grow "
    "harder look like drift as well.",
    **{
        f"detectable_{name}": _FINDABLE
        for name in (
            "position_effect",
            "difference_from_humans",
            "adjusted_difference",
            "own_answer_difference",
            "self_preference",
            "probe_effect",
            "verdicts_lost",
            "identical_position_effect",
            "robustness_lost",
        )
    },
    "seconds_per_label": "The mean time of this human's labels, from those whose time is known.",
    "tie_share": "How often this human's label is a tie.",
}


def percent(value: float | None) -> str:
    """A share as a whole percentage; 0% and 100% are kept for none and all."""
    if value is None or not isfinite(value):
        return NOT_KNOWN
    whole = _away_from_zero(100 * value)
    if whole == 0 and value > _ROUNDING:
        return "<1%"
    if whole == 100 and value < 1 - _ROUNDING:
        return ">99%"
    return f"{whole:.0f}%"


def points(value: float | None) -> str:
    """A difference of shares in signed points."""
    if value is None or not isfinite(value):
        return NOT_KNOWN
    if abs(value) < _ROUNDING:
        return "0"
    if abs(value) < 0.005:  # "0" would hide on which side of zero it lies
        return f"{100 * value:+.1g}"
    return f"{_away_from_zero(100 * value):+.0f}"


LEAST_USD = 1e-9  # below, zeros behind the point are no help to a reader


def money(value: float | None) -> str:
    """US dollars with two significant digits, whole dollars from 100 on."""
    if value is None or not isfinite(value):
        return NOT_KNOWN
    if value == 0:
        return "$0"
    if abs(value) < LEAST_USD:
        return f"{'-' if value < 0 else ''}<$0.000000001"
    size = float(f"{abs(value):.1e}")  # first, as rounding may add a digit: 9.96 is 10, not 10.0
    digits = max(0, 1 - floor(log10(size)))
    return f"{'-' if value < 0 else ''}${abs(value):,.{digits}f}"


def duration(seconds: float | None) -> str:
    """Seconds as the unit one would say."""
    if seconds is None or not isfinite(seconds):
        return NOT_KNOWN
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    if 0 < seconds < 0.001:
        return "<0.001 s"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def value_of(row: Estimate) -> str:
    """An estimate in its unit."""
    return _in_unit(row.estimate, row.unit)


def interval_of(row: Estimate) -> str:
    """A 95% interval in its unit; empty where there is none."""
    if row.low is None or row.high is None:
        return ""
    return f"[{_bare(row.low, row.unit)}, {_bare(row.high, row.unit)}]"


def _in_unit(value: float | None, unit: str) -> str:
    if value is None or not isfinite(value):
        return NOT_KNOWN
    formats = {"share": percent, "share difference": points, "usd": money, "seconds": duration}
    if unit in formats:
        return formats[unit](value)
    digits = 3 if unit in ("brier", "nats") else 2
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _bare(value: float, unit: str) -> str:
    text = _in_unit(value, unit)
    return text.removesuffix("%").removeprefix("$") if unit in ("share", "usd") else text


def _away_from_zero(value: float) -> float:
    """Half up in size, as people round: Python's own rounding takes the even neighbour."""
    return float(floor(abs(value) + 0.5)) * (1 if value >= 0 else -1)
