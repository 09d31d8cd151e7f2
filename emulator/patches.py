"""Puts functions in place of ministack's. PATCHES.md says why, of each of them; a test compares the two."""

import functools


def replaces(modules, name, key=None):
    """Puts a function in place of the one of this name, or of the one under a key of the dictionary of this name.
    Several modules hold the same function where they import it from each other."""

    def put(function):
        for module in modules if isinstance(modules, tuple) else (modules,):
            if key is None:
                setattr(module, name, function)
            else:
                getattr(module, name)[key] = function
        return function

    return put


def wraps(modules, name, key=None):
    """The same, for a function whose first argument is the function that it replaces."""
    module = modules[0] if isinstance(modules, tuple) else modules
    found = getattr(module, name)
    replaced = found if key is None else found[key]
    return lambda function: replaces(modules, name, key)(functools.partial(function, replaced))
