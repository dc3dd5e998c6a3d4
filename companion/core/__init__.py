"""What every part uses: the cell, its order in memory, the walk through time, losses and optimisers."""
