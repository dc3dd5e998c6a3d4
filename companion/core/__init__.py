"""What every part uses: cells and their walk through time, layers and networks, losses, optimisers, checks."""
