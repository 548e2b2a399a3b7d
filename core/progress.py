"""Progress of long work on stderr, as the command line shows it."""

from typing import Any


class Progress:
    """One progress bar on stderr, with an estimate of the time left; silent where stderr is no terminal."""

    def __enter__(self) -> "Progress":
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bar

        self.console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self.bar = Bar(*columns, console=self.console, transient=True)
        self.bar.start()
        self.tasks: dict[str, Any] = {}
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def counting(self, what: str, done: int, total: int) -> None:
        """Progress of a named piece of work."""
        if what not in self.tasks:
            self.tasks[what] = self.bar.add_task(what, total=total)
        self.bar.update(self.tasks[what], completed=done, total=total)

    def photos(self, done: int, total: int, eta_s: float) -> None:
        """Progress of the photo embedding."""
        self.counting("photos", done, total)

    def training(self, entry: dict[str, Any]) -> None:
        """Progress of a training: steps on the bar, each validation as a line."""
        if "total" in entry:
            self.counting(entry["stage"], entry["done"], entry["total"])
        elif "stage" in entry:
            self.console.print(f"{entry['stage']} ...", highlight=False)
        elif "validation recall@30" in entry:
            recall = entry["validation recall@30"]
            self.console.print(
                f"step {entry['step']}: validation recall@30 {recall:.4f} (kept: step {entry['best_step']}, {entry['best']:.4f})",
                highlight=False,
            )
        else:
            self.counting("training", entry["step"], entry["planned"])
            self.bar.update(self.tasks["training"], description=f"training, loss {entry['loss']:.3f}")

    def ablation(self, entry: dict[str, Any]) -> None:
        """Progress of an ablation: trainings on the bar with the time left, the end of each as a line."""
        if "left_out" in entry or "stage" in entry:
            return self.console.print(entry.get("left_out", f"{entry.get('stage')} ..."), highlight=False)
        eta = entry["eta_s"]
        left = (
            ""
            if eta is None
            else f", about {eta / 60:.0f} min left"
            if eta >= 90
            else f", about {eta:.0f} s left"
        )
        if "job" in entry:
            how = f"failed: {entry['error']}" if "error" in entry else f"done in {entry['seconds']:.0f} s"
            self.console.print(
                f"{entry['job']}, seed {entry['seed']}: {how} ({entry['done']:.1f} of {entry['total']}{left})",
                highlight=False,
            )
        self.counting("ablation", entry["done"], entry["total"])
        self.bar.update(self.tasks["ablation"], description=f"ablation{left}")
