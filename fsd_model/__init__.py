"""Self-distillation for fake speech detection: features, networks, losses, trainer, metrics."""
