"""What holds everywhere where nobody says otherwise."""

#: How many listings a list has; recall@30 is what this project measures.
K = 30
#: How many days count as recent.
RECENT_DAYS = 60
