"""Concealment: sealed content encrypted at rest under data keys that can be destroyed.

Every opening is encrypted under a data key of its subject and purpose. Data keys are kept in a
store of their own, wrapped by a key-encryption key that lies in neither. Destroying a data key
erases what it conceals, here and in every copy of the ledger's database; signatures, chain and
proofs do not depend on it.
"""
