"""`fsd-tuner data check`: what is wrong with a corpus."""
