"""Part one, recurrent networks: cells and layers, text, and language models."""
