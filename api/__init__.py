"""The doors of the house: HTTP, command line and client."""
