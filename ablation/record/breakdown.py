"""What the machine or a server failed to do, in one line."""

import errno

from mlflow.exceptions import MlflowException

from ablation.store.storage import StorageUnavailableError, is_breakdown
from t1t2core.errors import InputError

UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.EEXIST)
"""Of a file whose place is taken or closed to this user."""


def breakdown(error: Exception) -> str:
    """One line about what the machine or a server failed to do.

    Raises:
        the error itself, where nothing outside this program explains it.
    """
    if isinstance(error, MlflowException | StorageUnavailableError | InputError):
        return str(error).splitlines()[0]
    if isinstance(error, OSError) and is_breakdown(error):
        return f"no space left on the disk: {error.filename or error}; nothing half-written is kept"
    if isinstance(error, OSError) and error.errno in UNWRITABLE and error.filename:
        return f"{error.filename2 or error.filename} cannot be written: {error.strerror}"
    raise error
