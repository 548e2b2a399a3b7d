"""Which of two runs is better, by what users do: who gets what, and what follows from it."""
