"""The sections of the audit report: one function each, from the basis to plain JSON."""
