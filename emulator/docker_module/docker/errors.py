"""The errors of the Docker client that ministack names."""


class DockerException(Exception):
    """The root of the client's errors."""


class APIError(DockerException):
    """The engine refused a call."""


class NotFound(APIError):
    """No such container."""


class ImageNotFound(NotFound):
    """No such image."""
