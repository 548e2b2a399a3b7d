"""What an evaluation calls its notes on what was asked."""

#: On rivals that were not measured.
LEFT_OUT = "left out"
#: On users that were drawn.
DRAWN = "drawn"
