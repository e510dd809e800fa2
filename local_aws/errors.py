"""What can go wrong when local AWS starts or stops."""


class LocalAwsError(Exception):
    """Local AWS could not be started or stopped."""


class PortTakenError(LocalAwsError):
    """Another process listens on the requested port."""


class StartFailedError(LocalAwsError):
    """The server ended, or did not answer in time, before it was ready."""


class TemporaryDirectoryError(StartFailedError):
    """The directory for temporary files is missing, full or not writable."""


class DataDirectoryError(LocalAwsError):
    """The data directory cannot be used, or the state could not be saved in it."""


class MissingCredentialsError(LocalAwsError):
    """The server has ended, or an earlier version of local AWS has started it."""
