"""Part two, backpropagation through time: its equations, what gradients do over time, and training."""
