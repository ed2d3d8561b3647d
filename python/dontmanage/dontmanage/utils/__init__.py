"""What the documentation shows under `dontmanage.utils`."""
