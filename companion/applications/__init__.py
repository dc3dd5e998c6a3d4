"""Applications: one answer for a sentence, one label for a word, labels that know each other."""
