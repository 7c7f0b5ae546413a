"""The crash suite: kill a labeling job's processes until it is done; count what is left."""
