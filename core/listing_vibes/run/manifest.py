"""`run.toml`: the manifest of a run."""

from collections.abc import Mapping
from pathlib import Path

import tomli_w
from pydantic import Field, ValidationError

from listing_vibes.errors import VibesError
from listing_vibes.features.market_summary import TransferReport
from listing_vibes.market.caches import DEMO, MODELS
from listing_vibes.market.documents import Forbidding, first_problem, read_toml, write_text
from listing_vibes.model.settings import Resolved, merged

#: Incremented when older run folders can no longer be read.
RUN_FORMAT = 4


class FileFacts(Forbidding):
    """The size and digest of a file of the run."""

    bytes: int
    sha256: str


class KnownMarket(Forbidding):
    """One of several markets that a model was trained on, with its end of training and of validation."""

    name: str
    path: str = ""  # "" if unknown
    fingerprint: str
    t1: int | None = None
    t2: int | None = None


class DefaultSpace(Forbidding):
    """The default space in which listings are compared; see `listing_vibes.run.embedding`."""

    space: str
    reason: str

    @property
    def sentence(self) -> str:
        """Return a sentence such as "Compares listings by their attributes unless you name another space: a listing has ..."."""
        names = {"model": "the model", "photos": "their photos", "attributes": "their attributes"}
        by = names.get(self.space, f"the market's own vectors '{self.space}'")
        return f"Compares listings by {by} unless you name another space: {self.reason}."


class Manifest(Forbidding):
    """The content of `run.toml`."""

    format: int = RUN_FORMAT
    market: str  # path of the market, absolute or relative to the run folder; "" = a model without a market
    market_from_run: str = (
        ""  # its path relative to the run folder when the run was written; "" = not recorded
    )
    market_name: str
    fingerprint: str
    trained_on: str = ""  # fingerprint of the market of the training; "" = no model
    steps: int = 0  # training steps of the stored weights; 0 = not recorded
    photo_encoder: str = ""
    encoded_by: str = ""  # precision of the stored vectors, see listing_vibes.model.encoder; "" = no model
    default_space: DefaultSpace | None = None  # None: the first of `contents.SPACES` that the run has
    #: Of a model of another market, or one that started from another run.
    carried: TransferReport | None = None
    #: Of the attributes space; 1 for an attribute without one.
    attribute_weights: dict[str, float] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    settings: Resolved = Resolved()  # in two tables: [settings], what the user said, and [resolved], all
    markets: list[KnownMarket] | None = None  # of a model of several markets
    files: dict[str, FileFacts] = Field(default_factory=dict)

    @property
    def started(self) -> bool:
        """Return whether the training on this market started from the weights of another run."""
        return self.carried is not None and self.carried.learned

    @classmethod
    def load(cls, run: Path) -> "Manifest":
        """Read `run/run.toml`.

        Raises:
            VibesError: `run` is not a run folder, or its format is another one.
        """
        path = run / "run.toml"
        if not path.is_file():
            raise VibesError(
                f"{run} is not a run folder (it has no run.toml); create a run with `vibes train MARKET RUN`, or `vibes embed MARKET "
                "RUN` for a market without events."
            )
        content = read_toml(path, "check its permissions")
        if content.get("format") != RUN_FORMAT:
            command = "train" if content.get("trained_on") else "embed"
            raise VibesError(
                f"{path} has format {content.get('format')}, and this version reads format {RUN_FORMAT}; create the run again with "
                f"`vibes {command} MARKET {run}-new`."
            )
        try:
            settings = content.get("settings")
            if isinstance(settings, Mapping):
                content["settings"] = merged(settings, content.pop("resolved", {})) | {"given": settings}
            manifest = cls.model_validate(content)
            manifest.settings.encoder_config()
        except (ValidationError, VibesError) as error:
            problem = first_problem(error) if isinstance(error, ValidationError) else str(error)
            hint = "" if ";" in problem else "; correct it, or copy the run again from an intact one"
            raise VibesError(f"{path}: {problem.rstrip('.')}{hint}.") from error
        return manifest

    def save(self, run: Path) -> None:
        """Write `run/run.toml`, atomically."""
        content = self.model_dump(exclude_none=True, exclude={"settings"})
        settings = self.settings
        content["settings"] = settings.given.model_dump(exclude_unset=True, exclude_none=True)
        content["resolved"] = settings.model_dump(exclude={"given"}, exclude_none=True)
        write_text(run / "run.toml", tomli_w.dumps(content))


def named_model(run: Path | str) -> Path:
    """Return the run folder of a model by its name (`homes`, `demo`), or the folder itself if the path exists.

    Raises:
        VibesError: there is neither such a folder nor such a model.
    """
    path = Path(run)
    if path.is_dir() or len(path.parts) != 1:
        return path
    available = {
        "demo": DEMO / "run",
        **{item.parent.name: item.parent for item in MODELS.glob("*/run.toml")},
    }
    if path.name not in available:
        raise VibesError(
            f"There is no run folder {path}, and no model with this name; the included models are {' and '.join(sorted(available))}."
        )
    return available[path.name]
