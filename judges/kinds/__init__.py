"""The kinds of questions that a model judge asks: a file each.

    pairwise    which of two responses is better; ties allowed or not
    soft        how likely each is better, from the log-probabilities of the verdict
    rating      how good is each response by itself; the preference follows
    rubric      several criteria in one reply, and an overall verdict
    ranking     all responses to a prompt in one order, expanded into comparisons

A kind is pure: it says what a template is filled with, and what the replies mean.
"""
