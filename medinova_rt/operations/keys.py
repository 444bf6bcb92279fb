"""The keys a server makes for itself at first start and keeps in its data folder, readable by its user alone."""

import os
import secrets
from pathlib import Path


def kept_key(file: Path) -> str:
    """Return the key in `file` (43 characters, 256 bits), made now if it is absent; raises OSError.

    Two processes that start at once on one folder agree: the file appears whole (link(2)) or not at all.
    """
    try:
        return _read(file)
    except FileNotFoundError:
        pass
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_urlsafe(32) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.link(draft, file)
    except FileExistsError:
        pass  # another process was first; its key is the one
    finally:
        draft.unlink()
    return _read(file)


def _read(file: Path) -> str:
    key = file.read_text(encoding="ascii").strip()
    if len(key) < 32:
        raise OSError(f"{file} holds no key; remove it to have a new one made")
    return key
