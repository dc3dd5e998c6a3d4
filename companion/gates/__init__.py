"""Part three, networks with gates: the LSTM, its variants and the GRU, and the tasks that they are for."""
