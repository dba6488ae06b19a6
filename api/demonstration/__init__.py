"""The demonstration: the whole life of the seed trial, planned, posted over HTTP and summed up."""
