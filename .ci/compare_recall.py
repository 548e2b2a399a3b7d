"""Compare an evaluation with a stored one: `compare_recall.py EVALUATION.json STORED.json`.

Prints recall@30 of each ranking that both have. Exit code 1 where one is outside the stored 95 % interval.
"""

import json
import sys
from pathlib import Path

new, stored = (json.loads(Path(name).read_text(encoding="utf-8"))["results"] for name in sys.argv[1:3])
failures = 0
for ranking in sorted(new.keys() & stored.keys()):
    value, before = new[ranking]["recall@30"]["value"], stored[ranking]["recall@30"]
    is_inside = before["low"] <= value <= before["high"]
    failures += not is_inside
    print(
        f"{ranking}: {value:.3f}, stored {before['value']:.3f} ({before['low']:.3f} to {before['high']:.3f})"
    )
sys.exit(1 if failures or not new.keys() & stored.keys() else 0)
