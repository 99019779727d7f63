"""Pictures as points: what shows the same lies near, whether or not it was ever seen before."""
