"""What an evaluation calls its notes on what was asked."""

#: On rivals that were not measured.
LEFT_OUT = "left out"
#: On users that were drawn.
DRAWN = "drawn"
#: On a test set that stays as it was after newer events came.
FROZEN = "test set"
#: On what needs no model, where the split validates nothing: of a refit, of a log whose T1 is its T2.
RIVALS = "baselines"
WITHIN = "tuned on the last eighth of what trains, as nothing validates, and fitted on all of it"
FIRST_SETTINGS = "their first settings, as there is nothing to tune them on"
