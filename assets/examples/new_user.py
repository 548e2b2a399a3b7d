"""Recommend to a user that nobody has seen: from a history, under rules. Usage: python new_user.py"""

from listing_vibes import Run
from listing_vibes.demo.shipped import bundled_run


def main() -> None:
    """Print what a history of two homes gets, and what the rules change."""
    run = Run.open(bundled_run())
    history = [
        {"listing_id": "home-0007", "action": "view", "duration_s": 40},
        {"listing_id": "home-0100", "action": "view", "duration_s": 90},
    ]
    print(run.recommend(history, k=5).to_string(index=False))
    rules = {"at_most": 1, "seller": "district", "where": ["rooms>=2"], "diversity": 0.3}
    print(run.recommend(history, k=5, rules=rules).to_string(index=False))


if __name__ == "__main__":
    main()
