"""Default values shared by all modules."""

#: Number of listings in a list; recall@30 is the main metric of this project.
K = 30
#: Number of days that count as recent.
RECENT_DAYS = 60
