"""Whole models: layers, a loss and a vocabulary, with save_pretrained and from_pretrained."""

from carrousel.models.language_model import LanguageModel as LanguageModel
