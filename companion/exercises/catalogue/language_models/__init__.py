"""Exercises on language models: an interpolated bigram, perplexity, and the word error rate."""
