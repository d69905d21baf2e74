"""Autoencoders of series, for anomalies and as a start for other models."""

from carrousel.models.autoencoder.estimator import Autoencoder as Autoencoder
from carrousel.models.autoencoder.kind import KIND as KIND
from carrousel.models.autoencoder.network import AutoencoderNetwork as AutoencoderNetwork
