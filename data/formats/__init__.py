"""One module for each outside format; each turns files into `Material`."""
