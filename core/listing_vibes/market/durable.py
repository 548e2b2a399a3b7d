"""Atomic and durable writes, write locks of folders, and removal of temporary files of killed processes."""

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from listing_vibes.errors import VibesError, describe_os_error

WRITING, LOCK = ".writing-", ".writer"
SYNCED = 16  # files that are synced in parallel
_OS_ERROR = re.compile(r"\(os error (\d{1,4})\)")
_UNSYNCED = (errno.EINVAL, errno.ENOTSUP, errno.EROFS)  # the file system cannot sync


@contextmanager
def atomic_path(target: Path, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path next to `target`; it replaces `target` on success and is removed on failure.

    Args:
        durable: sync the file and its folder before returning; False for caches.
    """
    target = Path(target)
    with staging_folder(target.parent) as folder:
        temporary = folder / target.name
        try:
            yield temporary
            temporary.chmod(0o644)
            if durable:
                sync(temporary)
            os.replace(temporary, target)
            if durable:
                sync(target.parent)
        except OSError as error:
            raise write_error(target, error) from error
        except Exception as error:
            if code := _OS_ERROR.search(str(error)):  # of a library in Rust, such as safetensors
                raise write_error(target, OSError(int(code[1]), os.strerror(int(code[1])))) from error
            raise


def leads_out(folder: Path, path: Path) -> bool:
    """Return whether a link on the way from `folder` to `path`, below it, leads out of the folder; the folder may be a link itself."""
    try:
        return not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a loop of links
        return True


def inside(folder: Path, path: Path) -> Path:
    """Return `path`, a file or folder below `folder` that is about to be read, written or removed.

    Raises:
        VibesError: a link leads out of the folder, as in a market or run of somebody else.
    """
    if leads_out(folder, path):
        raise VibesError(
            f"{path} is a link that leaves {folder}, so it is neither read nor written; remove the link."
        )
    return path


def sync(path: Path) -> None:
    """Sync a file or folder to the disk."""
    try:
        opened = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder, on Windows
        return
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in _UNSYNCED:
            raise
    finally:
        os.close(opened)


def sync_tree(folder: Path) -> None:
    """Sync all files below a folder and then its folders, in parallel, which the disk combines."""
    paths = [*folder.rglob("*"), folder]
    try:
        with ThreadPoolExecutor(SYNCED) as pool:
            list(pool.map(sync, [path for path in paths if not path.is_dir()]))
            list(pool.map(sync, [path for path in paths if path.is_dir()]))
    except OSError as error:
        raise write_error(folder, error) from error


def copy_file(source: Path, target: Path) -> None:
    """Copy a file atomically; a reader of `target` sees the old or the new content."""
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def sweep_left(folder: Path) -> None:
    """Remove temporary folders of killed processes from a folder, and files of earlier versions; those in use stay."""
    for path in folder.glob(f"{WRITING}*"):
        lock = path / LOCK if path.is_dir() else path
        with contextlib.suppress(OSError, Timeout), FileLock(lock, timeout=0):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)  # on Windows, the file of the lock stays
            else:
                path.unlink()


@contextmanager
def staging_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder inside `folder`, which is removed at the end; its process has the lock on its file `LOCK`.

    After a kill, `sweep_left` removes it.
    """
    new = not folder.is_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging, guard = _locked_folder(folder)
    except OSError as error:
        raise write_error(folder, error) from error
    try:
        yield staging
    finally:
        guard.release()  # first, since Windows does not remove an open file
        shutil.rmtree(staging, ignore_errors=True)
        if new:
            _remove_empty(folder)


def _locked_folder(folder: Path) -> tuple[Path, FileLock]:
    while True:
        staging = Path(tempfile.mkdtemp(dir=folder, prefix=WRITING))
        guard = FileLock(staging / LOCK)
        with contextlib.suppress(FileNotFoundError):  # `sweep_left` removed it before it was locked
            guard.acquire()
            return staging, guard


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # it stays unless it is empty
        folder.rmdir()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a temporary folder; after a kill, the next process removes it."""
    place = Path(tempfile.gettempdir())
    sweep_left(place)
    with staging_folder(place) as folder:
        yield folder


@contextmanager
def only_writer(folder: Path, command: str, name: str = LOCK, wait: bool | float = False) -> Iterator[None]:
    """Lock a folder for one writer until the context or the process ends; readers need no lock.

    Args:
        command: the writer's command for the message to a second writer, such as "vibes train".
        name: of the lock file; writers with different names do not exclude each other.
        wait: seconds to wait for the other writer, True for no limit, False to fail at once.

    Raises:
        VibesError: another process is writing, or the folder cannot be written.
    """
    new, path = not folder.is_dir(), folder / name
    guard = FileLock(path, timeout=-1 if wait is True else float(wait))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        guard.acquire(poll_interval=0.1)
    except Timeout as error:
        writer = path.read_text(encoding="utf-8", errors="replace")[:200] if path.is_file() else ""
        raise VibesError(
            f"{folder} is being written by {writer or 'another process'}; wait until it ends, or stop it first."
        ) from error
    except OSError as error:
        raise write_error(folder, error) from error
    try:
        path.write_text(f"`{command}` (process {os.getpid()})", encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()  # while it is locked: filelock opens it again where it was removed
        guard.release()
        if new:
            _remove_empty(folder)


def write_error(target: Path, error: OSError) -> VibesError:
    """Return why a file or folder could not be written, as one sentence."""
    return VibesError(describe_os_error(error, target))
