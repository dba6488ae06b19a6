"""The way in: submission, decision against the head, result, one transaction, receipt."""
