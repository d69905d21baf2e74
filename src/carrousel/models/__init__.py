"""Models that train on a user's own files: a network, its settings, and what both have to do with data, one package a kind."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # pyright: ignore
